"""The nested study of the solar cells, against the same study as users of scikit-learn would write it.

All 2,624 cells under protocol A (defective where p > 1/2), 1,280 features of EfficientNet-Lite0 at 300 px, nested 5 x 4
folds that keep near-duplicates on one side. Both sides get the same rows and the same outer and inner folds, choose by
log loss among the settings of the quick grid whose kinds are found in scikit-learn (logistic regression, nearest
neighbours, SVM; not the dense head), and may use two processes. The other side is a ``Pipeline`` of ``StandardScaler``
and the head in ``GridSearchCV`` with ``n_jobs=2``, outer fold by outer fold. Its SVM gets probabilities by
``CalibratedClassifierCV`` with three folds, as that of headstart is calibrated.

Both take turns. Seconds are those of the clock, so the machine must be quiet. Scores of both stand beside them. Asked:
8 times as fast, by the medians of three rounds, and a log loss at most 0.01 above the other's.

``--quick`` has 300 cells and one round, and judges nothing.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from cells import Cells
from common import median, table, write_results
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from headstart.data.split.make import split_dataset
from headstart.heads import HeadSpec, grid
from headstart.metrics import OutOfFold, score
from headstart.study.data import StudyData
from headstart.study.folds import OuterFold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan

SEED = 5_824
N_PROCESSES = 2
N_ROUNDS = 3
N_QUICK = 300
REQUIRED = 8.0
ALLOWED_LOG_LOSS = 0.01
SHOWN = ("log_loss", "roc_auc", "accuracy", "balanced_accuracy")


def peer_head(spec: HeadSpec, n_features: int) -> ClassifierMixin | None:
    """The head of scikit-learn for a setting; None where it has none of the kind."""
    if spec.kind == "logistic":
        return LogisticRegression(C=spec.number("C"), max_iter=3_000)
    if spec.kind == "knn":
        return KNeighborsClassifier(spec.whole("k"), weights=str(spec.settings["votes"]), metric="cosine")
    if spec.kind == "svm":
        machine = SVC(C=spec.number("C"), gamma=spec.number("gamma") / n_features)
        return CalibratedClassifierCV(machine, ensemble=False, cv=3)
    return None


def theirs(data: StudyData, folds: Sequence[OuterFold], heads: Sequence[ClassifierMixin]) -> OutOfFold:
    """Out-of-fold predictions of the study in scikit-learn's words."""
    (features,) = data.features
    probabilities, fold_of = np.empty((1, len(features), 2)), np.empty((1, len(features)), dtype=np.int64)
    for fold in folds:
        place = {row: number for number, row in enumerate(fold.train.tolist())}
        inner = [tuple([place[row] for row in rows.tolist()] for rows in pair) for pair in fold.inner]
        pipeline = Pipeline([("scale", StandardScaler()), ("head", heads[0])])
        search = GridSearchCV(pipeline, {"head": list(heads)}, scoring="neg_log_loss", cv=inner, n_jobs=N_PROCESSES)
        search.fit(features[fold.train], data.labels[fold.train])
        probabilities[0, fold.test] = search.predict_proba(features[fold.test])
        fold_of[0, fold.test] = fold.fold
    return OutOfFold(data.labels, probabilities, fold_of, ("functional", "defective"), positive=1, groups=data.groups)


def ours(data: StudyData, folds: Sequence[OuterFold], specs: Sequence[HeadSpec]) -> OutOfFold:
    """The same by headstart."""
    plan = replace(StudyPlan.of_heads(specs, seed=SEED), positive=1, n_jobs=N_PROCESSES)
    return gather(data, run_folds(data, folds, plan), ("functional", "defective"), 1, 1)


def study_of_cells(*, quick: bool) -> tuple[StudyData, list[OuterFold]]:
    """Features, labels and groups of the cells, and the folds of both sides."""
    read = Cells.read()
    everyone = np.arange(len(read.features))
    rows = np.sort(np.random.default_rng(SEED).permutation(everyone)[:N_QUICK]) if quick else everyone
    groups = (everyone if read.groups is None else read.groups)[rows]
    dataset = read.dataset.subset(rows)
    split = split_dataset(dataset, groups=groups, strata=read.strata()[rows], seed=SEED)
    return StudyData((read.features[rows],), dataset.labels, 2, groups=groups), outer_folds(split)


def main() -> int:
    """Measure both and judge; 1 when the speed or the scores miss what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 cells, one round; nothing is judged or kept")
    quick = parser.parse_args().quick
    data, folds = study_of_cells(quick=quick)
    heads = [(spec, peer) for spec in grid("quick") if (peer := peer_head(spec, data.widths[0])) is not None]
    sides: dict[str, Callable[[], OutOfFold]] = {
        "headstart": lambda: ours(data, folds, [spec for spec, _ in heads]),
        "scikit-learn": lambda: theirs(data, folds, [peer for _, peer in heads]),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(1 if quick else N_ROUNDS):
            for side, study in sides.items():
                start = time.perf_counter()
                found[side] = study()
                seconds[side].append(round(time.perf_counter() - start, 2))
                print(f"{side}: {seconds[side][-1]:.1f} s", flush=True)
    return report(seconds, found, [spec.label for spec, _ in heads], quick=quick)


def report(seconds: dict[str, list[float]], found: dict[str, OutOfFold], labels: list[str], *, quick: bool) -> int:
    """Print, keep and judge the figures."""
    sides: dict[str, dict[str, Any]] = {}
    for side, oof in found.items():
        scores = score(oof.labels, oof.probabilities[0], positive=1)
        sides[side] = {"seconds": median(seconds[side]), **{name: scores[name] for name in SHOWN}}
    times = sides["scikit-learn"]["seconds"] / sides["headstart"]["seconds"]
    excess = sides["headstart"]["log_loss"] - sides["scikit-learn"]["log_loss"]
    print(f"\n{', '.join(labels)}\n")
    rows = [[side, *(f"{value:.4g}" for value in figures.values())] for side, figures in sides.items()]
    print(table(["side", "seconds", *SHOWN], rows))
    print(f"\n{times:.1f} times as fast, asked {REQUIRED:g}")
    print(f"log loss higher by {excess:.4f}, allowed {ALLOWED_LOG_LOSS:g}")
    if quick:
        return 0
    n_images = len(found["headstart"].labels)
    write_results(
        "nested_peers",
        {
            "n_images": n_images,
            "settings": labels,
            "sides": sides,
            "rounds": seconds,
            "times_as_fast": round(times, 2),
            "required": REQUIRED,
            "log_loss_excess": round(excess, 5),
            "allowed": ALLOWED_LOG_LOSS,
            "seed": SEED,
        },
    )
    return 0 if times >= REQUIRED and excess <= ALLOWED_LOG_LOSS else 1


if __name__ == "__main__":
    raise SystemExit(main())
