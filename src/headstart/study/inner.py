"""The inner folds' part of a study: candidates fitted and predicted piece by piece, all of them or by halving."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from headstart.heads import HeadSpec
from headstart.metrics import find_metric
from headstart.study.choose import Choice, make_choice, no_choice, pooled_scores
from headstart.study.halving import halve
from headstart.study.innertask import InnerTask
from headstart.study.journal import Journal
from headstart.study.pieces import Way, fit_seed, inner_predictions, piece_name, work_groups
from headstart.study.plan import OuterFold, StudyData, StudyPlan
from headstart.study.rungs import Halved, HalvingPlan, Request
from headstart.study.workers import Piece, Workers, run_pieces, single_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

IN_MEMORY_BYTES = 256 * 2**20
"""Predictions of one outer fold beyond this lie in a file without a name, which the system keeps in memory or not."""


@dataclass(frozen=True, eq=False)
class Study:
    """A study in hand: what it works on, and where its pieces run and are kept.

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
        """Arrays of a piece that was run."""
        tensors = self.journal.get(key)
        if tensors is None:
            raise KeyError(f"piece {key!r} was run but is not in the journal")
        return tensors


@dataclass(frozen=True, eq=False)
class Found:
    """What the inner folds of one outer fold say.

    Attributes
    ----------
    choice : Choice
        Among the candidates compared.
    compared : tuple of int
        Their numbers: all, or those that halving kept.
    log_loss : ndarray of shape (n_compared,)
        Pooled over the validated rows.
    halved : Halved or None
    """

    choice: Choice
    compared: tuple[int, ...]
    log_loss: Floats
    halved: Halved | None = None


@dataclass(frozen=True, eq=False)
class InnerPiece:
    """A piece of work, the candidates it predicts for and the inner fold that it does so in."""

    piece: Piece
    candidates: tuple[int, ...]
    number: int


class Predictions(Sequence["Floats"]):
    """Probabilities (n_train, n_classes) of each candidate for the training rows of an outer fold.

    They are stored as float32 and handed out as float64; rows that no fold has predicted yet are zeros.
    """

    def __init__(self, n_candidates: int, fold: OuterFold, n_classes: int) -> None:
        self._place = np.full(int(fold.train.max()) + 1, -1, dtype=np.int64)
        self._place[fold.train] = np.arange(len(fold.train))
        self._fold = fold
        self._table = _zeros((n_candidates, len(fold.train), n_classes))

    def fill(self, done: InnerPiece, probabilities: NDArray[np.float32]) -> None:
        """Take over what a piece predicted."""
        rows = self._place[self._fold.inner[done.number][1]]
        for index, predicted in zip(done.candidates, probabilities, strict=True):
            self._table[index, rows] = predicted

    def of(self, candidates: Sequence[int]) -> Selected:
        """Those of some candidates."""
        return Selected(self, tuple(candidates))

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, index: int) -> Floats: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Floats]: ...
    def __getitem__(self, index: int | slice) -> Floats | Sequence[Floats]:
        if isinstance(index, slice):
            return self.of(range(len(self))[index])
        return np.asarray(self._table[index], dtype=np.float64)


class Selected(Sequence["Floats"]):
    """Predictions of some candidates, counted from 0."""

    def __init__(self, predictions: Predictions, candidates: tuple[int, ...]) -> None:
        self._predictions, self._candidates = predictions, candidates

    def __len__(self) -> int:
        return len(self._candidates)

    @overload
    def __getitem__(self, index: int) -> Floats: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Floats]: ...
    def __getitem__(self, index: int | slice) -> Floats | Sequence[Floats]:
        if isinstance(index, slice):
            return Selected(self._predictions, self._candidates[index])
        return self._predictions[self._candidates[index]]


def _zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    if 4 * math.prod(shape) <= IN_MEMORY_BYTES:
        return np.zeros(shape, dtype=np.float32)
    with tempfile.TemporaryFile() as file:  # the map outlives the handle, and with it the file is gone
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def inner_pieces(study: Study, fold: OuterFold, request: Request) -> list[InnerPiece]:
    """The pieces that score the candidates of a request on its inner folds, source by source."""
    plan, pieces = study.plan, []
    n_rows = max(len(train) for train, _ in fold.inner)
    for source, features in enumerate(study.data.features):
        of_source = plan.treatments(plan.of_source(source, request.candidates))
        for members in of_source.values():
            heads = [shortened(plan.candidates[index].head, request.epochs) for index in members]
            rows = plan.rows_of(plan.candidates[members[0]], n_rows)
            for group in work_groups(heads, features.shape[1], study.data.n_classes, rows):
                taken = tuple(heads[place] for place in group)
                named = tuple(members[place] for place in group)
                pieces += [_inner_piece(study, fold, number, named, taken) for number in request.folds]
    return pieces


