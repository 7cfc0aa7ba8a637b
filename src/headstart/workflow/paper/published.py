"""Figures of the paper that ours stand beside, and what it leaves open.

A. Brodzicki, M. Piekarski, D. Kucharski, J. Jaworek-Korjakowska, M. Gorgon, 2020. DOI 10.2478/fcds-2020-0010
"""

from __future__ import annotations

from typing import Final

from headstart.results.models.base import Scalar
from headstart.results.models.paper import HeadFacts, PublishedTable

TITLE: Final = (
    "A. Brodzicki, M. Piekarski, D. Kucharski, J. Jaworek-Korjakowska, M. Gorgon: Transfer Learning Methods as a New "
    "Approach in Computer Vision Tasks with Small Datasets. Foundations of Computing and Decision Sciences, 2020"
)
DOI: Final = "10.2478/fcds-2020-0010"
N_LESIONS: Final = 244
LESION_ACCURACY: Final = 0.872
LESION_INTERVAL: Final = (0.824, 0.908)
"""Wilson's, 95 %; the paper gives none."""
FOUND, MISSED, ALARMED, RIGHT = 697, 125, 20, 802
N_WINDOWS: Final = FOUND + MISSED + ALARMED + RIGHT
TEXT_ACCURACY: Final = 0.95
N_TEST_CELLS: Final = 1_642


def published_tables() -> tuple[PublishedTable, ...]:
    """What of Tables 1 to 4 stands beside our figures."""
    return (_lesions(), _signals(), _search(), _cells())


def _lesions() -> PublishedTable:
    return PublishedTable(
        number=1,
        application="lesions",
        data="244 dermoscopic images, melanoma thinner than 0.75 mm, 0.75 to 1.5 mm, thicker than 1.5 mm; VGG-19",
        n_judged=N_LESIONS,
        metrics={"accuracy": LESION_ACCURACY},
        intervals={"accuracy": LESION_INTERVAL},
        classes=(),
        confusion=(),
        head=None,
        notes=("The interval is Wilson's; the paper gives none.",),
    )


def _signals() -> PublishedTable:
    return PublishedTable(
        number=2,
        application="signals",
        data="windows of pressure readings of a storage ring, 9,898 to train on; VGG-19",
        n_judged=N_WINDOWS,
        metrics={
            "accuracy": round((FOUND + RIGHT) / N_WINDOWS, 3),
            "recall": round(FOUND / (FOUND + MISSED), 3),
            "specificity": round(RIGHT / (RIGHT + ALARMED), 3),
        },
        intervals={},
        classes=("anomaly", "normal"),
        confusion=((FOUND, MISSED), (ALARMED, RIGHT)),
        head=None,
        notes=(f"Its text says {100 * TEXT_ACCURACY:.0f} %.",),
    )


def _search() -> PublishedTable:
    settings: dict[str, Scalar] = {
        "activation": "sigmoid",
        "dropout": 0.5,
        "optimizer": "adamax",
        "batch_size": 256,
        "epochs": 30,
    }
    return PublishedTable(
        number=3,
        application="cells",
        data="the search over the head for VGG-19, ResNet-50, Xception and DenseNet-121: its winner",
        n_judged=None,
        metrics={},
        intervals={},
        classes=(),
        confusion=(),
        head=HeadFacts(network="densenet121", settings=settings),
        notes=(),
    )


def _cells() -> PublishedTable:
    return PublishedTable(
        number=4,
        application="cells",
        data="6,112 cells of 369 fluorescence images, living or dead; DenseNet-121",
        n_judged=N_TEST_CELLS,
        metrics={"accuracy": 0.93, "recall": 0.92, "specificity": 0.945},
        intervals={},
        classes=(),
        confusion=(),
        head=None,
        notes=(),
    )


OPEN_POINTS: Final = (
    f"Table 2 gives {100 * (FOUND + RIGHT) / N_WINDOWS:.1f} % ({FOUND + RIGHT:,} of {N_WINDOWS:,} windows right); the "
    f"text says {100 * TEXT_ACCURACY:.0f} %.",
    f"The rows of Table 2 are the true class: {MISSED} anomalies were missed and {ALARMED} normal windows were called "
    "anomalies, though the text says that most errors are false alarms.",
    f"{N_TEST_CELLS:,} test cells are a fifth of about {round(5 * N_TEST_CELLS, -2):,}, the set after both classes "
    "were filled up to about 4,000, and not of its 6,112 cells: it was balanced before it was split, so that turned "
    "and mirrored copies of one cell may stand on both sides.",
    "Cells were split one by one, so that cells of one micrograph may stand on both sides, too.",
    "Of the search over heads the winner is given, not what was tried, and no learning rate.",
    f"The {100 * LESION_ACCURACY:.1f} % on {N_LESIONS} images has no interval; Wilson's of 95 % is given here, for the "
    "one split that it states.",
)
"""What the paper leaves open, or says in two ways."""
