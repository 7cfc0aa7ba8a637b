"""`fit`: from labelled images to an honest estimate, a model and a report."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.data import ImageDataset
from headstart.data.groups import join_groups
from headstart.data.split.file import write_split
from headstart.errors import HeadstartError, RunError
from headstart.features.cache import FeatureCache
from headstart.features.extractor import Extractor
from headstart.metrics import find_metric
from headstart.metrics.label_issues import find_label_issues
from headstart.model import Model, load_model
from headstart.progress import Progress, Silent
from headstart.report import write_report
from headstart.results.labels import DOUBTFUL_FILE, label_issues_csv
from headstart.results.read import read_run as read_record
from headstart.storage import hash_file, write_bytes, write_json
from headstart.study.candidates_table import CANDIDATES_FILE, write_candidates
from headstart.study.data import StudyData
from headstart.study.execution import run_folder as files
from headstart.study.execution.journal import Journal
from headstart.study.out_of_fold import predictions_csv
from headstart.study.positive_class import choose_positive
from headstart.study.run import StudyResult, run_study
from headstart.study.search.space import Space
from headstart.version import __version__
from headstart.workflow.baselines import (
    BASELINES_FILE,
    baseline_seconds,
    baselines_csv,
    baselines_document,
    judge_baselines,
    open_baselines,
    scratch_baseline,
)
from headstart.workflow.bundle import final_model, save_fold_heads
from headstart.workflow.document import halving_words, results_document, with_transfer
from headstart.workflow.environment import Stopwatch, machine, versions
from headstart.workflow.extraction import extract_all, extract_all_views
from headstart.workflow.finetuning import check_tuning, decide_tuning, requested_specs
from headstart.workflow.job import (
    Job,
    study_plan,
)
from headstart.workflow.options.data import as_source
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search_space import check_weights, search_space, space_identity
from headstart.workflow.options.training_set import requested_views
from headstart.workflow.overlap import warned_of_overlap
from headstart.workflow.preflight import (
    AuditedDataset,
    Data,
    NearDuplicates,
    audit_data,
    check_halving,
    check_memory,
    check_views,
    exact_pairs,
    find_near_duplicates,
    make_run_split,
    open_cache,
    reopen_pictures,
)
from headstart.workflow.sources import FeatureSource, named_space, open_sources
from headstart.workflow.time_estimate import announce
from headstart.workflow.transferability import transferability


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder : Path
    results : dict
        Content of ``results.json``.
    """

    folder: Path
    results: dict[str, Any]

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        return str(self.results["headline"]["text"])

    @property
    def report(self) -> Path:
        """Path of the report."""
        return self.folder / files.REPORT_FILE

    def model(self) -> Model:
        """The fitted model."""
        return load_model(self.folder / files.MODEL_FOLDER)


