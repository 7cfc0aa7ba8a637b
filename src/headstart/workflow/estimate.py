"""What a fit would do and about how long it would take, without doing it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.split import Split
from headstart.features.engine import available_processors
from headstart.features.extract import Extractor, n_cached
from headstart.heads import HeadSpec, cost, grid, total_cost
from headstart.progress import Progress
from headstart.study import run_folder as files
from headstart.study.nested import OuterFold, final_fold, outer_folds
from headstart.workflow.fit import join_exact
from headstart.workflow.inspect import Data, inspect_data, open_cache, open_extractor
from headstart.workflow.job import make_run_split
from headstart.workflow.options import FitOptions

_TRIAL_BATCHES = 3
_REPORT_S = 8.0
_START_WORKERS_S = 4.0


def estimate_fit(
    data: Data, output: str | os.PathLike[str], options: FitOptions, *, progress: Progress | None = None
) -> dict[str, Any]:
    """The plan of a fit and its cost in seconds; nothing is written.

    The files are audited and the backbone is tried on a few batches, so the answer itself takes some seconds.

    Returns
    -------
    dict
        What would be done, ``seconds`` per step and ``total_minutes``.
    """
    files.check_output_folder(Path(output))
    start = time.perf_counter()
    inspected = inspect_data(
        data,
        skip_unreadable=options.skip_unreadable,
        n_threads=options.n_threads,
        progress=progress,
    )
    audit_s = time.perf_counter() - start
    split = make_run_split(join_exact(inspected), options)
    extractor = open_extractor(options, stored=files.stored_engine(Path(output)))
    kept = n_cached(inspected.dataset, extractor, open_cache(options.cache, progress=progress))
    n_images = len(inspected.dataset)
    per_image_s = seconds_per_image(extractor)
    specs = grid(options.grid)
    n_jobs = options.n_threads or available_processors()
    heads_s = study_seconds(split, specs, extractor.backbone.feature_width, len(inspected.dataset.classes), n_jobs)
    seconds = {
        "audit": round(audit_s, 1),
        "features": round((n_images - kept) * per_image_s, 1),
        "heads": round(heads_s * (2 if options.leakage_tax else 1), 1),
        "report": _REPORT_S,
    }
    return {
        "images": n_images,
        "classes": list(inspected.dataset.classes),
        "backbone": extractor.backbone.name,
        "images_per_second": round(1 / per_image_s, 1),
        "features_in_cache": kept,
        "candidates": len(specs),
        "split": split.scheme,
        "repeats": split.repeats,
        "worker_processes": n_jobs,
        "seconds": seconds,
        "total_minutes": round(sum(seconds.values()) / 60, 1),
    }


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
