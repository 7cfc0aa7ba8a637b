"""Channels normalised by the training images instead of by the weights' own mean and spread: what it brings.

PH2 (where the environment variable HEADSTART_TEST_DATA names the folder that holds it) and the solar cells, by the
default network, whose weights expect photographs; the cells are grey. Both ways choose among the same heads in the same
nested 5 x 4 folds and are judged on the same images; the difference (training images minus weights) stands with its
interval, as it is. Nothing is asked of it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cells import Cells
from common import table, write_results

from headstart.data import ImageDataset, read_dataset
from headstart.data.preparation import FittedPreparation
from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.features.channel_sums import channel_normalisation
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.features.open import ExtractionSettings, open_extractor, select_engine
from headstart.heads import grid
from headstart.metrics import OutOfFold, compare_paired, evaluate
from headstart.samples.solar_cells import solar_cells
from headstart.study.data import StudyData
from headstart.study.features import FeatureSet, FittedFeatures
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.workflow.job.sources import open_cache

WAYS = ("weights", "training", "difference")
SHOWN = ("balanced_accuracy", "log_loss")


@dataclass(frozen=True, eq=False)
class Task:
    """A data set with its folds and the network that sees it."""

    name: str
    dataset: ImageDataset
    split: Split
    extractor: Extractor


def tasks(seed: int, *, quick: bool) -> Iterator[Task]:
    """PH2 where it is at hand, and the solar cells."""
    root = os.environ.get("HEADSTART_TEST_DATA")
    if root and (Path(root) / "ph2" / "labels.csv").is_file():
        read = read_dataset(Path(root) / "ph2" / "labels.csv", columns={"label": "diagnosis"})
        yield ph2_task(read.subset(np.arange(0, len(read), 4)) if quick else read, seed, side=96 if quick else None)
    else:
        print("PH2 is left out: HEADSTART_TEST_DATA names no folder that holds it")
    yield few_cells(seed) if quick else all_cells(seed)


def all_cells(seed: int) -> Task:
    """The solar cells, sister wafers on one side."""
    cells = Cells.read()
    return Task("solar cells", cells.dataset, cells.split(seed), cells.extractor)


def few_cells(seed: int) -> Task:
    """Every fortieth cell, seen small."""
    cells = solar_cells()
    plain = cells.dataset(cells.probability > 0.5).subset(np.arange(0, len(cells.probability), 40))
    dataset = plain.with_hashes([plain.content_hash(row) for row in range(len(plain))])
    extractor = open_extractor(ExtractionSettings(input_size=(96, 96), device="cpu", n_threads=2, offline=True))
    return Task("solar cells", dataset, split_dataset(dataset, seed=seed), extractor)


def ph2_task(plain: ImageDataset, seed: int, *, side: int | None) -> Task:
    """The lesions, three classes, by the engine that `fit` would choose."""
    dataset = plain.with_hashes([plain.content_hash(row) for row in range(len(plain))])
    size = None if side is None else (side, side)
    settings = ExtractionSettings(input_size=size, device="cpu", n_threads=2, offline=True)
    extractor = select_engine(open_extractor(settings), settings, dataset, cache=open_cache("default")).extractor
    return Task("PH2", dataset, split_dataset(dataset, seed=seed), extractor)


def by_training_images(task: Task) -> FittedFeatures:
    """Features of every fold by the mean and spread of its training images."""
    cache, extractor = open_cache("default"), task.extractor
    fittable = channel_normalisation(extractor, task.dataset, cache=cache)

    def extract(prepared: tuple[FittedPreparation, ...], fold: str) -> FeatureSet:
        one = extractor.with_preparation(prepared[0])
        return FeatureSet((extract_features(task.dataset, one, cache=cache, fold=fold),))

    return FittedFeatures(lambda rows: (fittable.fit(task.dataset, rows),), extract, [extractor.backbone.feature_width])


def judge(task: Task, data: StudyData, plan: StudyPlan) -> OutOfFold:
    """Out-of-fold predictions of the nested study."""
    folds = run_folds(data, outer_folds(task.split), plan)
    return gather(data, folds, task.dataset.classes, plan.positive, task.split.repeats)


def compare(task: Task, plan: StudyPlan) -> dict[str, Any]:
    """Scores of both ways, and their difference in pairs."""
    start = time.perf_counter()
    usual = (extract_features(task.dataset, task.extractor, cache=open_cache("default")),)
    weights = judge(task, StudyData.of(task.dataset, usual), plan)
    training = judge(task, StudyData.of(task.dataset, by_training_images(task)), plan)
    difference = compare_paired(training, weights, metrics=SHOWN)
    return {
        "n_images": len(task.dataset),
        "weights": _scores(weights),
        "training": _scores(training),
        "difference": {name: value.to_json() for name, value in difference.metrics.items()},
        "seconds": round(time.perf_counter() - start, 1),
    }


def _scores(oof: OutOfFold) -> dict[str, Any]:
    return {name: found.to_json() for name, found in evaluate(oof, metrics=SHOWN, per_class=False).metrics.items()}


def main() -> int:
    """Compare on every data set; always 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few images and heads, to see that it runs")
    arguments = parser.parse_args()
    heads = grid("quick")[:2] if arguments.quick else grid()
    plan = StudyPlan.of_heads(heads, seed=arguments.seed)
    found = {task.name: compare(task, plan) for task in tasks(arguments.seed, quick=arguments.quick)}
    if not arguments.quick:
        write_results("normalise", {"seed": arguments.seed, "data": found})
    rows = [
        [name, f"{one['n_images']:,}", score, *(_cell(one[way][score]) for way in WAYS)]
        for name, one in found.items()
        for score in SHOWN
    ]
    print(table(["data", "images", "score", "by the weights", "by the training images", "difference"], rows))
    return 0


def _cell(estimate: dict[str, Any]) -> str:
    low, high = estimate["ci95"]
    return f"{estimate.get('value', estimate.get('difference')):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
