"""What inner predictions are judged against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InnerTask:
    """What inner predictions are judged against: the training rows of one outer fold, and their inner folds.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
        Of the outer fold's training rows, in the order of the predictions.
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
            Of the whole data set; only training rows are read.
        train : ndarray of int64
            Row numbers of the outer fold's training rows.
        inner : sequence of (train rows, validation rows)
        n_classes, metric, positive
            As the attributes.
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
