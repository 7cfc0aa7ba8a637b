"""What a fit would do and about how long it would take, without doing it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from headstart.progress import Progress
from headstart.study import run_folder as files
from headstart.workflow.cost import REPORT_S, fit_costs
from headstart.workflow.fit import join_exact
from headstart.workflow.inspect import Data, inspect_data, open_cache
from headstart.workflow.job import make_run_split, n_worker_processes
from headstart.workflow.opening import open_for
from headstart.workflow.options import FitOptions


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
    extractor = open_for(options, inspected.dataset, folder=Path(output), progress=progress).extractor
    cache = open_cache(options.cache, limit=options.cache_limit, progress=progress)
    costs = fit_costs(inspected.dataset, extractor, cache, split, options)
    seconds = {
        "audit": round(audit_s, 1),
        "features": round(costs.features_s, 1),
        "heads": round(costs.heads_s, 1),
        "report": REPORT_S,
    }
    return {
        "images": costs.n_images,
        "classes": list(inspected.dataset.classes),
        "backbone": extractor.backbone.name,
        "engine": extractor.engine.label,
        "images_per_second": round(costs.n_missing / costs.features_s, 1) if costs.n_missing else None,
        "features_in_cache": costs.n_cached,
        "candidates": costs.n_candidates,
        "split": split.scheme,
        "repeats": split.repeats,
        "worker_processes": n_worker_processes(options),
        "seconds": seconds,
        "total_minutes": round(sum(seconds.values()) / 60, 1),
    }
