"""Inner folds of a study: candidates fitted and predicted in work items, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.heads import HeadSpec
from headstart.runtime.threads import single_thread
from headstart.study.data import StudyData
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import FitSettings, fit_seed, inner_predictions, item_key, work_groups
from headstart.study.execution.workers import Workers, WorkItem, run_items
from headstart.study.folds import OuterFold
from headstart.study.plan import StudyPlan
from headstart.study.search.choose import Selection, make_choice, no_choice, pooled_scores
from headstart.study.search.halving.plan import Halved, HalvingPlan, Request, shortened
from headstart.study.search.halving.run import halve
from headstart.study.search.inner_predictions import InnerPredictions, InnerTask, PredictionStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

N_KEPT = 3
"""Candidates whose inner predictions are kept after the choice, to calibrate by; nearly always it is the winner's."""


@dataclass(frozen=True, eq=False)
class StudyContext:
    """A study under way: its data and plan, and where its work items run and are kept.

    Attributes
    ----------
    data : StudyData
    plan : StudyPlan
    journal : Journal
    workers : Workers
    prefix : str
        Put before the journal's keys.
    """

    data: StudyData
    plan: StudyPlan
    journal: Journal
    workers: Workers
    prefix: str = ""

    def kept(self, key: str) -> dict[str, NDArray[Any]]:
        """Arrays of a work item that has been run."""
        tensors = self.journal.get(key)
        if tensors is None:
            raise KeyError(f"work item {key!r} was run but is not in the journal")
        return tensors


@dataclass(frozen=True, eq=False)
class InnerSelection:
    """The choice of the inner folds of one outer fold, and what it stands on.

    Attributes
    ----------
    choice : Selection
        Among the candidates compared.
    compared : tuple of int
        Their numbers: all, or those that halving kept.
    log_loss : ndarray of shape (n_compared,)
        Pooled over the validated rows.
    halved : Halved or None
    best : mapping of int to ndarray of shape (n_train, n_classes), float32
        Inner predictions of the few best, by number; rows that no fold validates are zeros.
    tried : sequence of ndarray of shape (n_train, n_classes), or None
        Inner predictions of all that were compared, in their order, where an ensemble is to be made of them.
    """

    choice: Selection
    compared: tuple[int, ...]
    log_loss: Floats
    halved: Halved | None = None
    best: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    tried: Sequence[Floats] | None = None


@dataclass(frozen=True, eq=False)
class InnerItem:
    """A work item, the candidates it predicts for and the inner fold that it does so in."""

    work: WorkItem
    candidates: tuple[int, ...]
    number: int


def inner_items(study: StudyContext, fold: OuterFold, request: Request) -> list[InnerItem]:
    """The items that score the candidates of a request on its inner folds, source by source."""
    plan, items = study.plan, []
    n_rows = max(len(train) for train, _ in fold.inner)
    for source, width in enumerate(study.data.widths_in(fold)):
        of_source = plan.by_training_set(plan.of_source(source, request.candidates))
        for members in of_source.values():
            heads = [shortened(plan.candidates[index].head, request.epochs) for index in members]
            rows = plan.rows_of(plan.candidates[members[0]], n_rows)
            for group in work_groups(heads, width, study.data.n_classes, rows):
                taken = tuple(heads[place] for place in group)
                named = tuple(members[place] for place in group)
                items += [_inner_item(study, fold, number, named, taken) for number in request.folds]
    return items


def _inner_item(
    study: StudyContext, fold: OuterFold, number: int, members: tuple[int, ...], heads: tuple[HeadSpec, ...]
) -> InnerItem:
    """One item for candidates of one source and one training set in one inner fold."""
    plan, first = study.plan, study.plan.candidates[members[0]]
    seed = fit_seed(plan.seed, fold, number, heads[0].kind)
    name = item_key(heads, first.training_set)
    source = plan.source_number(first)
    key = f"{study.prefix}{fold.key}-source{source}-inner{number}-{name}"
    data = study.data.of_fold(fold).of_source(source)
    arguments = (data, fold.inner[number], heads, FitSettings(seed, plan.train_precision, first.training_set))
    return InnerItem(WorkItem(key, inner_predictions, arguments), members, number)


def everything(study: StudyContext, fold: OuterFold) -> Request:
    """All candidates on all inner folds to their own epochs."""
    return Request(tuple(range(len(study.plan.candidates))), tuple(range(len(fold.inner))))


