"""The checks before a job: one sequence for all of them, so that each refuses the same things in the same words."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.backbones.weights import RANDOM
from headstart.backbones.weights.provenance import MARK_LENGTH, read_image_marks
from headstart.data import ImageDataset
from headstart.data.split.checks import check_fold_weights
from headstart.data.split.first_fold import first_fold
from headstart.data.split.make import split_dataset
from headstart.data.split.split_file import read_split
from headstart.errors import InputError, RunError, plural
from headstart.metrics import find_metric
from headstart.progress import Progress, Silent
from headstart.storage import hash_file
from headstart.study.execution import run_folder as files
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import work_groups
from headstart.study.folds import final_fold, outer_folds
from headstart.study.plan import StudyPlan
from headstart.study.positive_class import PositiveClass, choose_positive
from headstart.study.search.space import Space
from headstart.version import __version__
from headstart.workflow.job.audit import AuditedDataset, Data, audit_data, refuse_table_columns, require_feature_array
from headstart.workflow.job.environment import Stopwatch
from headstart.workflow.job.finetuning import check_fine_tuning
from headstart.workflow.job.job import Job
from headstart.workflow.job.made_rows import check_made_rows, makes_rows
from headstart.workflow.job.memory import check_machine
from headstart.workflow.job.near_duplicates import copy_names, join_copies, named_as_copies
from headstart.workflow.job.sources import named_space, open_sources
from headstart.workflow.job.time_estimate import table_width
from headstart.workflow.options.array_alone import takes_array_alone
from headstart.workflow.options.data import as_source, check_apart
from headstart.workflow.options.finetuning import requested_specs
from headstart.workflow.options.quick import quick_options, quick_space
from headstart.workflow.options.search_space import (
    check_weights,
    search_space,
    sized_space,
    source_options,
    space_identity,
)

if TYPE_CHECKING:
    from headstart.augment import View
    from headstart.data.split.split import Split
    from headstart.study.plan import StudyPlan
    from headstart.study.search.space import Space
    from headstart.workflow.options.fit import FitOptions

_NO_POSITIVE: Final = PositiveClass(None, "no part in the scores")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which part of the checks a job needs; as it stands, all that a fit does.

    Attributes
    ----------
    space : callable
        From the options to what is tried.
    metric : str or None
        Score that the job computes. None: that of the options.
    judges : bool
        Classes are predicted and scored: the score and the positive class must suit them.
    splits : bool
        The folds are those of ``--split``.
    trains : bool
        Candidates of a search are trained on these folds, and decisions fitted.
    sees_table : bool
        Heads of the job are trained on table columns too.
    check_data : callable or None
        What else the job requires of the readable images.
    identity : mapping
        What decides its results beside what the options say.
    """

    space: Callable[[FitOptions], Space] = search_space
    metric: str | None = None
    judges: bool = True
    splits: bool = True
    trains: bool = True
    sees_table: bool = True
    check_data: Callable[[ImageDataset], None] | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)


FIT: Final = Scope()


