"""What a fit would do and about how long it would take, without doing it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from headstart.progress import Progress, Silent
from headstart.study.execution import run_folder as files
from headstart.study.execution.journal import Journal
from headstart.study.positive_class import choose_positive
from headstart.workflow.baselines import baseline_seconds, open_baselines
from headstart.workflow.finetuning import check_tuning, plan_tuning, requested_specs
from headstart.workflow.fit import join_exact
from headstart.workflow.job import (
    Job,
    study_plan,
)
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search_space import check_weights, search_space
from headstart.workflow.options.training_set import left_out_notes, requested_views
from headstart.workflow.preflight import (
    Data,
    audit_data,
    check_halving,
    check_memory,
    check_views,
    make_run_split,
    open_cache,
)
from headstart.workflow.sources import named_space, open_sources
from headstart.workflow.time_estimate import REPORT_S, SourceCosts, fit_costs, search_notes


def estimate_fit(
    data: Data, output: str | os.PathLike[str], options: FitOptions, *, progress: Progress | None = None
) -> dict[str, Any]:
    """The plan of a fit and its cost in seconds; nothing is written.

    The files are audited and the backbone is tried on a few batches, so the answer itself takes some seconds.

    Returns
    -------
    dict
        What would be done, ``notes`` on settings that the folds are too small for, ``seconds`` per step and
        ``total_minutes``.
    """
    files.check_output_folder(Path(output))
    space = search_space(options)
    requested_specs(options)
    check_weights(options, space)
    start = time.perf_counter()
    audited = audit_data(
        data,
        skip_unreadable=options.skip_unreadable,
        n_threads=options.n_threads,
        progress=progress,
    )
    audit_s = time.perf_counter() - start
    options.decision_rules.check_classes(len(audited.dataset.classes))
    split = make_run_split(join_exact(audited), options)
    check_halving(space, split)
    dataset = audited.dataset
    sources = open_sources(options, space, dataset, folder=Path(output), progress=progress)
    space = named_space(space, sources)
    cache = open_cache(options.cache, limit=options.cache_limit, progress=progress)
    taxed = options.leakage_tax and dataset.groups is not None
    plan = study_plan(space, sources, options, n_images=len(dataset))
    check_memory(plan, split, [source.extractor.backbone.feature_width for source in sources], len(dataset.classes))
    wanted = requested_views(space, options)
    views = wanted.all()
    check_views(views, [source.extractor.preparation.size for source in sources])
    check_tuning(options, sources)
    costs = fit_costs(dataset, plan, sources, cache, split, taxed=taxed, views=views)
    rivals_s = 0.0
    if options.baselines:
        rivals_s = baseline_seconds(open_baselines(options, sources), dataset, cache, split, plan)
    positive = choose_positive(dataset, options.positive)
    job = Job(audited, space, sources, options, positive, Journal(None), progress or Silent())
    _, tuning_notes, tuning_s = plan_tuning(job, split)
    seconds = {
        "audit": round(audit_s, 1),
        "features": round(costs.features_s, 1),
        "heads": round(costs.heads_s, 1),
        "fine_tuning": round(tuning_s, 1),
        "rivals": round(rivals_s, 1),
        "report": REPORT_S,
    }
    return {
        "images": costs.n_images,
        "views": costs.n_views,
        "classes": list(audited.dataset.classes),
        "sources": {source.label: _source(source, costs.n_images * costs.n_views) for source in costs.sources},
        "features_in_cache": costs.n_cached,
        "candidates": costs.n_candidates,
        "search": "all" if space.halving is None else "halving",
        "split": split.scheme,
        "repeats": split.repeats,
        "notes": [*search_notes(plan, split, dataset), *left_out_notes(space, wanted, len(dataset)), *tuning_notes],
        "worker_processes": options.n_worker_processes,
        "seconds": seconds,
        "total_minutes": round(sum(seconds.values()) / 60, 1),
    }


def _source(source: SourceCosts, n_images: int) -> dict[str, Any]:
    missing = n_images - source.n_cached
    speed = round(missing / source.seconds, 1) if missing else None
    return {"engine": source.engine, "images_per_second": speed, "features_in_cache": source.n_cached}