def compare_all(study: StudyContext, fold: OuterFold) -> InnerSelection:
    """The choice among all candidates, whose items the journal holds."""
    predictions = PredictionStore(len(study.plan.candidates), fold, study.data.n_classes)
    for done in inner_items(study, fold, everything(study, fold)):
        predictions.fill(done.candidates, done.number, study.kept(done.work.key)["probabilities"])
    return _found(study, fold, predictions, tuple(range(len(predictions))))


def compare_halved(
    study: StudyContext, fold: OuterFold, halving: HalvingPlan, advance: Callable[[int], None]
) -> InnerSelection:
    """The choice among the candidates that halving keeps; `advance` is told of every rung."""
    plan = study.plan
    runner = _Runner(study, fold, advance)
    halved = halve(
        plan.heads,
        runner,
        n_folds=len(fold.inner),
        metric=plan.choose_by,
        plan=halving,
        keys=[f"{plan.source_number(one)} {one.training_set.label}" for one in plan.candidates],
    )
    if not halved.kept:
        raise no_choice(len(plan.candidates), int(halved.failed.sum()), plan.choose_by)
    return _found(study, fold, runner.predictions, halved.kept, halved)


class _Runner:
    """Scores what halving asks for, item by item, and keeps the predictions made at a candidate's own epochs."""

    def __init__(self, study: StudyContext, fold: OuterFold, advance: Callable[[int], None]) -> None:
        self.study, self.fold, self.advance = study, fold, advance
        self.predictions = PredictionStore(len(study.plan.candidates), fold, study.data.n_classes)

    def __call__(self, request: Request) -> Floats:
        items = inner_items(self.study, self.fold, request)
        run_items([done.work for done in items], self.study.journal, self.study.workers)
        row = {index: place for place, index in enumerate(request.candidates)}
        column = {number: place for place, number in enumerate(request.folds)}
        scores = np.full((len(row), len(column)), np.nan)
        for done in items:
            probabilities = self.study.kept(done.work.key)["probabilities"]
            self.predictions.fill(
                done.candidates, done.number, probabilities
            )  # a shortened head's are overwritten before they are compared
            for index, predicted in zip(done.candidates, probabilities, strict=True):
                scores[row[index], column[done.number]] = self._score(predicted, done.number)
        self.advance(1)
        return scores

    def _score(self, predicted: NDArray[np.float32], number: int) -> float:
        if not np.isfinite(predicted).all():
            return float("nan")
        return self.study.plan.score(self.study.data, self.fold.inner[number][1], predicted.astype(np.float64))


def _found(
    study: StudyContext,
    fold: OuterFold,
    predictions: PredictionStore,
    compared: tuple[int, ...],
    halved: Halved | None = None,
) -> InnerSelection:
    plan, task = study.plan, inner_task(study, fold, study.plan.choose_by)
    costs = plan.costs(study.data, len(fold.train))[list(compared)]
    selected = predictions.of(compared)
    with single_thread():
        choice = make_choice(selected, task, costs, seed=plan.seed)
        by_loss = plan.choose_by == "log_loss"
        log_loss = choice.scores if by_loss else pooled_scores(selected, inner_task(study, fold, "log_loss"))
    best = {
        compared[place]: predictions.stored(compared[place])
        for place in np.argsort(choice.rank)
        if choice.rank[place] in range(1, N_KEPT + 1)
    }
    return InnerSelection(choice, compared, log_loss, halved, best, selected if plan.ensemble else None)


def predictions_of(study: StudyContext, fold: OuterFold, found: InnerSelection, index: int) -> InnerPredictions:
    """Inner predictions of one candidate that was compared.

    Those of the best are at hand. Another one comes to be asked for only where all of these diverge on all training
    rows; its inner fits are then made once more, alone.
    """
    table = found.best.get(index)
    if table is None:
        items = inner_items(study, fold, Request((index,), tuple(range(len(fold.inner)))))
        run_items([done.work for done in items], study.journal, study.workers)
        again = PredictionStore(len(study.plan.candidates), fold, study.data.n_classes)
        for done in items:
            again.fill(done.candidates, done.number, study.kept(done.work.key)["probabilities"])
        table = again.stored(index)
    number = inner_task(study, fold, study.plan.choose_by).fold
    there = number >= 0
    return InnerPredictions(fold.train[there], table[there].astype(np.float64), number[there])


def inner_task(study: StudyContext, fold: OuterFold, metric: str) -> InnerTask:
    """Labels, inner folds and metric that the inner predictions of an outer fold are judged by."""
    data = study.data
    return InnerTask.of(
        data.labels,
        fold.train,
        fold.inner,
        n_classes=data.n_classes,
        metric=metric,
        positive=study.plan.positive,
        weights=data.weights,
        groups=data.groups,
    )
