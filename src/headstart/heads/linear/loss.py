"""Penalised mean losses of linear heads, their gradients and curvatures, over blocks of rows in fixed order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating[Any]]

BLOCK_ROWS = 1024
"""Rows of one step: both products of a step then find them in the processor's cache, and memory is read once."""


@dataclass(eq=False)
class LinearLoss(ABC):
    """``sum_i share_i loss_i + penalty |coefficients|^2 / 2``, intercepts unpenalised.

    Calling it with parameters of shape (d + 1, n_scores), intercepts last, gives the loss and its gradient of the same
    shape. Sums run over blocks of rows in their order, so that they are the same wherever they are computed.

    Attributes
    ----------
    features : ndarray of shape (n, d), float32 or float64
        Standardised features; products are computed in their precision.
    labels : ndarray of shape (n,), int64
        0..n_classes - 1.
    shares : ndarray of shape (n,)
        Weight of each row, with the sum 1.
    n_classes : int >= 2
        Two classes have one score, the log odds of class 1; more have one each.
    penalty : float > 0
    curvatures : ndarray of shape (n, n_scores)
        Second derivative of each row's loss by each of its scores, at the parameters of the last call.
    shrinkage : float
        Share by which an estimate of a score's curvature is drawn to the mean of all scores.
    """

    shrinkage: ClassVar[float] = 0.0
    features: Matrix
    labels: npt.NDArray[np.int64]
    shares: Matrix
    n_classes: int
    penalty: float
    curvatures: Matrix = field(init=False)

    def __post_init__(self) -> None:
        self.shares = self.shares.astype(self.features.dtype)
        self.curvatures = np.zeros((len(self.features), self.n_scores), dtype=self.features.dtype)

    @property
    def n_scores(self) -> int:
        """Number of scores of a row."""
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def start(self) -> Matrix:
        """Parameters of zero."""
        return np.zeros((self.features.shape[1] + 1, self.n_scores), dtype=self.features.dtype)

    def __call__(self, parameters: Matrix) -> tuple[float, Matrix]:
        """Loss and gradient at the parameters."""
        coefficients = parameters[:-1]
        loss = self.penalty / 2 * float(np.vdot(coefficients, coefficients))
        gradient = np.zeros_like(parameters)
        gradient[:-1] = self.penalty * coefficients
        for rows in self._blocks():
            block = self.features[rows]
            found, by_score = self._slopes(rows, _product(block, coefficients) + parameters[-1])
            loss += found
            gradient[:-1] += _product(block.T, by_score)
            gradient[-1] += by_score.sum(axis=0)
        return loss, gradient

    def _blocks(self) -> Iterator[slice]:
        for start in range(0, len(self.features), BLOCK_ROWS):
            yield slice(start, start + BLOCK_ROWS)

    @abstractmethod
    def _slopes(self, rows: slice, scores: Matrix) -> tuple[float, Matrix]:
        """Loss of some rows, and its derivatives (n, n_scores) by their scores; takes note of their curvatures."""


@dataclass(eq=False)
class LogisticLoss(LinearLoss):
    """Cross-entropy of the sigmoid of one score, or of the softmax of several."""

    def _slopes(self, rows: slice, scores: Matrix) -> tuple[float, Matrix]:
        return self._binary_slopes(rows, scores) if self.n_scores == 1 else self._multinomial_slopes(rows, scores)

    def _binary_slopes(self, rows: slice, scores: Matrix) -> tuple[float, Matrix]:
        """Loss of some rows, and its derivatives (n, 1) by their scores."""
        signs = (2 * self.labels[rows] - 1).astype(scores.dtype)
        margins = signs * scores[:, 0]
        small = np.exp(-np.abs(margins))
        loss = self.shares[rows] @ (np.log1p(small) - np.minimum(margins, 0))
        doubts = np.where(margins >= 0, small, 1) / (1 + small)  # probability of the other class
        self.curvatures[rows, 0] = doubts * (1 - doubts)
        return float(loss), np.asarray(-self.shares[rows] * signs * doubts)[:, None]

    def _multinomial_slopes(self, rows: slice, scores: Matrix) -> tuple[float, Matrix]:
        """Loss of some rows, and its derivatives (n, classes) by their scores."""
        own = np.arange(len(scores)), self.labels[rows]
        scores -= scores.max(axis=1, keepdims=True)
        of_true = scores[own]
        probabilities = np.exp(scores, out=scores)
        totals = probabilities.sum(axis=1)
        loss = self.shares[rows] @ (np.log(totals) - of_true)
        probabilities /= totals[:, None]
        np.multiply(probabilities, 1 - probabilities, out=self.curvatures[rows])
        probabilities[own] -= 1
        probabilities *= self.shares[rows, None]
        return float(loss), probabilities


@dataclass(eq=False)
class SquaredHingeLoss(LinearLoss):
    """Square of what a score lacks of the margin of 1 on its side, each class against the rest.

    A class whose rows all keep the margin bends nothing there, but does after the next step.
    """

    shrinkage = 0.5

    def _slopes(self, rows: slice, scores: Matrix) -> tuple[float, Matrix]:
        classes = np.array([1]) if self.n_scores == 1 else np.arange(self.n_classes)
        signs = np.where(self.labels[rows, None] == classes, 1, -1).astype(scores.dtype)
        lacking = np.maximum(1 - signs * scores, 0)
        np.multiply(lacking > 0, 2, out=self.curvatures[rows])
        by_row = self.shares[rows, None] * lacking
        return float(np.vdot(by_row, lacking)), np.asarray(-2 * signs * by_row)


def _product(left: Matrix, right: Matrix) -> Matrix:
    """Matrix product; of one column as one of a matrix and a vector, which needs no copy of the matrix."""
    return np.asarray((left @ right[:, 0])[:, None] if right.shape[1] == 1 else left @ right)
