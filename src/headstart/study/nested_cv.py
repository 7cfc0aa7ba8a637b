"""Nested evaluation: inner folds choose a candidate, outer folds judge the choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import RunError
from headstart.progress import Progress, Silent
from headstart.study.data import StudyData
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import FitSettings, fit_and_predict, fit_seed, stored_head
from headstart.study.execution.workers import Workers, WorkItem, run_items
from headstart.study.fold_result import FoldRecord, FoldResult
from headstart.study.folds import OuterFold
from headstart.study.inner_selection import (
    InnerSelection,
    StudyContext,
    compare_all,
    compare_halved,
    everything,
    inner_items,
    predictions_of,
)
from headstart.study.plan import StudyPlan
from headstart.study.search.choose import ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def run_folds(
    data: StudyData,
    folds: Sequence[OuterFold],
    plan: StudyPlan,
    *,
    journal: Journal | None = None,
    prefix: str = "",
    title: str = "Heads",
    progress: Progress | None = None,
) -> list[FoldResult]:
    """Choose and judge: for every outer fold the candidate that its inner folds prefer.

    Test rows are read only to predict them, after the choice and the fit are made without them. What is fitted in the
    making of features is fitted on the training rows of each outer fold.

    Parameters
    ----------
    data : StudyData
    folds : sequence of OuterFold
    plan : StudyPlan
    journal : Journal, optional
        Finished work items are taken from it and added to it.
    prefix : str
        Put before the journal's keys, to keep two studies of one run apart.
    title : str
        For the progress bar.
    progress : Progress, optional

    Returns
    -------
    list of FoldResult
        In the order of `folds`.

    Raises
    ------
    RunError
        When no candidate of a fold has a score, or every one diverges on all its training rows.
    """
    data.make_features(folds)
    with Workers(plan.n_jobs) as workers:
        study = StudyContext(data, plan, journal or Journal(None), workers, prefix)
        progress = progress or Silent()
        with progress.task(title, _n_steps(study, folds), "work items") as advance:
            found = _compare(study, folds, advance)
            judged = [_to_judge(study, fold, one) for fold, one in zip(folds, found, strict=True)]
            items = [outer_item(study, fold, index) for fold, some in zip(folds, judged, strict=True) for index in some]
            run_items(items, study.journal, workers, advance=advance)
        return [_fold_result(study, *one) for one in zip(folds, found, judged, strict=True)]


def _compare(study: StudyContext, folds: Sequence[OuterFold], advance: Callable[[int], None]) -> list[InnerSelection]:
    """The choice of the inner folds in every outer fold."""
    if study.plan.halving is not None:
        return [_halved(study, fold, advance) for fold in folds]
    items = [done.work for fold in folds for done in inner_items(study, fold, everything(study, fold))]
    run_items(items, study.journal, study.workers, advance=advance)
    return [compare_all(study, fold) for fold in folds]


def _halved(study: StudyContext, fold: OuterFold, advance: Callable[[int], None]) -> InnerSelection:
    halving = study.plan.halving
    if halving is None:
        raise ValueError("the plan does not halve")
    left = [_n_rungs(study)]

    def step(n: int) -> None:
        done = min(n, left[0])
        left[0] -= done
        advance(done)

    found = compare_halved(study, fold, halving, step)
    step(left[0])  # a rung may ask for nothing, or for several things
    return found


def _n_rungs(study: StudyContext) -> int:
    return 0 if study.plan.halving is None else len(study.plan.halving.folds) + 1


def _n_steps(study: StudyContext, folds: Sequence[OuterFold]) -> int:
    """Work items of the inner folds, or rungs, and fits that are judged."""
    sources = len({candidate.source for candidate in study.plan.candidates})
    judged = sum(sources if len(fold.test) else 1 for fold in folds)
    if study.plan.halving is not None:
        return judged + _n_rungs(study) * len(folds)
    return judged + sum(len(inner_items(study, fold, everything(study, fold))) for fold in folds)


def _order(study: StudyContext, found: InnerSelection) -> list[int]:
    """Numbers of the candidates with a score, best first."""
    return [found.compared[place] for place in ranked(found.choice.scores, study.plan.choose_by)]


def _to_judge(study: StudyContext, fold: OuterFold, found: InnerSelection) -> list[int]:
    """The winner first, then the best of every other source, where there are rows to judge by."""
    best: dict[int, int] = {}
    for index in _order(study, found):
        best.setdefault(study.plan.source_of(index), index)
    return list(best.values()) if len(fold.test) else list(best.values())[:1]


def outer_item(study: StudyContext, fold: OuterFold, index: int) -> WorkItem:
    """The item that fits one candidate on all training rows of a fold and predicts its test rows."""
    plan, candidate = study.plan, study.plan.candidates[index]
    data = study.data.of_fold(fold).of_source(plan.source_of(index))
    seed = fit_seed(plan.seed, fold, len(fold.inner), candidate.head.kind)
    arguments = (data, fold, candidate.head, FitSettings(seed, plan.train_precision, candidate.training_set))
    return WorkItem(outer_key(study, fold, index), fit_and_predict, arguments)


def outer_key(study: StudyContext, fold: OuterFold, index: int) -> str:
    """Name of that item in the journal."""
    return f"{study.prefix}{fold.key}-outer-{index}"


def _fold_result(study: StudyContext, fold: OuterFold, found: InnerSelection, judged: Sequence[int]) -> FoldResult:
    chosen = _chosen(study, fold, found)
    fitted = {index: study.kept(outer_key(study, fold, index)) for index in dict.fromkeys([chosen, *judged])}
    probabilities = {index: arrays["probabilities"] for index, arrays in fitted.items() if "failed" not in arrays}
    plan = study.plan
    scores = {i: plan.score(study.data, fold.test, given) for i, given in probabilities.items() if len(fold.test)}
    costs = plan.costs(study.data, len(fold.train))
    record = FoldRecord(fold.repeat, fold.fold, found.choice, found.compared, costs, chosen, scores, found.halved)
    return FoldResult(
        fold,
        _spread_out(study, found, found.choice.scores),
        _spread_out(study, found, found.log_loss),
        chosen,
        stored_head(plan.candidates[chosen].head, fitted[chosen]),
        probabilities[chosen],
        probabilities,
        record,
        predictions_of(study, fold, found, chosen),
        tried=found.tried,
    )


def _chosen(study: StudyContext, fold: OuterFold, found: InnerSelection) -> int:
    """The best candidate whose fit on all training rows did not diverge: nearly always the winner."""
    order = _order(study, found)
    for index in order:
        run_items([outer_item(study, fold, index)], study.journal, study.workers)  # the winner's is there already
        if "failed" not in study.kept(outer_key(study, fold, index)):
            return index
    raise RunError(
        f"Each of {len(order):,} candidates diverges when it is trained on all {len(fold.train):,} training rows of "
        f"{fold.key}, so none can be used. Try lower learning rates."
    )


def _spread_out(study: StudyContext, found: InnerSelection, scores: Floats) -> Floats:
    """Scores of the candidates compared among those of all, nan for the others."""
    values = np.full(len(study.plan.candidates), np.nan)
    values[list(found.compared)] = scores
    return values