def fit(
    data: Data,
    output: str | os.PathLike[str],
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Run:
    """Train on labelled images and say honestly how well it works.

    The files are audited, features are computed once by the frozen backbone, twins are joined with the groups, inner
    folds choose a head, outer folds judge the choice, the chosen procedure is fitted on all images, and a report is
    written. Called again with the same arguments after an interruption it goes on where it stopped, with the same
    results.

    Parameters
    ----------
    data : path, DataSource or ImageDataset
        A folder of class folders, a CSV or Parquet manifest, a ``.npz`` archive, or a data set.
    output : path
        The run folder; new, or of the same run.
    options : FitOptions, optional
    progress : Progress, optional

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
    >>> run = headstart.fit("photographs/", "runs/first")  # doctest: +SKIP
    >>> run.headline  # doctest: +SKIP
    'Balanced accuracy 0.861 (0.832 to 0.886); ...'
    """
    options = options or FitOptions()
    progress = progress or Silent()
    folder, clock = _output_folder(data, output), Stopwatch()
    space = search_space(options)
    requested_specs(options)  # refused here where it makes no sense, before any image is read
    check_weights(options, space)
    with clock.step("audit"):
        audited = audit_data(
            data, skip_unreadable=options.skip_unreadable, n_threads=options.n_threads, progress=progress
        )
    find_metric(options.metric).check_classes(len(audited.dataset.classes))
    options.decision_rules.check_classes(len(audited.dataset.classes))
    positive = choose_positive(audited.dataset, options.positive)
    split = make_run_split(join_exact(audited), options)  # what cannot be is refused before anything is written
    check_halving(space, split)
    with clock.step("backbone"):
        sources = open_sources(options, space, audited.dataset, folder=folder, progress=progress)
    audited = warned_of_overlap(audited, space, options, progress)
    space = named_space(space, sources)
    n_images, n_classes = len(audited.dataset), len(audited.dataset.classes)
    widths = [source.extractor.backbone.feature_width for source in sources]
    check_memory(study_plan(space, sources, options, n_images=n_images), split, widths, n_classes)
    check_views(requested_views(space, options).all(), [source.extractor.preparation.size for source in sources])
    check_tuning(options, sources)
    identity = run_identity(audited, space, sources, options)
    location, engines = {"data": audited.source}, {str(source.number): source.record for source in sources}
    with files.claimed(folder, identity, location, images=options.images, engines=engines) as images:
        if is_complete(folder, options):
            progress.note(f"{folder} is complete; nothing is left to do.")
            if not images:  # forbidden now, perhaps not when the report was written
                write_report(folder, images=False, progress=progress)
            return Run(folder, _read_results(folder))
        for source in sources:
            source.save_network(folder / files.WORK_FOLDER)
        journal = Journal(folder / files.WORK_FOLDER)
        job = Job(audited, space, sources, replace(options, images=images), positive, journal, progress)
        return _work(folder, job, clock)


def _output_folder(data: Data, output: str | os.PathLike[str]) -> Path:
    """The run folder, which must not lie inside the data: its pictures would become data."""
    if not os.fspath(output):
        raise RunError("The path of the run folder is empty. Name a new folder.")
    folder = Path(output)
    inside = None if isinstance(data, ImageDataset) else Path(as_source(data).path)
    if inside is not None and inside.is_dir() and folder.resolve().is_relative_to(inside.resolve()):
        raise RunError(f"{folder} lies inside the data, {inside}, whose folders are classes. Name a folder elsewhere.")
    files.check_output_folder(folder)
    return folder


def _work(folder: Path, job: Job, clock: Stopwatch) -> Run:
    """Everything after the run folder is claimed."""
    images = job.audited.dataset
    cache = open_cache(
        job.options.cache,
        fallback=folder / files.WORK_FOLDER,
        limit=job.options.cache_limit,
        progress=job.progress,
    )
    split = make_run_split(join_exact(job.audited), job.options)
    rivals = open_baselines(job.options, job.sources) if job.options.baselines else None
    rivals_s = 0.0 if rivals is None else baseline_seconds(rivals, images, cache, split, job.plan)
    costs = announce(job, cache, split, rivals_s)
    with clock.step("features"):
        features = extract_all(job, cache)
        views = extract_all_views(job, cache)
        twins = find_near_duplicates(images, job.audited.audit, features[0])
    dataset = grouped(images, twins)
    split = make_run_split(dataset, job.options)
    tuning = decide_tuning(job, images, split, cache, folder / files.WORK_FOLDER)
    with clock.step("study"):
        study = run_study(
            dataset,
            StudyData.of(dataset, features, views),
            split,
            job.plan,
            job.options.decision_rules,
            tuning=tuning,
            leakage_tax=job.options.leakage_tax,
            journal=job.journal,
            progress=job.progress,
        )
    results = results_document(job, dataset, twins, split, study)
    with clock.step("transferability"):
        results["transferability"] = transferability(job, study, split, results["folds"])
    if rivals is not None:
        with clock.step("rivals"):
            scratch = scratch_baseline(job, study)
            transfer = judge_baselines(
                job, study, split, *rivals.features(images, cache, job.progress), scratch=scratch
            )
        results = with_transfer(results, baselines_document(job, study, rivals, transfer))
        write_bytes(folder / BASELINES_FILE, baselines_csv(dataset, transfer))
    write_split(folder / files.SPLIT_FILE, split)
    write_bytes(folder / files.PREDICTIONS_FILE, predictions_csv(dataset, study.oof, study.judged.said))
    write_bytes(folder / DOUBTFUL_FILE, label_issues_csv(dataset, find_label_issues(study.oof)))
    _write_search(folder / CANDIDATES_FILE, study)
    save_fold_heads(folder / files.FOLDS_FOLDER, job.sources, study)
    final_model(job, dataset, study, results).save(folder / files.MODEL_FOLDER)
    write_json(folder / files.RESULTS_FILE, results)
    _write_timings(folder, clock, costs.n_missing, cache, job.sources)
    with clock.step("report"):
        write_report(folder, dataset=images, images=job.options.images, progress=job.progress)
    _write_timings(folder, clock, costs.n_missing, cache, job.sources)
    job.journal.close()
    return Run(folder, results)


def grouped(dataset: ImageDataset, twins: NearDuplicates) -> ImageDataset:
    """The data set with twins joined to groups; as it was where there are no twins."""
    if twins.groups is None or not (twins.exact or twins.near):
        return dataset
    return dataset.with_groups(twins.groups)


def join_exact(audited: AuditedDataset) -> ImageDataset:
    """The data set with exact copies joined to groups, before features can tell of near ones."""
    pairs = exact_pairs(audited.audit)
    dataset = audited.dataset
    return dataset if not pairs else dataset.with_groups(join_groups(dataset.groups, pairs, len(dataset)))


def run_identity(
    audited: AuditedDataset, space: Space, sources: Sequence[FeatureSource], options: FitOptions
) -> dict[str, Any]:
    """Everything that decides the results of a run."""
    asked = options.identity()
    if options.split_file is not None and options.split_file.is_file():
        asked["split"] = f"file {hash_file(options.split_file)}"
    return {
        "headstart": __version__,
        "data": audited.dataset.fingerprint(),
        "options": asked,
        "search": space_identity(space, options),
        "sources": {str(source.number): _source_identity(source.extractor) for source in sources},
    }


def _source_identity(extractor: Extractor) -> dict[str, Any]:
    return {
        "weights": extractor.backbone.weights.to_json(),
        "features": extractor.settings(),
        "engine": extractor.engine.to_json(),
    }


def is_complete(folder: Path, options: FitOptions) -> bool:
    """Whether a run has left everything it leaves, and no unfinished work."""
    names = (
        files.RESULTS_FILE,
        files.PREDICTIONS_FILE,
        DOUBTFUL_FILE,
        CANDIDATES_FILE,
        files.SPLIT_FILE,
        files.TIMINGS_FILE,
    )
    last = (files.REPORT_FILE, f"{files.MODEL_FOLDER}/manifest.json")
    of_rivals = (BASELINES_FILE,) if options.baselines else ()
    there = all((folder / name).is_file() for name in (*names, *of_rivals, *last))
    return there and not (folder / files.WORK_FOLDER).exists()


def _write_search(path: Path, study: StudyResult) -> None:
    """Every candidate of every outer fold and of the refit."""
    records = [result.record for result in (*study.folds, study.final)]
    write_candidates(
        path, study.plan.candidates, records, metric=study.plan.choose_by, halving=halving_words(study.folds)
    )


def _write_timings(
    folder: Path, clock: Stopwatch, n_computed: int, cache: FeatureCache, sources: Sequence[FeatureSource]
) -> None:
    spent = clock.seconds["features"]
    write_json(
        folder / files.TIMINGS_FILE,
        {
            "seconds": clock.seconds,
            "feature_seconds": {"reading": round(cache.read_s, 3), "storing": round(cache.write_s, 3)},
            "images_per_second": round(n_computed / spent, 2) if n_computed and spent else None,
            "engine_trial_images_per_second": {source.spec.label: source.speeds for source in sources},
            "machine": machine(),
            "versions": versions(),
        },
    )


def _read_results(folder: Path) -> dict[str, Any]:
    path = folder / files.RESULTS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged. Remove the folder and run `headstart fit` again.") from error
    return dict(content)


def rewrite_report(run: str | os.PathLike[str], *, images: bool = True, progress: Progress | None = None) -> Path:
    """Write the report of a finished run again, with pictures where the images are still there.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    RunError
        When the folder holds no finished run.
    """
    folder = Path(run)
    stored = files.read_run(folder)
    source, allowed = stored.get("source") or {}, images and bool(stored.get("images", True))
    dataset = None
    progress = progress or Silent()
    if allowed:
        try:
            dataset = reopen_pictures(source.get("data"), read_record(folder).split["images"])
        except HeadstartError as error:
            progress.note(f"The report is written without pictures: {error}")
    return write_report(folder, dataset=dataset, images=allowed, progress=progress)
