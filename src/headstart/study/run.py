"""A whole study: choose, judge, refit and decide, and what a split without groups would have claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.decisions import DecisionRules
from headstart.metrics import Evaluation, OutOfFold, evaluate
from headstart.progress import Progress, Silent
from headstart.study.data import StudyData
from headstart.study.decided import CALIBRATION_SCORES, JudgedPredictions, gather_decided
from headstart.study.decisions import FoldDecisions, decide_folds, with_decisions
from headstart.study.execution.journal import Journal
from headstart.study.finetuning import FineTuningStudy, tune_folds
from headstart.study.fold_result import FoldResult
from headstart.study.folds import final_fold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather, leakage_tax
from headstart.study.plan import StudyPlan

if TYPE_CHECKING:
    from headstart.data import ImageDataset


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


def run_study(
    dataset: ImageDataset,
    data: StudyData,
    split: Split,
    plan: StudyPlan,
    rules: DecisionRules,
    *,
    tuning: FineTuningStudy | None = None,
    leakage_tax: bool = False,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Choose, judge, refit and decide; with `leakage_tax` judge once more with the groups ignored.

    Parameters
    ----------
    dataset : ImageDataset
        With near-duplicates joined to groups.
    data : StudyData
        The same images with their features.
    split : Split
    plan : StudyPlan
    rules : DecisionRules
    tuning : FineTuningStudy, optional
        Costly candidates that compete with the winners.
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
    folds = [*outer_folds(split), final_fold(split)]
    found = run_folds(data, folds, plan, journal=journal, progress=progress)
    frozen = None
    if tuning is not None:
        few = decide_folds(data, found[:-1], plan, rules)
        kept = with_decisions(found[:-1], few)
        frozen = gather(data, kept, dataset.classes, plan.positive, split.repeats)
        found = tune_folds(data, found, plan, tuning, journal=journal, progress=progress)
    *decided, final = decide_folds(data, found, plan, rules)
    judged = _judge(dataset, data, plan, found[:-1], decided, n_repeats=split.repeats)
    judged_folds = with_decisions(found[:-1], decided)
    studied = StudyResult(data, plan, judged_folds, found[-1], decided, final, judged, None, tuning, frozen)
    if not leakage_tax:
        return studied
    return replace(studied, tax=_tax(dataset, split, rules, studied, journal=journal, progress=progress or Silent()))


def _judge(
    dataset: ImageDataset,
    data: StudyData,
    plan: StudyPlan,
    folds: Sequence[FoldResult],
    decided: Sequence[FoldDecisions],
    *,
    n_repeats: int,
) -> JudgedPredictions:
    """The outer folds' predictions as they are and calibrated, with their scores."""
    before = gather(data, folds, dataset.classes, plan.positive, n_repeats)
    after = gather(data, with_decisions(folds, decided), dataset.classes, plan.positive, n_repeats)
    few = tuple(dict.fromkeys((plan.choose_by, *CALIBRATION_SCORES)))
    raw = evaluate(before, metrics=few, per_class=False, seed=plan.seed)
    return JudgedPredictions(before, after, raw, evaluate(after, seed=plan.seed), gather_decided(decided, after))


def _tax(
    dataset: ImageDataset,
    split: Split,
    rules: DecisionRules,
    kept: StudyResult,
    *,
    journal: Journal | None,
    progress: Progress,
) -> dict[str, Any] | None:
    """Scores of the same study with the groups ignored, beside those with groups kept; as many folds and repeats.

    Of heads on frozen features alone on both sides: costly candidates would have to be trained a second time.
    """
    if dataset.groups is None:
        progress.note("The data set has no groups, so there is no leakage tax to measure.")
        return None
    plan = kept.plan
    ungrouped = replace(dataset, groups=None, group_names=(), folds=None)
    loose_split = split_dataset(ungrouped, scheme=split.scheme, repeats=split.repeats, seed=plan.seed)
    loose = replace(kept.data, groups=None)
    folds = run_folds(
        loose,
        outer_folds(loose_split),
        plan,
        journal=journal,
        prefix="tax-",
        title="Leakage tax",
        progress=progress,
    )
    decided = decide_folds(loose, folds, plan, rules)
    oof = gather(loose, with_decisions(folds, decided), dataset.classes, plan.positive, split.repeats)
    reference = kept.evaluation
    if kept.frozen is not None:
        progress.note("The leakage tax is that of heads on frozen features; nothing is fine-tuned for it.")
        reference = evaluate(kept.frozen, per_class=False, seed=plan.seed)
    return leakage_tax(reference, evaluate(oof, per_class=False, seed=plan.seed))
