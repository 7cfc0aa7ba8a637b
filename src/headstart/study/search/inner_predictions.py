"""Inner predictions: of all candidates compared, of one to decide by, and what they are judged against."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from headstart.study.folds import OuterFold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

IN_MEMORY_BYTES = 256 * 2**20
"""Predictions of one outer fold beyond this lie in a file without a name, which the system keeps in memory or not."""


@dataclass(frozen=True, eq=False)
class InnerPredictions:
    """Predictions of one candidate's inner fits for the training rows that they left out.

    Attributes
    ----------
    rows : ndarray of shape (m,), int64
        Row numbers; training rows of the outer fold that an inner fold validates.
    probabilities : ndarray of shape (m, n_classes), float64
    fold : ndarray of shape (m,), int64
        The inner fold that validates the row.
    """

    rows: NDArray[np.int64]
    probabilities: Floats
    fold: NDArray[np.int64]

    def of_rows(self, rows: NDArray[np.int64]) -> Floats:
        """Probabilities (n, n_classes) of some of the rows, each with the sum 1."""
        place = {row: number for number, row in enumerate(self.rows.tolist())}
        found = self.probabilities[[place[row] for row in rows.tolist()]]
        normalised: Floats = found / found.sum(axis=1, keepdims=True)
        return normalised


@dataclass(frozen=True, eq=False)
class InnerTask:
    """Labels, inner folds and metric that inner predictions of one outer fold are judged by.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
        Class codes of the outer fold's training rows, in the order of the predictions.
    n_classes : int
    fold : ndarray of shape (n,), int64
        Inner fold that validates the row, from 0; -1 where none does.
    metric : str
        Score that chooses.
    n_train : float
        Mean number of rows that an inner fold trains on.
    positive : int or None
    weights : ndarray of shape (n,), float64, or None
    groups : ndarray of shape (n,), int64, or None
    """

    labels: Integers
    n_classes: int
    fold: Integers
    metric: str
    n_train: float
    positive: int | None = None
    weights: Floats | None = None
    groups: Integers | None = None

    @cached_property
    def validated(self) -> Integers:
        """Rows that some inner fold validates, rising."""
        return np.flatnonzero(self.fold >= 0)

    @property
    def n_folds(self) -> int:
        """Number of inner folds."""
        return int(self.fold.max()) + 1

    @classmethod
    def of(
        cls,
        labels: Integers,
        train: Integers,
        inner: Sequence[tuple[Integers, Integers]],
        *,
        n_classes: int,
        metric: str,
        positive: int | None = None,
        weights: Floats | None = None,
        groups: Integers | None = None,
    ) -> InnerTask:
        """Task of an outer fold from its row numbers, as a split gives them.

        Parameters
        ----------
        labels, weights, groups : ndarray of shape (n_images,)
            Columns of the whole data set; only training rows are read.
        train : ndarray of int64
            Row numbers of the outer fold's training rows.
        inner : sequence of (train rows, validation rows)
        n_classes, metric, positive
            See the attributes of the same names.
        """
        fold = np.full(len(train), -1, dtype=np.int64)
        place = {int(row): position for position, row in enumerate(train)}
        for number, (_, validation) in enumerate(inner):
            fold[[place[int(row)] for row in validation]] = number
        return cls(
            labels[train],
            n_classes,
            fold,
            metric,
            float(np.mean([len(rows) for rows, _ in inner])),
            positive,
            None if weights is None else weights[train],
            None if groups is None else groups[train],
        )


class PredictionStore(Sequence["Floats"]):
    """Probabilities (n_train, n_classes) of each candidate for the training rows of an outer fold.

    They are stored as float32 and handed out as float64; rows that no fold has predicted yet are zeros.
    """

    def __init__(self, n_candidates: int, fold: OuterFold, n_classes: int) -> None:
        self._place = np.full(int(fold.train.max()) + 1, -1, dtype=np.int64)
        self._place[fold.train] = np.arange(len(fold.train))
        self._fold = fold
        self._table = _zeros((n_candidates, len(fold.train), n_classes))

    def fill(self, candidates: Sequence[int], number: int, probabilities: NDArray[np.float32]) -> None:
        """Take over what some candidates predict for the validation rows of an inner fold."""
        rows = self._place[self._fold.inner[number][1]]
        for index, predicted in zip(candidates, probabilities, strict=True):
            self._table[index, rows] = predicted

    def stored(self, index: int) -> NDArray[np.float32]:
        """Copy of the probabilities of one candidate, as they are stored."""
        return np.array(self._table[index])

    def of(self, candidates: Sequence[int]) -> Selected:
        """Probabilities of some candidates, counted from 0."""
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
    """Probabilities of some candidates of a store, counted from 0."""

    def __init__(self, predictions: PredictionStore, candidates: tuple[int, ...]) -> None:
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