@dataclass(frozen=True, eq=False)
class Preflight:
    """A job that every check has let through; nothing is written yet.

    Attributes
    ----------
    job : Job
    split : Split or None
        The folds as long as near-duplicates are not known; None where the job draws its own.
    folder : Path or None
        Where the job writes; None where it writes nothing.
    identity : dict
        Everything that decides the results.
    """

    job: Job
    split: Split | None
    folder: Path | None
    identity: dict[str, Any]

    @classmethod
    def of(
        cls,
        data: Data,
        output: str | os.PathLike[str] | None,
        options: FitOptions,
        *,
        scope: Scope = FIT,
        clock: Stopwatch | None = None,
        progress: Progress | None = None,
    ) -> Preflight:
        """Check a job from the output folder to the memory of its heads, in one order for all jobs.

        Parameters
        ----------
        data : path, DataSource or ImageDataset
        output : path or None
            Where the job writes; None where it writes nothing.
        options : FitOptions
        scope : Scope
            Which of the checks apply.
        clock : Stopwatch, optional
            Told how long the audit and the backbones took.
        progress : Progress, optional

        Raises
        ------
        DataError, ImageError, SplitError, WeightsError, EngineError, InputError
            When the input cannot be used.
        RunError
            When `output` lies inside the data or holds something else.
        """
        clock, progress = clock or Stopwatch(), progress or Silent()
        if isinstance(data, ImageDataset) and data.ordered and not options.is_ordinal:
            options = replace(options, ordinal=data.classes)
        options.check_order()
        folder = None if output is None else output_folder(data, output)
        space = scope.space(options)
        asked, tried = options, space
        if options.quick:
            options, space = quick_options(options), quick_space(space)
        if takes_array_alone(space):
            require_feature_array(data)
        if scope.trains:
            specs = requested_specs(options)  # refused here where it makes no sense, before any image is read
            if specs:
                refuse_table_columns(data, f"--strategy {options.strategy}: what is fine-tuned")
        if not scope.sees_table:
            refuse_table_columns(data, "The ranking of networks")
        check_weights(options, space)
        with clock.step("audit"):
            audited = audit_data(
                data,
                skip_unreadable=options.skip_unreadable,
                n_threads=options.threads,
                channels=options.channels,
                check=lambda listed: check_machine(len(listed), len(listed.classes), repeats=options.repeats),
                progress=progress,
            )
        if options.ordinal is not None:
            audited = replace(audited, dataset=audited.dataset.with_order(options.ordinal))
        positive = _check_classes(audited.dataset, options, scope)
        tried = sized_space(tried, asked, len(audited.dataset.classes))
        space = quick_space(tried) if asked.quick else tried
        split = _check_folds(audited, options, space, scope)
        with clock.step("backbone"):
            sources = open_sources(options, space, audited.dataset, folder=folder, progress=progress)
        audited = warned_of_overlap(audited, space, options, progress)
        job = Job.of(audited, named_space(space, sources), sources, options, positive=positive, progress=progress)
        _check_ensemble(job.plan, options)
        if scope.trains and split is not None:
            _check_training(job, split)
        identity = {**run_identity(job, asked, tried), **scope.identity}
        if folder is not None:
            files.check_same_run(folder, identity)
        return cls(job, split, folder, identity)

    @property
    def run_split(self) -> Split:
        """The folds, for a job that takes them from its options."""
        if self.split is None:
            raise ValueError("the job draws folds of its own")
        return self.split

    @property
    def engines(self) -> dict[str, Any]:
        """How the engine of every source was chosen, by the number of the source."""
        return {str(source.number): source.record for source in self.job.sources}

    def begun(self, work: Path, *, images: bool) -> Job:
        """The job with its finished work kept in a folder.

        Parameters
        ----------
        work : Path
        images : bool
            Whether the report may show pictures.
        """
        return replace(self.job, options=replace(self.job.options, images=images), journal=Journal(work))


def output_folder(data: Data, output: str | os.PathLike[str]) -> Path:
    """The folder to write: new or a run's, and outside the data, where its pictures would become data.

    Raises
    ------
    RunError
    """
    if not os.fspath(output):
        raise RunError("The path of the run folder is empty. Name a new folder.")
    folder = Path(output)
    check_outside(data, folder)
    files.check_output_folder(folder)
    return folder


def check_outside(data: Data, path: Path) -> None:
    """Refuse to write into the data.

    Raises
    ------
    RunError
    """
    if not isinstance(data, ImageDataset):
        check_apart(path, Path(as_source(data).path))


def _check_classes(dataset: ImageDataset, options: FitOptions, scope: Scope) -> PositiveClass:
    """Score and decisions must suit the classes; gives the positive one."""
    n_classes = len(dataset.classes)
    if scope.judges:
        metric = find_metric(scope.metric or options.metric)
        metric.check_classes(n_classes)
        metric.check_order(dataset.ordered)
    if scope.trains:
        options.decision_rules.for_classes(dataset.classes).check_classes(n_classes)
    return choose_positive(dataset, options.positive) if scope.judges else _NO_POSITIVE


def _check_folds(audited: AuditedDataset, options: FitOptions, space: Space, scope: Scope) -> Split | None:
    """Refuse data that cannot be split, before anything is computed or written; the split, where the job takes one."""
    if scope.check_data is not None:
        scope.check_data(audited.dataset)
    if not scope.splits:
        return None
    with named_as_copies(audited.dataset, copy_names(audited)):
        split = make_run_split(join_copies(audited), options)
    if scope.trains:
        check_halving(space, split)
    return split


