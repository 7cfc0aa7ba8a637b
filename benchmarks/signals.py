"""Recordings as pictures against statistics and the clock: SKAB ``valve1``; and how fast windows are drawn.

Windows of 60 s every 10 s, 120 s of reference that are not judged, the start of every recording cut at random by up to
300 s. The recipe (imaging, features, penalty of a ridge head) is chosen on recordings 0 to 7 by leaving one
of them out; recordings 8 to 15 are then judged once, each by a model of the 15 others, for ten seeds of cuts. Scores of
a recording are averaged over the seeds, and methods are compared in pairs of recordings. It needs HEADSTART_TEST_DATA.
The ring at the paper's sizes is ``signals_ring.py``, recordings without labels are in ``signals_watch.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import table
from signals_methods import ALPHAS, Features, Parts, Recipe, forest, paired, ridge, without_network
from sklearn.metrics import f1_score, roc_auc_score

from headstart.data import ImageDataset
from headstart.signals import Recording, Windowing, read_recordings, window_dataset
from headstart.signals.imaging import IMAGINGS
from headstart.signals.recording import NORMAL
from headstart.signals.span import Span
from headstart.signals.statistics import statistics

PARTS = ("speeds", "skab")
N_SEEDS = 10
FIRST_SEED = 7301
SIDE = 128
"""Pixels on a side of the pictures; the map of block 4 then has a row for each of the eight channels."""
IMAGES = ("level", "matrix")
FEATURES = ("block4:rows+block4:rowmax", "block4:rows", "block4:mean+block4:max", "multi", "last")
LEAST_SPEED = 1_000
"""Windows per second that ``matrix`` and ``level`` are drawn at, on one core."""
SIMPLE, OURS, BOTH = "statistics + forest", "image", "image and statistics averaged"
AIMED = {"f1": 0.925, "auc": 0.98}


@dataclass(frozen=True, eq=False)
class Cut:
    """Windows of one seed of cuts; `pure` are those whose samples all have one label."""

    dataset: ImageDataset
    truth: np.ndarray
    pure: np.ndarray
    recording: np.ndarray
    clock: np.ndarray
    since_reference: np.ndarray
    statistics: np.ndarray

    @classmethod
    def of(cls, recordings: tuple[Recording, ...], seed: int) -> Cut:
        """Windows of all recordings, their starts cut by this seed."""
        how = Windowing(
            Span(60.0), Span(10.0), reference=Span(120.0), random_start=Span(300.0), seed=seed, rule="majority"
        )
        dataset = window_dataset(recordings, how)
        windows = dataset.pixels.windows
        truth = np.array(windows.labels) == "anomaly"
        strange = [np.array(one.labels) != NORMAL for one in windows.recordings]
        shares = [
            strange[place][start : start + windows.length].mean()
            for place, start in zip(windows.recording.tolist(), windows.start.tolist(), strict=True)
        ]
        since = windows.start - windows.reference[windows.recording, 1]
        table = statistics(dataset.pixels.values())
        return cls(dataset, truth, np.isin(shares, [0.0, 1.0]), windows.recording, windows.start, since, table)


def left_out(
    x: np.ndarray, cut: Cut, recordings: list[int], among: list[int], method: Callable[..., np.ndarray]
) -> np.ndarray:
    """Scores of the windows of some recordings, each by a model of the others among those given."""
    found = np.full(len(x), np.nan)
    for one in recordings:
        train = np.isin(cut.recording, among) & (cut.recording != one)
        test = cut.recording == one
        found[test] = method(x[train], cut.truth[train], x[test])
    return found


def chosen_recipe(cut: Cut, features: Features, first: list[int]) -> tuple[Recipe, dict[str, float]]:
    """The recipe of the best AUC on the first half, and the AUC of each."""
    tried, rows = {}, np.isin(cut.recording, first)
    for image in IMAGES:
        for name in FEATURES:
            x = features.of(cut.dataset, image, name)
            for alpha in ALPHAS:
                scores = left_out(x, cut, first, first, lambda *given, a=alpha: ridge(*given, a))
                tried[Recipe(image, name, alpha)] = float(roc_auc_score(cut.truth[rows], scores[rows]))
        print(f"SKAB, {image} tried on recordings 0 to 7", file=sys.stderr)
    best = max(tried, key=lambda recipe: tried[recipe])
    return best, {str(one): round(auc, 4) for one, auc in tried.items()}


def judged_seed(cut: Cut, recipe: Recipe, features: Features, judged: list[int], every: list[int]) -> dict[str, Any]:
    """Scores of every method on the judged recordings, for one seed of cuts."""
    by_ridge = lambda *given: ridge(*given, recipe.alpha)  # noqa: E731
    pictures = cut.dataset.pixels
    inputs = {
        SIMPLE: (cut.statistics, forest),
        OURS: (features.of(cut.dataset, recipe.image, recipe.features), by_ridge),
        "random weights": (features.of(cut.dataset, recipe.image, recipe.features, "random"), by_ridge),
        "picture without a network": (
            without_network(pictures.pictures(), len(pictures.recipe.channels)),
            by_ridge,
        ),
        "clock": (cut.clock[:, None].astype(np.float32), forest),
        "time since the reference": (cut.since_reference[:, None].astype(np.float32), forest),
    }
    scores = {name: left_out(x, cut, judged, every, method) for name, (x, method) in inputs.items()}
    scores[BOTH] = (scores[OURS] + scores[SIMPLE]) / 2
    scores["all positive"] = np.ones(len(cut.truth))
    return scores


def skab(folder: Path, features: Features, keep: Callable[[dict[str, Any]], None], *, quick: bool) -> None:
    """The protocol on SKAB: scores of every method, by recording and in pairs with statistics; kept seed by seed."""
    recordings = read_recordings(folder / "skab" / "valve1")
    recordings = recordings[:4] if quick else recordings
    every = list(range(len(recordings)))
    first, judged = every[: len(every) // 2], every[len(every) // 2 :]
    recipe, tried = chosen_recipe(Cut.of(recordings, FIRST_SEED - 1), features, first)
    chosen = {"recipe": vars(recipe), "auc_of_recipes_on_recordings_0_to_7": tried}
    figures: dict[str, list[dict[str, Any]]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + (1 if quick else N_SEEDS)):
        cut = Cut.of(recordings, seed)
        for name, scores in judged_seed(cut, recipe, features, judged, every).items():
            figures.setdefault(name, []).append(of_seed(cut, scores, judged))
        simple = mean_of(figures[SIMPLE], "by_recording")
        methods = {name: of_method(found, simple) for name, found in figures.items()}
        keep({**chosen, "first_seed": FIRST_SEED, "n_seeds": len(figures[SIMPLE]), "methods": methods})
        print(f"SKAB, seed {seed} judged", file=sys.stderr)


def of_method(found: list[dict[str, Any]], simple: np.ndarray) -> dict[str, Any]:
    """Figures of a method over the seeds, beside the AUC of statistics + forest in each recording."""
    by_recording = mean_of(found, "by_recording")
    return {
        **{score: round(float(mean_of(found, score)), 4) for score in ("f1", "auc", "f1_pure", "auc_pure")},
        "auc_by_recording": by_recording.round(4).tolist(),
        "auc_less_statistics": paired(by_recording - simple),
    }


def of_seed(cut: Cut, scores: np.ndarray, judged: list[int]) -> dict[str, Any]:
    """F1 and AUC over all judged windows and over those of one kind, and the AUC of every recording."""
    rows = np.isin(cut.recording, judged)
    pure = rows & cut.pure
    each = [cut.recording == one for one in judged]
    return {
        "f1": f1_score(cut.truth[rows], scores[rows] > 0.5),
        "auc": roc_auc_score(cut.truth[rows], scores[rows]),
        "f1_pure": f1_score(cut.truth[pure], scores[pure] > 0.5),
        "auc_pure": roc_auc_score(cut.truth[pure], scores[pure]),
        "by_recording": np.array([roc_auc_score(cut.truth[row], scores[row]) for row in each]),
    }


def mean_of(found: list[dict[str, Any]], name: str) -> Any:
    """Mean over the seeds."""
    return np.mean([one[name] for one in found], axis=0)


def drawing_speeds() -> dict[str, float]:
    """Windows of 8 channels and 60 samples that are drawn per second of processor time."""
    z = np.random.default_rng(0).normal(size=(1024, 60, 8)).astype(np.float32)
    found = {}
    for name, imaging in IMAGINGS.items():
        start = time.process_time()
        imaging.render(z, 1.0)
        found[name] = round(len(z) / (time.process_time() - start))
    return found


def main() -> int:
    """The speeds and SKAB; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four recordings, one seed, small pictures, no targets")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    given = parser.parse_args()
    data, parts, asked = (
        os.environ.get("HEADSTART_TEST_DATA"),
        Parts("signals", quick=given.quick),
        given.only.split(","),
    )
    if "speeds" in asked:
        parts.keep("windows_per_second", drawing_speeds())
    if "skab" in asked and data is None:
        print("SKAB is left out: set HEADSTART_TEST_DATA to its folder.", file=sys.stderr)
    elif "skab" in asked:
        with tempfile.TemporaryDirectory() as folder:
            features = Features(Path(folder), side=64 if given.quick else SIDE)
            skab(Path(str(data)), features, lambda figures: parts.keep("skab", figures), quick=given.quick)
    print_tables(parts.found)
    missed = [] if given.quick else missed_targets(parts.found)
    print("\n".join(missed))
    return 1 if missed else 0


