"""One fit in hand: what it works on, and what its study found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.augment import View
from headstart.data.split.checks import check_fold_weights
from headstart.data.split.file import read_split
from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.engines.engine import available_processors
from headstart.errors import InputError, unknown_name
from headstart.metrics import Evaluation, OutOfFold, evaluate
from headstart.progress import Progress
from headstart.study.decided import CALIBRATION_SCORES, JudgedPredictions, gather_decided
from headstart.study.decisions import FoldDecisions, decide_folds, with_decisions
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import work_groups
from headstart.study.finetuning import FineTuningStudy, tune_folds
from headstart.study.nested_cv import FoldResult, run_folds
from headstart.study.out_of_fold import gather, leakage_tax
from headstart.study.plan import StudyCandidate, StudyData, StudyPlan, final_fold, outer_folds
from headstart.study.search.space import Space
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.training_set import Views, requested_views, too_many_rows
from headstart.workflow.preflight import AuditedDataset
from headstart.workflow.sources import FeatureSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset


@dataclass(frozen=True)
class PositiveClass:
    """The positive class of a two-class task: its code (None for more classes), and why it is that one."""

    code: int | None
    reason: str


@dataclass(frozen=True, eq=False)
class Job:
    """One fit in hand.

    Attributes
    ----------
    inspected : AuditedDataset
    space : Space
        What is tried; its sources are named in full.
    sources : tuple of FeatureSource
        Where features come from, in the order of the space.
    options : FitOptions
    positive : PositiveClass
    journal : Journal
        Finished pieces of work.
    progress : Progress
    """

    inspected: AuditedDataset
    space: Space
    sources: tuple[FeatureSource, ...]
    options: FitOptions
    positive: PositiveClass
    journal: Journal
    progress: Progress

    def plan(self) -> StudyPlan:
        """What the study tries, and how it chooses."""
        n_images = len(self.inspected.dataset)
        return study_plan(self.space, self.sources, self.options, self.positive.code, n_images=n_images)

    def views(self) -> Views:
        """The views that the search needs."""
        return requested_views(self.space, self.options)


@dataclass(frozen=True, eq=False)
class StudyResult:
    """Everything a study found, before it is written down.

    Attributes
    ----------
    data : StudyData
    plan : StudyPlan
    folds : list of FoldResult
        The outer folds of all repeats.
    final : FoldResult
        The refit on all images.
    decided : list of FoldDecisions
        Of the outer folds.
    final_decisions : FoldDecisions
        Of the refit.
    judged : JudgedPredictions
        Predictions before and after calibration, and their scores.
    tax : dict or None
        Leakage tax, where asked for.
    tuning : FineTuningStudy or None
        Costly candidates, where there are any.
    frozen : OutOfFold or None
        What the winners among the heads on frozen features say, calibrated, where costly candidates compete with them.
    """

    data: StudyData
    plan: StudyPlan
    folds: list[FoldResult]
    final: FoldResult
    decided: list[FoldDecisions]
    final_decisions: FoldDecisions
    judged: JudgedPredictions
    tax: dict[str, Any] | None
    tuning: FineTuningStudy | None = None
    frozen: OutOfFold | None = None

    @property
    def oof(self) -> OutOfFold:
        """Out-of-fold predictions, calibrated."""
        return self.judged.after

    @property
    def evaluation(self) -> Evaluation:
        """Scores of `oof`."""
        return self.judged.evaluation


def choose_positive(dataset: ImageDataset, name: str | None) -> PositiveClass:
    """The positive class: the one named, or the rarer of two.

    Raises
    ------
    InputError
        When `name` is no class, or there are more than two classes.
    """
    if name is not None:
        if name not in dataset.classes:
            raise InputError(unknown_name("class", name, dataset.classes))
        if len(dataset.classes) != 2:
            raise InputError(f"--positive is for two classes; this data set has {len(dataset.classes)}. Leave it out.")
        return PositiveClass(dataset.classes.index(name), "named by the user")
    if len(dataset.classes) != 2:
        return PositiveClass(None, "more than two classes")
    counts = np.bincount(labels_of(dataset), minlength=2)
    if counts[0] == counts[1]:
        return PositiveClass(1, "both classes are equally frequent; the second is taken")
    return PositiveClass(int(np.argmin(counts)), "the rarer class")


def make_run_split(dataset: ImageDataset, options: FitOptions) -> Split:
    """The split asked for: made, or read from the file that holds it."""
    if options.split_file is not None:
        split = read_split(options.split_file, dataset.names, labels=dataset.label_names(), groups=dataset.groups)
    else:
        split = split_dataset(dataset, scheme=options.split, repeats=options.repeats, seed=options.seed)
    check_fold_weights(split, dataset.weights, source=str(options.split_file or "The split"))
    return split


def study_plan(
    space: Space, sources: Sequence[FeatureSource], options: FitOptions, positive: int | None = None, *, n_images: int
) -> StudyPlan:
    """The candidates of a space as a plan of a study.

    Parameters
    ----------
    space : Space
        Its sources in the order of `sources`.
    sources : sequence of FeatureSource
    options : FitOptions
    positive : int or None
        Positive class of a two-class task.
    n_images : int
        Heads that hold all rows are left out where views make too many.
    """
    number = {source: place for place, source in enumerate(space.sources)}
    n_views = {name: len(listed) for name, listed in requested_views(space, options).of_policy.items()}
    return StudyPlan(
        tuple(
            StudyCandidate(number[one.source], one.head, one.treatment)
            for one in space.candidates()
            if not too_many_rows(one.treatment, one.head.kind, n_views, n_images)
        ),
        tuple(opened.source for opened in sources),
        choose_by=options.metric,
        positive=positive,
        seed=options.seed,
        n_jobs=n_worker_processes(options),
        halving=space.halving,
        seconds_per_image=tuple(rough_seconds_per_image(opened) for opened in sources),
        n_views=n_views,
    )


def check_halving(space: Space, split: Split) -> None:
    """Refuse a halving that wants more inner folds than there are.

    Raises
    ------
    InputError
    """
    if space.halving is not None:
        space.halving.check_folds(split.n_inner)


def check_memory(plan: StudyPlan, split: Split, sources: Sequence[FeatureSource], n_classes: int) -> None:
    """Refuse a head that alone takes more memory than it may, before anything is written or computed.

    Raises
    ------
    InputError
    """
    n_rows = max(len(fold.train) for fold in [*outer_folds(split), final_fold(split)])
    for number, opened in enumerate(sources):
        width = opened.extractor.backbone.feature_width
        for members in plan.treatments(plan.of_source(number)).values():
            heads = [plan.candidates[index].head for index in members]
            work_groups(heads, width, n_classes, plan.rows_of(plan.candidates[members[0]], n_rows))


def check_views(views: Sequence[View], sources: Sequence[FeatureSource]) -> None:
    """Refuse views that do not fit the shape of the prepared pixels, before anything is written or computed.

    Raises
    ------
    InputError
    """
    for opened in sources:
        for view in views:
            view.check_takes(opened.extractor.preparation.size)


def rough_seconds_per_image(opened: FeatureSource) -> float:
    """Seconds of the forward pass by its multiply-adds at 30 GFLOP/s, as the other costs of a candidate are counted.

    Never measured: the cheapest of the tied must be the same when a run is resumed or made again.
    """
    stages = opened.extractor.backbone.staged.describe(opened.extractor.preparation.size)
    return 2 * sum(stage.multiply_adds for stage in stages) / 30e9


def run_study(
    job: Job,
    dataset: ImageDataset,
    features: tuple[NDArray[np.float32], ...],
    split: Split,
    views: tuple[Mapping[str, NDArray[np.float32]], ...] = (),
    *,
    tuning: FineTuningStudy | None = None,
) -> StudyResult:
    """Choose, judge, refit and decide; with `leakage_tax` judge once more with the groups ignored.

    Parameters
    ----------
    job : Job
    dataset : ImageDataset
        With twins joined to groups.
    features : tuple of ndarray of shape (n_images, n_features), float32
        One array for each source.
    split : Split
    views : tuple of mappings of str to ndarray of shape (n_images, n_views, n_features), float32
        Of the policies of the search, for each source.
    tuning : FineTuningStudy, optional
        Costly candidates that compete with the winners.
    """
    options, plan = job.options, job.plan()
    data = StudyData(
        features,
        labels_of(dataset),
        len(dataset.classes),
        dataset.weights,
        dataset.groups,
        soft=dataset.soft,
        views=views,
    )
    folds = [*outer_folds(split), final_fold(split)]
    found = run_folds(data, folds, plan, journal=job.journal, progress=job.progress)
    frozen = None
    if tuning is not None:
        few = decide_folds(data, found[:-1], plan, options.decision_rules)
        kept = with_decisions(found[:-1], few)
        frozen = gather(data, kept, job.inspected.dataset.classes, job.positive.code, split.repeats)
        found = tune_folds(data, found, plan, tuning, journal=job.journal, progress=job.progress)
    *decided, final = decide_folds(data, found, plan, options.decision_rules)
    judged = _judge(job, data, found[:-1], decided, split.repeats)
    judged_folds = with_decisions(found[:-1], decided)
    studied = StudyResult(data, plan, judged_folds, found[-1], decided, final, judged, None, tuning, frozen)
    return replace(studied, tax=_tax(job, dataset, split, studied)) if options.leakage_tax else studied


def _judge(
    job: Job, data: StudyData, folds: Sequence[FoldResult], decided: Sequence[FoldDecisions], n_repeats: int
) -> JudgedPredictions:
    """The outer folds' predictions as they are and calibrated, with their scores."""
    classes, positive, seed = job.inspected.dataset.classes, job.positive.code, job.options.seed
    before = gather(data, folds, classes, positive, n_repeats)
    after = gather(data, with_decisions(folds, decided), classes, positive, n_repeats)
    few = tuple(dict.fromkeys((job.options.metric, *CALIBRATION_SCORES)))
    raw = evaluate(before, metrics=few, per_class=False, seed=seed)
    return JudgedPredictions(before, after, raw, evaluate(after, seed=seed), gather_decided(decided, after))