def _check_ensemble(plan: StudyPlan, options: FitOptions) -> None:
    """Refuse an ensemble of the only candidate there is.

    Raises
    ------
    InputError
    """
    if plan.ensemble and len(plan.candidates) + len(requested_specs(options)) < 2:
        raise InputError(
            f"--ensemble averages several candidates, but one is tried: {plan.label(0)}. Try more heads (--grid wide) "
            "or features (--features last,multi), or leave --ensemble out."
        )


def _check_training(job: Job, split: Split) -> None:
    extractors = [source.extractor for source in job.sources]
    n_columns = table_width(job.audited.dataset)
    widths = [extractor.row_shape[0] + n_columns for extractor in extractors]
    check_memory(job.plan, split, widths, len(job.audited.dataset.classes))
    check_views(job.views.all(), [extractor.preparation.size for extractor in extractors])
    check_fine_tuning(job.options, job.sources)
    if makes_rows(job.plan):
        check_made_rows(job.audited.dataset, split, fine_tunes=bool(requested_specs(job.options)))


def make_run_split(dataset: ImageDataset, options: FitOptions) -> Split:
    """The requested split: made, or read from the file that holds it."""
    if options.split_file is not None:
        found = read_split(options.split_file, dataset.names, labels=dataset.label_names(), groups=dataset.groups)
        split = replace(found, rule="")  # it was asked for by its file
    else:
        split = split_dataset(dataset, scheme=options.split, repeats=options.repeats, seed=options.seed)
    check_fold_weights(split, dataset.weights, source=str(options.split_file or "The split"))
    return first_fold(split) if options.quick else split


def check_halving(space: Space, split: Split) -> None:
    """Refuse a halving that wants more inner folds than there are.

    Raises
    ------
    InputError
    """
    if space.halving is not None:
        space.halving.check_folds(split.n_inner)


def check_memory(plan: StudyPlan, split: Split, widths: Sequence[int], n_classes: int) -> None:
    """Refuse a head that alone takes more memory than it may, before anything is written or computed.

    Parameters
    ----------
    plan : StudyPlan
    split : Split
    widths : sequence of int
        Features of each source.
    n_classes : int

    Raises
    ------
    InputError
    """
    n_rows = max(len(fold.train) for fold in [*outer_folds(split), final_fold(split)])
    for number, width in enumerate(widths):
        for members in plan.by_training_set(plan.of_source(number)).values():
            heads = [plan.candidates[index].head for index in members]
            work_groups(heads, width, n_classes, plan.rows_of(plan.candidates[members[0]], n_rows))


def check_views(views: Sequence[View], sizes: Sequence[tuple[int, int]]) -> None:
    """Refuse views that do not fit the shape (height, width) of the prepared pixels of some source.

    Raises
    ------
    InputError
    """
    for size in sizes:
        for view in views:
            view.check_takes(size)


def warned_of_overlap(audited: AuditedDataset, space: Space, options: FitOptions, progress: Progress) -> AuditedDataset:
    """The data set with a warning for every file of weights that was pretrained on some of its images.

    Such weights have seen labels of test images, so every score would flatter.
    """
    named = [source_options(options, source).weights for source in space.sources]
    found = []
    for path in dict.fromkeys(name for name in named if name not in (None, RANDOM)):
        marks = read_image_marks(Path(str(path)))
        hashes = audited.dataset.hashes or ()
        n_seen = sum(one[:MARK_LENGTH] in marks for one in hashes)
        if n_seen:
            of = f"of {len(hashes):,} images"
            found.append(
                f"{plural(n_seen, f'{of} is', f'{of} are')} among those that {Path(str(path)).name} was pretrained on, "
                "with their labels, so all scores flatter. Leave them out here, or pretrain without them."
            )
    for text in found:
        progress.note(text)
    return replace(audited, warnings=(*audited.warnings, *found))


def run_identity(job: Job, asked: FitOptions, tried: Space) -> dict[str, Any]:
    """Everything that decides the results of a run that was asked for with some options, and tries a space."""
    options = asked.identity()
    file = asked.split_file
    if file is not None and file.is_file():
        options["split"] = f"file {hash_file(file)}"
    return {
        "headstart": __version__,
        "data": job.audited.dataset.fingerprint(),
        "options": options,
        "search": space_identity(tried, asked),
        "sources": {str(source.number): source.identity() for source in job.sources},
    }