def _inner_piece(
    study: Study, fold: OuterFold, number: int, members: tuple[int, ...], heads: tuple[HeadSpec, ...]
) -> InnerPiece:
    """One piece for candidates of one source and one treatment in one inner fold."""
    plan, first = study.plan, study.plan.candidates[members[0]]
    seed = fit_seed(plan.seed, fold, number, heads[0].kind)
    name = piece_name(heads, first.treatment)
    key = f"{study.prefix}{fold.key}-source{first.source}-inner{number}-{name}"
    data = study.data.of_source(first.source)
    arguments = (data, fold.inner[number], heads, Way(seed, plan.train_precision, first.treatment))
    return InnerPiece(Piece(key, inner_predictions, arguments), members, number)


def everything(study: Study, fold: OuterFold) -> Request:
    """All candidates on all inner folds to their own epochs."""
    return Request(tuple(range(len(study.plan.candidates))), tuple(range(len(fold.inner))))


def shortened(head: HeadSpec, epochs: int | None) -> HeadSpec:
    """The head trained no further than so many epochs; as it is where it asks for no more, or has none."""
    if epochs is None or head.settings.get("epochs", 0) <= epochs:  # type: ignore[operator]
        return head
    return HeadSpec(head.kind, {**head.settings, "epochs": epochs})


def compare_all(study: Study, fold: OuterFold) -> Found:
    """The choice among all candidates, whose pieces the journal holds."""
    predictions = Predictions(len(study.plan.candidates), fold, study.data.n_classes)
    for done in inner_pieces(study, fold, everything(study, fold)):
        predictions.fill(done, study.kept(done.piece.key)["probabilities"])
    return _found(study, fold, predictions, tuple(range(len(predictions))))


def compare_halved(study: Study, fold: OuterFold, halving: HalvingPlan, advance: Callable[[int], None]) -> Found:
    """The choice among the candidates that halving keeps; `advance` is told of every rung."""
    plan = study.plan
    runner = _Runner(study, fold, advance)
    halved = halve(
        plan.heads,
        runner,
        n_folds=len(fold.inner),
        metric=plan.choose_by,
        plan=halving,
        keys=[f"{one.source} {one.treatment.label}" for one in plan.candidates],
    )
    if not halved.kept:
        raise no_choice(len(plan.candidates), int(halved.failed.sum()), plan.choose_by)
    return _found(study, fold, runner.predictions, halved.kept, halved)


class _Runner:
    """Scores what halving asks for, piece by piece, and keeps the predictions made at a candidate's own epochs."""

    def __init__(self, study: Study, fold: OuterFold, advance: Callable[[int], None]) -> None:
        self.study, self.fold, self.advance = study, fold, advance
        self.predictions = Predictions(len(study.plan.candidates), fold, study.data.n_classes)

    def __call__(self, request: Request) -> Floats:
        pieces = inner_pieces(self.study, self.fold, request)
        run_pieces([done.piece for done in pieces], self.study.journal, self.study.workers)
        row = {index: place for place, index in enumerate(request.candidates)}
        column = {number: place for place, number in enumerate(request.folds)}
        scores = np.full((len(row), len(column)), np.nan)
        for done in pieces:
            probabilities = self.study.kept(done.piece.key)["probabilities"]
            self.predictions.fill(done, probabilities)  # a shortened head's are overwritten before they are compared
            for index, predicted in zip(done.candidates, probabilities, strict=True):
                scores[row[index], column[done.number]] = self._score(predicted, done.number)
        self.advance(1)
        return scores

    def _score(self, predicted: NDArray[np.float32], number: int) -> float:
        if not np.isfinite(predicted).all():
            return float("nan")
        data, plan, rows = self.study.data, self.study.plan, self.fold.inner[number][1]
        weights = None if data.weights is None else data.weights[rows]
        metric = find_metric(plan.choose_by)
        return float(metric(data.labels[rows], predicted.astype(np.float64), weights, positive=plan.positive))


def _found(
    study: Study, fold: OuterFold, predictions: Predictions, compared: tuple[int, ...], halved: Halved | None = None
) -> Found:
    plan, task = study.plan, inner_task(study, fold, study.plan.choose_by)
    costs = plan.costs(study.data, len(fold.train))[list(compared)]
    selected = predictions.of(compared)
    with single_thread():
        choice = make_choice(selected, task, costs, seed=plan.seed)
        by_loss = plan.choose_by == "log_loss"
        log_loss = choice.scores if by_loss else pooled_scores(selected, inner_task(study, fold, "log_loss"))
    return Found(choice, compared, log_loss, halved)


def inner_task(study: Study, fold: OuterFold, metric: str) -> InnerTask:
    """What the inner predictions of an outer fold are judged against."""
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
