"""About how long the steps of a fit take, from a short trial and a cost model of the heads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from headstart.data import ImageDataset
from headstart.data.split import Split
from headstart.features.cache import FeatureCache
from headstart.features.extract import n_cached
from headstart.features.extractor import Extractor
from headstart.heads import HeadSpec, cost, grid, total_cost
from headstart.study.nested import OuterFold, final_fold, outer_folds
from headstart.workflow.job import Job, n_worker_processes
from headstart.workflow.options import FitOptions

_TRIAL_BATCHES = 3
_START_WORKERS_S = 4.0
REPORT_S = 5.0


@dataclass(frozen=True)
class Costs:
    """What a fit has to do and about how long it takes.

    Attributes
    ----------
    n_images, n_cached : int
        All images, and those whose features the cache has.
    n_candidates : int
        Heads to be tried.
    features_s, heads_s : float
        Seconds of computing features and of the study.
    """

    n_images: int
    n_cached: int
    n_candidates: int
    features_s: float
    heads_s: float

    @property
    def n_missing(self) -> int:
        """Images whose features are to be computed."""
        return self.n_images - self.n_cached


def fit_costs(
    dataset: ImageDataset, extractor: Extractor, cache: FeatureCache, split: Split, options: FitOptions
) -> Costs:
    """Costs of a fit, its features tried on a few batches where any are missing."""
    cached = n_cached(dataset, extractor, cache)
    missing = len(dataset) - cached
    features_s = missing * seconds_per_image(extractor) if missing else 0.0
    specs = grid(options.grid)
    width, n_classes = extractor.backbone.feature_width, len(dataset.classes)
    heads_s = study_seconds(split, specs, width, n_classes, n_worker_processes(options))
    taxed = options.leakage_tax and dataset.groups is not None
    return Costs(len(dataset), cached, len(specs), features_s, heads_s * (2 if taxed else 1))


def announce(job: Job, cache: FeatureCache, split: Split) -> Costs:
    """Tell the user what is about to be done and about how long it will take."""
    costs = fit_costs(job.inspected.dataset, job.extractor, cache, split, job.options)
    minutes = (costs.features_s + costs.heads_s + REPORT_S) / 60
    repeated = f", drawn {split.repeats} times" if split.repeats > 1 else ""
    job.progress.note(
        f"Plan: features of {costs.n_missing:,} images ({costs.n_cached:,} are cached), {costs.n_candidates} heads "
        f"tried in folds {split.scheme}{repeated}: about {minutes:.1f} minutes."
    )
    return costs


def seconds_per_image(extractor: Extractor) -> float:
    """Seconds of the forward pass per image, from a trial on blank images (the first batch is not counted)."""
    size, n_batches = extractor.preparation.size, _TRIAL_BATCHES * extractor.n_streams
    pixels = np.zeros((extractor.engine.batch_size, *size, 3), dtype=np.uint8)
    extractor.compute(pixels)
    with ThreadPoolExecutor(extractor.n_streams) as streams:
        start = time.perf_counter()
        list(streams.map(extractor.compute, [pixels] * n_batches))
        return (time.perf_counter() - start) / (n_batches * extractor.engine.batch_size)


def study_seconds(split: Split, specs: list[HeadSpec], n_features: int, n_classes: int, n_jobs: int) -> float:
    """Rough seconds of choosing, judging and refitting all heads."""
    folds = [*outer_folds(split), final_fold(split)]
    work = sum(_fold_seconds(fold, specs, n_features, n_classes) for fold in folds)
    return work / n_jobs + _START_WORKERS_S


def _fold_seconds(fold: OuterFold, specs: list[HeadSpec], n_features: int, n_classes: int) -> float:
    inner = sum(total_cost(specs, len(train), n_features, n_classes) for train, _ in fold.inner)
    return inner + max(cost(spec, len(fold.train), n_features, n_classes) for spec in specs)