def _tax(job: Job, dataset: ImageDataset, split: Split, kept: StudyResult) -> dict[str, Any] | None:
    """Scores of the same study with the groups ignored, beside those with groups kept; as many folds and repeats.

    Of heads on frozen features alone on both sides: costly candidates would have to be trained a second time.
    """
    if dataset.groups is None:
        job.progress.note("The data set has no groups, so there is no leakage tax to measure.")
        return None
    ungrouped = replace(dataset, groups=None, group_names=(), folds=None)
    loose_split = split_dataset(ungrouped, scheme=split.scheme, repeats=split.repeats, seed=job.options.seed)
    loose, plan = replace(kept.data, groups=None), kept.plan
    folds = run_folds(
        loose,
        outer_folds(loose_split),
        plan,
        journal=job.journal,
        prefix="tax-",
        title="Leakage tax",
        progress=job.progress,
    )
    decided = decide_folds(loose, folds, plan, job.options.decision_rules)
    oof = gather(loose, with_decisions(folds, decided), dataset.classes, plan.positive, split.repeats)
    reference = kept.evaluation
    if kept.frozen is not None:
        job.progress.note("The leakage tax is that of heads on frozen features; nothing is fine-tuned for it.")
        reference = evaluate(kept.frozen, per_class=False, seed=job.options.seed)
    return leakage_tax(reference, evaluate(oof, per_class=False, seed=job.options.seed))


def n_worker_processes(options: FitOptions) -> int:
    """Worker processes of the study."""
    return options.n_threads or available_processors()


def labels_of(dataset: ImageDataset) -> NDArray[np.int64]:
    """Class codes, which training needs.

    Raises
    ------
    InputError
        When there are none.
    """
    if dataset.labels is None:
        raise InputError("The images have no labels; training needs one for each.")
    return dataset.labels
