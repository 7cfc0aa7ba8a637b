"""About how long the steps of a fit take, from a short trial and a cost model of the heads."""

from __future__ import annotations

import time

import numpy as np

from headstart.data.split import Split
from headstart.features.cache import FeatureCache
from headstart.features.extract import Extractor, n_cached
from headstart.heads import HeadSpec, cost, grid, total_cost
from headstart.study.nested import OuterFold, final_fold, outer_folds
from headstart.workflow.job import Job, n_worker_processes

_TRIAL_BATCHES = 3
_START_WORKERS_S = 4.0
REPORT_S = 5.0


def announce(job: Job, cache: FeatureCache, split: Split) -> None:
    """Tell the user what is about to be done and about how long it will take."""
    dataset, options = job.inspected.dataset, job.options
    missing = len(dataset) - n_cached(dataset, job.extractor, cache)
    features_s = missing * seconds_per_image(job.extractor) if missing else 0.0
    specs = grid(options.grid)
    width, n_classes = job.extractor.backbone.feature_width, len(dataset.classes)
    heads_s = study_seconds(split, specs, width, n_classes, n_worker_processes(options))
    heads_s *= 2 if options.leakage_tax and dataset.groups is not None else 1
    minutes = (features_s + heads_s + REPORT_S) / 60
    repeated = f", drawn {split.repeats} times" if split.repeats > 1 else ""
    job.progress.note(
        f"Plan: features of {missing:,} images ({len(dataset) - missing:,} are cached), {len(specs)} heads tried in "
        f"folds {split.scheme}{repeated}: about {minutes:.1f} minutes."
    )


def seconds_per_image(extractor: Extractor) -> float:
    """Seconds of the forward pass per image, from a trial on blank images (the first batch is not counted)."""
    size = extractor.preparation.size
    pixels = np.zeros((extractor.engine.batch_size, *size, 3), dtype=np.uint8)
    extractor.compute(pixels)
    start = time.perf_counter()
    for _ in range(_TRIAL_BATCHES):
        extractor.compute(pixels)
    return (time.perf_counter() - start) / (_TRIAL_BATCHES * extractor.engine.batch_size)


def study_seconds(split: Split, specs: list[HeadSpec], n_features: int, n_classes: int, n_jobs: int) -> float:
    """Rough seconds of choosing, judging and refitting all heads."""
    folds = [*outer_folds(split), final_fold(split)]
    work = sum(_fold_seconds(fold, specs, n_features, n_classes) for fold in folds)
    return work / n_jobs + _START_WORKERS_S


def _fold_seconds(fold: OuterFold, specs: list[HeadSpec], n_features: int, n_classes: int) -> float:
    inner = sum(total_cost(specs, len(train), n_features, n_classes) for train, _ in fold.inner)
    return inner + max(cost(spec, len(fold.train), n_features, n_classes) for spec in specs)
