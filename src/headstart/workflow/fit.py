"""`fit`: from labelled images to an honest estimate, a model and a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.split.split_file import write_split
from headstart.features.cache import FeatureCache
from headstart.progress import Progress, Silent
from headstart.report import write_report
from headstart.results.exports import ExportContext, exports_of
from headstart.results.models.timings import FeatureSeconds, RunTimings
from headstart.storage import write_bytes
from headstart.study.execution import run_folder as files
from headstart.study.execution.run_request import RunRequest
from headstart.study.folds import final_fold, outer_folds
from headstart.study.novelty import judge_novelty
from headstart.study.run import run_study
from headstart.workflow.job.audit import Data
from headstart.workflow.job.baselines import (
    baseline_seconds,
    baselines_document,
    judge_baselines,
    open_baselines,
    scratch_baseline,
)
from headstart.workflow.job.bundle import final_members, final_model, members_price, save_fold_heads, with_batch_of_one
from headstart.workflow.job.document import results_document, with_transfer
from headstart.workflow.job.environment import Stopwatch, machine, versions
from headstart.workflow.job.explanations import ExplanationWork, forget_pictures
from headstart.workflow.job.finetuning import fine_tuning_study, plan_fine_tuning
from headstart.workflow.job.fold_extractors import FoldExtractors, is_fitted
from headstart.workflow.job.job import Job
from headstart.workflow.job.memory import memory_note
from headstart.workflow.job.near_duplicates import join_near_duplicates, named_as_copies
from headstart.workflow.job.sources import FeatureSource, open_cache
from headstart.workflow.job.time_estimate import (
    SourceCosts,
    announce,
    explanation_seconds,
    fit_costs,
    made_notes,
    n_extractions,
    needed_bytes,
    note_split_rule,
    report_seconds,
    search_notes,
)
from headstart.workflow.job.time_saving import time_words
from headstart.workflow.job.transferability import transferability
from headstart.workflow.options.config import given_options
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.training_set import left_out_notes
from headstart.workflow.preflight import Preflight, make_run_split
from headstart.workflow.run import Run, finished_results

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.memory.collection import Pictures
    from headstart.data.split.split import Split
    from headstart.model import Model
    from headstart.results import RunResults


def fit(
    data: Data | Pictures,
    output: str | os.PathLike[str],
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
    request: RunRequest | None = None,
    before_report: Callable[[Path], None] | None = None,
    **given: Any,
) -> Run:
    """Train on labelled images and say honestly how well it works.

    The files are audited, features are computed once by the frozen backbone, near-duplicates are joined with the
    groups, inner folds choose a head, outer folds judge the choice, the chosen procedure is fitted on all images, and
    a report is written. Called again with the same arguments after an interruption it goes on where it stopped, with
    the same results.

    Parameters
    ----------
    data : path, DataSource, ImageDataset, or data in memory that has labels
        A folder of class folders, a CSV or Parquet manifest, a ``.npz`` archive, or a data set: an ImageDataset, a
        frame of pandas or polars, a data set of torch or Hugging Face (docs/data.md).
    output : path
        The run folder; new, or of the same run.
    options : FitOptions, optional
    progress : Progress, optional
    request : RunRequest, optional
        What ``run.json`` records of how the run was asked for. Default: the content of ``config``, where it is given.
    before_report : callable, optional
        Called with the run folder when its results are written, to leave what the report is to show beside them.
    **given
        ``config``, a file of options (docs/config.md), and options of `FitOptions` and `DataSource` by name, such as
        ``seed=1``; they go before those of `options`. The columns of a manifest are named as on the command line:
        ``label_column="diagnosis"``.

    Returns
    -------
    Run

    Raises
    ------
    DataError, ImageError, SplitError, WeightsError, EngineError, InputError
        When the input cannot be used; nothing is written then. (A split that only near duplicates make impossible is
        found once features are computed; the run folder exists by then.)
    RunError
        When `output` holds something else.
    StorageError
        When the disk refuses.

    Examples
    --------
    >>> import headstart
    >>> run = headstart.fit("photographs/", "runs/first", seed=1)  # doctest: +SKIP
    >>> run.headline  # doctest: +SKIP
    'Balanced accuracy 0.861 (0.832 to 0.886); ...'
    """
    named = given_options("fit", given)
    data, options = named.data(data), named.options(FitOptions, options)
    progress = progress or Silent()
    clock = Stopwatch(progress)
    request = request or named.request
    ready = Preflight.of(data, output, options, clock=clock, progress=progress)
    folder, location = Path(output), {"data": ready.job.audited.source}
    if files.holds_provisional(folder, ready.identity):
        progress.note(f"The provisional answer in {folder} is replaced by the whole job; its features are used again.")
    with files.claimed(
        folder, ready.identity, location, images=options.images, engines=ready.engines, request=request
    ) as images:
        finished = finished_results(folder, options, progress)
        if finished is not None:
            progress.note(f"{folder} is complete; nothing is left to do.")
            if not images:  # forbidden now, perhaps not when the report was written
                forget_pictures(folder / files.EXPLANATIONS_FOLDER)
                write_report(folder, images=False, progress=progress)
            return Run(folder, finished)
        for source in ready.job.sources:
            source.save_network(folder / files.WORK_FOLDER)
        begun = ready.begun(folder / files.WORK_FOLDER, images=images)
        return _work(folder, begun, ready.run_split, clock, before_report)


def _work(
    folder: Path, job: Job, split: Split, clock: Stopwatch, before_report: Callable[[Path], None] | None = None
) -> Run:
    """Everything after the run folder is claimed; `split` is made again once near-duplicates are known."""
    images = job.audited.dataset
    cache = open_cache(
        job.options.cache,
        fallback=folder / files.WORK_FOLDER,
        limit=job.options.cache_limit,
        progress=job.progress,
    )
    baselines = open_baselines(job.options, job.sources) if job.options.baselines else None
    baselines_s = (
        ()
        if baselines is None
        else baseline_seconds(baselines, images, cache, split, job.plan, is_fitted=is_fitted(job))
    )
    costs = announce(job, cache, split, baselines_s)
    extractors = FoldExtractors(job, images, cache)
    with clock.step("features"):
        confirming = extractors.confirming()
        dataset, near_duplicates = join_near_duplicates(job.audited, confirming[0], job.source_labels, job.progress)
        data = extractors.study_data(dataset, confirming)
        with named_as_copies(images, near_duplicates.pairs):
            split = _drawn_again(dataset, split, job)
        data.make_features([*outer_folds(split), final_fold(split)])
    fine_tuning = fine_tuning_study(job, split, extractors, folder / files.WORK_FOLDER)
    after_heads = [] if fine_tuning is None else [fine_tuning.seconds]
    after_heads += [0.0] if job.plan.ensemble else []  # its fits are counted among the heads
    job.progress.expect({"study": costs.study_s(*after_heads)})
    with clock.step("study"):
        study = run_study(
            dataset,
            data,
            split,
            job.plan,
            job.decision_rules,
            fine_tuning=fine_tuning,
            leakage_tax=job.options.leakage_tax,
            journal=job.journal,
            progress=job.progress,
        )
    novelty, rule = None, job.options.novelty_rule
    if rule is not None:
        with clock.step("novelty"):
            novelty = judge_novelty(data, study.folds, study.final, job.plan, rule)
    transfer = None
    with clock.step("transferability"):
        ranking = transferability(job, study, split)
    final = extractors.extractor(study.final.outer, study.plan.source_of(study.final.chosen))
    members = final_members(job, study, extractors, novelty=novelty)
    results = results_document(
        job,
        dataset,
        near_duplicates,
        split,
        study,
        extractor=final,
        novelty=novelty,
        price=members_price(members),
        transferability=ranking,
    )
    if baselines is not None:
        with clock.step("baselines"):
            scratch = scratch_baseline(job, study)
            features = baselines.features(extractors, job.progress)
            blocks = baselines.random_blocks
            transfer = judge_baselines(job, study, split, *features, random_blocks=blocks, scratch=scratch)
        results = with_transfer(results, baselines_document(job, study, baselines, transfer))
    write_split(folder / files.SPLIT_FILE, split)
    context = ExportContext(dataset, study, transfer)
    if job.options.explanations:
        with clock.step("explanations"):
            ExplanationWork(job, dataset, study, extractors).write(
                folder / files.EXPLANATIONS_FOLDER, images=job.options.images
            )
    _write_results(folder, job, context, results, extractors=extractors, members=members)
    _write_timings(folder, clock, costs.n_missing, cache, job.sources)
    if before_report is not None:
        before_report(folder)
    with clock.step("report"):
        write_report(folder, dataset=images, images=job.options.images, progress=job.progress)
    _write_timings(folder, clock, costs.n_missing, cache, job.sources)
    job.journal.close()
    return Run(folder, results)


def _drawn_again(dataset: ImageDataset, announced: Split, job: Job) -> Split:
    """The split with near-duplicates kept together, and a word where there are too few groups for the one announced."""
    split = make_run_split(dataset, job.options)
    if split.scheme != announced.scheme:
        note_split_rule(split, job.progress)
    return split


def _write_results(
    folder: Path,
    job: Job,
    context: ExportContext,
    results: RunResults,
    *,
    extractors: FoldExtractors,
    members: Sequence[Model],
) -> None:
    """Tables, heads of the folds and model; ``results.json`` last."""
    for export in exports_of(baselines=job.options.baselines):
        write_bytes(folder / export.file_name, export.content(context))
    save_fold_heads(folder / files.FOLDS_FOLDER, job.sources, extractors, context.study)
    model = final_model(members, context.dataset, context.study, results)
    model = with_batch_of_one(model, context.dataset, extractors.cache, job.progress)
    model.save(folder / files.MODEL_FOLDER)
    results.write(folder / files.RESULTS_FILE)


def _write_timings(
    folder: Path, clock: Stopwatch, n_computed: int, cache: FeatureCache, sources: Sequence[FeatureSource]
) -> None:
    spent = clock.seconds["features"]
    timings = RunTimings(
        seconds=dict(clock.seconds),
        feature_seconds=FeatureSeconds(reading=round(cache.read_s, 3), storing=round(cache.write_s, 3)),
        images_per_second=round(n_computed / spent, 2) if n_computed and spent else None,
        engine_trial_images_per_second={source.spec.label: source.speeds for source in sources},
        machine=machine(),
        versions=versions(),
    )
    timings.write(folder / files.TIMINGS_FILE)


def estimate_fit(
    data: Data,
    output: str | os.PathLike[str],
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
    **given: Any,
) -> dict[str, Any]:
    """The plan of a fit and its cost in seconds; nothing is written.

    Everything is checked as for `fit`, and the backbone is tried on a few batches, so the answer itself takes some
    seconds. Options by name are taken as `fit` takes them.

    Returns
    -------
    dict
        What would be done, ``notes`` on settings that the folds are too small for, ``seconds`` per step (those of the
        audit and of opening the backbone as they were measured here) and ``total_minutes``.

    Raises
    ------
    HeadstartError
        Whatever `fit` would refuse.
    """
    named, clock = given_options("fit", given), Stopwatch()
    data, options = named.data(data), named.options(FitOptions, options)
    ready = Preflight.of(data, output, options, clock=clock, progress=progress)
    job, split = ready.job, ready.run_split
    dataset, options = job.audited.dataset, job.options  # of a first answer, less than was asked for
    cache = open_cache(options.cache, limit=options.cache_limit, progress=progress)
    taxed = options.leakage_tax and dataset.groups is not None
    times = n_extractions(job, split, taxed=taxed)
    costs = fit_costs(
        dataset, job.plan, job.sources, cache, split, taxed=taxed, views=job.views.all(), n_extractions=times
    )
    baselines_s = 0.0
    if options.baselines:
        opened = open_baselines(options, job.sources)
        baselines_s = sum(baseline_seconds(opened, dataset, cache, split, job.plan, is_fitted=is_fitted(job)))
    _, tuning_notes, tuning_s = plan_fine_tuning(job, split)
    seconds = {
        "audit": round(clock.seconds["audit"], 1),
        "backbone": round(clock.seconds["backbone"], 1),
        "features": round(costs.features_s, 1),
        "heads": round(costs.heads_s, 1),
        "fine_tuning": round(tuning_s, 1),
        "baselines": round(baselines_s, 1),
        "explanations": round(explanation_seconds(job), 1),
        "report": round(report_seconds(len(dataset), len(dataset.classes), baselines=options.baselines), 1),
    }
    return {
        "images": costs.n_images,
        "views": costs.n_views,
        "extractions": times,
        "classes": list(dataset.classes),
        "sources": {source.label: _source_plan(source) for source in costs.sources},
        "features_in_cache": costs.n_cached,
        "candidates": costs.n_candidates,
        "search": "all" if job.space.halving is None else "halving",
        "split": split.scheme,
        "repeats": split.repeats,
        "notes": [
            *made_notes(costs),
            *search_notes(job.plan, split, dataset),
            *left_out_notes(job.space, job.views, len(dataset)),
            *tuning_notes,
            *filter(None, (time_words(seconds, split), memory_note(needed_bytes(job, costs.n_views)))),
        ],
        "worker_processes": options.n_worker_processes,
        "seconds": seconds,
        "total_minutes": round(sum(seconds.values()) / 60, 1),
    }


def _source_plan(source: SourceCosts) -> dict[str, Any]:
    missing = source.n_needed - source.n_cached
    speed = round(missing / source.seconds, 1) if missing else None
    return {"engine": source.engine, "images_per_second": speed, "features_in_cache": source.n_cached}
