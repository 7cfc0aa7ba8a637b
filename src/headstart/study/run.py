"""A whole study: choose, judge, refit and decide, and what a split without groups would have claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.decisions import DecisionRules
from headstart.metrics import Evaluation, OutOfFold, evaluate
from headstart.progress import Progress, Silent
from headstart.study.data import StudyData
from headstart.study.decisions import CALIBRATION_SCORES, JudgedPredictions, decide_folds, gather_decided
from headstart.study.ensemble.folds import ensemble_folds
from headstart.study.execution.journal import Journal
from headstart.study.finetuning.competition import fine_tune_folds
from headstart.study.finetuning.fits import FineTuningStudy
from headstart.study.fold_result import FoldDecisions, FoldResult
from headstart.study.folds import final_fold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan

if TYPE_CHECKING:
    from headstart.data import ImageDataset


@dataclass(frozen=True, eq=False)
class StudyResult:
    """Result of a whole study, before it is written down.

    Attributes
    ----------
    data : StudyData
    plan : StudyPlan
    folds : list of FoldResult
        The outer folds of all repeats, with their decisions.
    final : FoldResult
        The refit on all images.
    judged : JudgedPredictions
        Predictions before and after calibration, and their scores.
    tax : (Evaluation, Evaluation) or None
        Scores with groups kept and with groups ignored, where measured.
    fine_tuning : FineTuningStudy or None
        Fine-tuning candidates, where there are any.
    frozen : OutOfFold or None
        Calibrated predictions of the winners among the heads on frozen features, where fine-tuning competes with them.
    alone : OutOfFold or None
        Calibrated predictions of the best candidates, where an ensemble competes with them.
    """

    data: StudyData
    plan: StudyPlan
    folds: list[FoldResult]
    final: FoldResult
    judged: JudgedPredictions
    tax: tuple[Evaluation, Evaluation] | None
    fine_tuning: FineTuningStudy | None = None
    frozen: OutOfFold | None = None
    alone: OutOfFold | None = None

    @property
    def decisions(self) -> list[FoldDecisions]:
        """Decisions of every outer fold."""
        return [_decisions(result) for result in self.folds]

    @property
    def final_decisions(self) -> FoldDecisions:
        """Decisions of the refit on all images."""
        return _decisions(self.final)

    @property
    def oof(self) -> OutOfFold:
        """Out-of-fold predictions, calibrated."""
        return self.judged.after

    @property
    def evaluation(self) -> Evaluation:
        """Scores of `oof`."""
        return self.judged.evaluation


def run_study(
    dataset: ImageDataset,
    data: StudyData,
    split: Split,
    plan: StudyPlan,
    rules: DecisionRules,
    *,
    fine_tuning: FineTuningStudy | None = None,
    leakage_tax: bool = False,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Choose, judge, refit and decide; with `leakage_tax` judge once more with the groups ignored.

    Parameters
    ----------
    dataset : ImageDataset
        Images with near-duplicates joined to groups.
    data : StudyData
        The same images with their features.
    split : Split
    plan : StudyPlan
    rules : DecisionRules
    fine_tuning : FineTuningStudy, optional
        Fine-tuning candidates that compete with the winners.
    leakage_tax : bool
        Measure what a split that ignores the groups would have claimed.
    journal : Journal, optional
        Finished work is taken from it and added to it.
    progress : Progress, optional

    Raises
    ------
    RunError
        When no candidate can be chosen in some fold.
    """
    outer, journal = [*outer_folds(split), final_fold(split)], journal or Journal(None)
    found = run_folds(data, outer, plan, journal=journal, progress=progress)
    if fine_tuning is not None:
        frozen_folds = [*decide_folds(data, found[:-1], plan, rules), found[-1]]
        found = fine_tune_folds(data, frozen_folds, plan, fine_tuning, journal=journal, progress=progress)
    if plan.ensemble:
        alone_folds = [*decide_folds(data, found[:-1], plan, rules), found[-1]]
        found = ensemble_folds(data, alone_folds, plan, fine_tuning=fine_tuning, journal=journal, progress=progress)
    *folds, final = decide_folds(data, found, plan, rules)
    classes, n_repeats = dataset.classes, split.repeats
    judged = _judge(data, plan, folds, classes, n_repeats)
    frozen = None if fine_tuning is None else gather(data, folds, classes, plan.positive, n_repeats, kind="frozen")
    alone = gather(data, folds, classes, plan.positive, n_repeats, kind="alone") if plan.ensemble else None
    studied = StudyResult(data, plan, folds, final, judged, None, fine_tuning, frozen, alone)
    if not leakage_tax:
        return studied
    return replace(studied, tax=_tax(dataset, split, rules, studied, journal=journal, progress=progress or Silent()))


def _decisions(result: FoldResult) -> FoldDecisions:
    if result.decisions is None:
        raise ValueError(f"no decisions were fitted in {result.outer.key}")
    return result.decisions


def _judge(
    data: StudyData, plan: StudyPlan, folds: Sequence[FoldResult], classes: tuple[str, ...], n_repeats: int
) -> JudgedPredictions:
    """Predictions of the outer folds before and after calibration, with their scores."""
    before = gather(data, folds, classes, plan.positive, n_repeats, kind="raw")
    after = gather(data, folds, classes, plan.positive, n_repeats)
    few = tuple(dict.fromkeys((plan.choose_by, *CALIBRATION_SCORES)))
    raw = evaluate(before, metrics=few, per_class=False, seed=plan.seed)
    decided = gather_decided([_decisions(result) for result in folds], after)
    return JudgedPredictions(before, after, raw, evaluate(after, also=(plan.choose_by,), seed=plan.seed), decided)


def _tax(
    dataset: ImageDataset,
    split: Split,
    rules: DecisionRules,
    kept: StudyResult,
    *,
    journal: Journal | None,
    progress: Progress,
) -> tuple[Evaluation, Evaluation] | None:
    """Scores with groups kept, and of the same study with the groups ignored; as many folds and repeats.

    Both sides are heads on frozen features: fine-tuning candidates would have to be trained a second time.
    """
    if dataset.groups is None:
        progress.note("The data set has no groups, so there is no optimism from ignoring them to measure.")
        return None
    plan = kept.plan
    ungrouped = replace(dataset, groups=None, group_names=(), folds=None, parts=None)
    loose_split = split_dataset(ungrouped, scheme=split.scheme, repeats=split.repeats, seed=plan.seed)
    loose = replace(kept.data, groups=None)
    folds = run_folds(
        loose,
        outer_folds(loose_split),
        plan,
        journal=journal,
        prefix="tax-",
        title="Groups ignored",
        progress=progress,
    )
    if plan.ensemble and kept.frozen is None:
        folds = ensemble_folds(loose, folds, plan, journal=journal, prefix="tax-", progress=progress)
    oof = gather(loose, decide_folds(loose, folds, plan, rules), dataset.classes, plan.positive, split.repeats)
    reference = kept.evaluation
    if kept.frozen is not None:
        progress.note("The optimism from ignoring groups is measured on frozen features; nothing is fine-tuned for it.")
        reference = evaluate(kept.frozen, per_class=False, seed=plan.seed)
    return reference, evaluate(oof, per_class=False, seed=plan.seed)
