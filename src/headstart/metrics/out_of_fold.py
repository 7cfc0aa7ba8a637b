"""Out-of-fold predictions of an experiment, ready to be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.registry import check_positive
from headstart.metrics.tally import Outcome
from headstart.metrics.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_labels,
    check_probabilities,
    check_weights,
    relative_weights,
)


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions for rows that the predicting model was not trained on, over one or more repeats of the split.

    Attributes
    ----------
    labels : ndarray of shape (n,), int
        True class numbers.
    probabilities : ndarray of shape (R, n, K)
        For every repeat; rows not judged in a repeat may hold anything.
    fold : ndarray of shape (R, n), int
        Which fold's model judged the row; -1 where it was not judged in this repeat (a holdout split).
    classes : tuple of str
        K names.
    positive : int or None
        Positive class of a two-class task, None meaning class 1; None for more classes.
    weights : ndarray of shape (n,) or None
        Sample weights, as given and of any scale; None weighs all rows alike.
    groups : ndarray of shape (n,), int, or None
        Rows that belong together (one patient, one panel) and are resampled as wholes; None: every row alone.
    ordered : bool
        Whether the classes stand in an order that scores may speak of, the lowest first.

    Raises
    ------
    InputError
        When the arrays do not fit together, with the shapes expected and found.
    """

    labels: IntArray
    probabilities: FloatArray
    fold: IntArray
    classes: tuple[str, ...]
    positive: int | None = None
    weights: FloatArray | None = None
    groups: IntArray | None = None
    ordered: bool = False

    def __post_init__(self) -> None:
        n_classes = len(self.classes)
        labels = check_labels(self.labels, n_classes)
        fold = _check_fold(self.fold, len(labels))
        self._set("classes", tuple(str(name) for name in self.classes))
        self._set("labels", labels)
        self._set("fold", fold)
        self._set("probabilities", _check_repeats(self.probabilities, fold, n_classes))
        check_positive(self.positive, n_classes)
        if self.weights is not None:
            self._set("weights", _check_row_weights(self.weights, fold))
        if self.groups is not None:
            self._set("groups", _check_groups(self.groups, len(labels)))

    @classmethod
    def from_test_set(
        cls,
        labels: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        *,
        classes: Sequence[str],
        positive: int | None = None,
        weights: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        ordered: bool = False,
    ) -> OutOfFold:
        """Predictions of one fixed model for an outside test set: one repeat, one fold, every row judged.

        Evaluate them with ``correction="none"``: the training set is no part of what varies.
        """
        n_rows = len(np.atleast_1d(labels))
        return cls(
            labels=np.asarray(labels),
            probabilities=check_probabilities(probabilities, n_rows)[None],
            fold=np.zeros((1, n_rows), dtype=np.int64),
            classes=tuple(classes),
            positive=positive,
            weights=None if weights is None else np.asarray(weights, dtype=np.float64),
            groups=None if groups is None else np.asarray(groups),
            ordered=ordered,
        )

    def with_predicted(self, predicted: IntArray) -> OutOfFold:
        """The same rows with all probability on one class each, so that scores speak of these classes.

        Parameters
        ----------
        predicted : ndarray of shape (R, n), int
        """
        return replace(self, probabilities=np.eye(self.n_classes)[predicted])

    @property
    def n_rows(self) -> int:
        """Number of rows, judged or not."""
        return len(self.labels)

    @property
    def n_repeats(self) -> int:
        """Number of repeats of the split."""
        return len(self.fold)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def positive_index(self) -> int:
        """Positive class of a two-class task, 1 by default."""
        return 1 if self.positive is None else self.positive

    @cached_property
    def row_weights(self) -> FloatArray:
        """Sample weights of shape (n,) that all scores use: the positive ones have a mean of 1; ones by default."""
        return np.ones(self.n_rows) if self.weights is None else relative_weights(self.weights)

    @cached_property
    def judged(self) -> BoolArray:
        """Rows judged in at least one repeat, shape (n,)."""
        return np.asarray((self.fold >= 0).any(axis=0))

    @cached_property
    def predicted(self) -> IntArray:
        """Class of highest probability in every repeat, shape (R, n); the first of equals."""
        return np.asarray(self.probabilities.argmax(axis=2), dtype=np.int64)

    @cached_property
    def units(self) -> IntArray:
        """Number of the resampled unit (the group, or the row itself) of every row, 0 to n_units - 1, shape (n,).

        Units without a judged row are left out and numbered -1.
        """
        names = np.arange(self.n_rows) if self.groups is None else self.groups
        numbers = np.full(self.n_rows, -1, dtype=np.int64)
        numbers[self.judged] = np.unique(names[self.judged], return_inverse=True)[1].reshape(-1)
        return numbers

    @property
    def n_units(self) -> int:
        """Number of units that are resampled."""
        return int(self.units.max()) + 1

    def rows_of(self, repeat: int) -> IntArray:
        """Rows judged in a repeat, in order."""
        return np.flatnonzero(self.fold[repeat] >= 0).astype(np.int64)

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """Judged rows of every repeat, ready to be scored."""
        return [
            Outcome(self.labels[rows], self.probabilities[repeat, rows], self.positive_index)
            for repeat, rows in enumerate(self.rows_of(repeat) for repeat in range(self.n_repeats))
        ]

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _check_fold(fold: IntArray, n_rows: int) -> IntArray:
    array = np.asarray(fold)
    if array.ndim != 2 or array.shape[1] != n_rows or len(array) == 0:
        raise InputError(f"Folds must have shape (repeats, {n_rows}), one column per label; got {array.shape}.")
    if array.dtype.kind not in "iu" or array.min() < -1:
        raise InputError("Folds must be whole numbers: 0, 1, ... or -1 for a row not judged in the repeat.")
    empty = np.flatnonzero((array < 0).all(axis=1))
    if len(empty):
        raise InputError(f"Repeat {empty[0]} judges no row: all its folds are -1. Leave such a repeat out.")
    return array.astype(np.int64)


def _check_repeats(probabilities: FloatArray, fold: IntArray, n_classes: int) -> FloatArray:
    array = np.asarray(probabilities, dtype=np.float64)
    if array.shape != (*fold.shape, n_classes):
        raise InputError(f"Probabilities must have shape {(*fold.shape, n_classes)}; got {array.shape}.")
    for repeat, folds in enumerate(fold):
        check_probabilities(array[repeat, folds >= 0], int((folds >= 0).sum()))
    return array


def _check_row_weights(weights: FloatArray, fold: IntArray) -> FloatArray:
    n_rows = fold.shape[1]
    array = check_weights(weights, n_rows)
    if array.ndim != 1:
        raise InputError(f"Sample weights must have shape ({n_rows},); got {array.shape}.")
    if not all(array[folds >= 0].any() for folds in fold):
        raise InputError("The judged rows of a repeat all weigh 0. Give at least one of them a weight above 0.")
    return array


def _check_groups(groups: IntArray, n_rows: int) -> IntArray:
    array = np.asarray(groups)
    if array.shape != (n_rows,):
        raise InputError(f"Groups must have shape ({n_rows},), one per label; got {array.shape}.")
    return np.unique(array, return_inverse=True)[1].reshape(-1).astype(np.int64)