def print_tables(results: dict[str, Any]) -> None:
    """What was found, as Markdown."""
    if "skab" in results:
        print(f"Recipe: {', '.join(str(value) for value in results['skab']['recipe'].values())}")
        columns = ("f1", "auc", "f1_pure", "auc_pure", "auc_less_statistics")
        methods = results["skab"]["methods"].items()
        print(table(["method", *columns], [[name, *(one[column] for column in columns)] for name, one in methods]))
        for name in (SIMPLE, OURS, BOTH):
            print(name, results["skab"]["methods"][name]["auc_by_recording"])
    speeds = results.get("windows_per_second", {})
    print(", ".join(f"{name} {speed:,} windows/s" for name, speed in speeds.items()))


def missed_targets(results: dict[str, Any]) -> list[str]:
    """Targets that were missed, in words."""
    speeds = results.get("windows_per_second", {})
    slow = [name for name in ("matrix", "level") if speeds.get(name, LEAST_SPEED) < LEAST_SPEED]
    missed = [f"{name} is drawn at less than {LEAST_SPEED:,} windows per second" for name in slow]
    if "skab" in results:
        methods = results["skab"]["methods"]
        if methods[OURS]["auc_less_statistics"][0] < 0:
            missed.append("SKAB: the image is behind statistics + forest: the simple one wins")
        if methods[BOTH]["auc_less_statistics"][1] <= 0:
            missed.append("SKAB: image and statistics together are not ahead of statistics + forest")
        missed += [
            f"SKAB: {name} of both together is {methods[BOTH][name]}, not {aim}"
            for name, aim in AIMED.items()
            if methods[BOTH][name] < aim
        ]
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
