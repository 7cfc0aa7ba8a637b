"""Rows to be scored with their labels and probabilities (`Outcome`), under many weightings at once (`Tally`).

Beyond `MANY_CLASSES` no confusion matrix is made for each weighting, and a class looks at the rows above its own last
one alone: the same scores but for the order in which fractions are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headstart.metrics.calibration_error import Bins, debiased_ece, equal_count_bins
from headstart.metrics.confusion import Margins, confusion_matrix, margins_of_matrix, margins_of_rows, others
from headstart.metrics.rank_scores import (
    Contest,
    Ranking,
    area_under_roc,
    average_precision,
    contest,
    contest_scores,
    cumulative,
    rank,
)
from headstart.metrics.validation import BoolArray, FloatArray, IntArray, ratio

PROBABILITY_FLOOR = 1e-7
MANY_CLASSES = 64


@dataclass(frozen=True, eq=False)
class Outcome:
    """Labels and probabilities, with all that does not depend on weights worked out once.

    Attributes
    ----------
    labels : ndarray of shape (n,), int
    probabilities : ndarray of shape (n, K)
    positive : int
        The positive class of a two-class task; not used with more classes.
    """

    labels: IntArray
    probabilities: FloatArray
    positive: int = 1

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.probabilities.shape[1])

    @cached_property
    def predicted(self) -> IntArray:
        """Class of highest probability, shape (n,); the first of equals."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @cached_property
    def rankings(self) -> list[Ranking]:
        """Rows by falling probability of each class."""
        return [rank(self.probabilities[:, index]) for index in range(self.n_classes)]

    @cached_property
    def contests(self) -> list[Contest]:
        """Rows of other classes that come before the last row of each class, by falling probability of the class."""
        return [contest(self.probabilities[:, index], self.of_class(index)) for index in range(self.n_classes)]

    @cached_property
    def log_losses(self) -> FloatArray:
        """Minus the log of the true class's probability, kept within 1e-7 and 1 - 1e-7, shape (n,)."""
        true = self.probabilities[np.arange(len(self.labels)), self.labels]
        return -np.log(np.clip(true, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))

    @cached_property
    def brier_losses(self) -> FloatArray:
        """Squared distance of probabilities and truth, shape (n,); for two classes of the positive column alone."""
        squares: FloatArray = (self.probabilities - np.eye(self.n_classes)[self.labels]) ** 2
        return np.asarray(squares[:, self.positive] if self.n_classes == 2 else squares.sum(axis=1))

    @cached_property
    def confidence(self) -> FloatArray:
        """Probability that calibration is judged on: of the positive class, or with more classes of the predicted."""
        columns = self.probabilities
        return np.asarray(columns[:, self.positive] if self.n_classes == 2 else columns.max(axis=1))

    @cached_property
    def event(self) -> FloatArray:
        """Whether the event whose probability `confidence` is happened, shape (n,), 0 or 1."""
        happened = self.labels == (self.positive if self.n_classes == 2 else self.predicted)
        return np.asarray(happened, dtype=np.float64)

    @cached_property
    def above(self) -> FloatArray:
        """Probability of the classes above each threshold between ordered classes, shape (n, K - 1)."""
        return np.asarray(np.cumsum(self.probabilities[:, ::-1], axis=1)[:, ::-1][:, 1:])

    @cached_property
    def rankings_above(self) -> list[Ranking]:
        """Rows by falling probability above each threshold."""
        return [rank(self.above[:, threshold]) for threshold in range(self.n_classes - 1)]

    @cached_property
    def bins_above(self) -> list[Bins]:
        """Rows by the probability above each threshold, in bins of about equal count."""
        return [equal_count_bins(self.above[:, threshold]) for threshold in range(self.n_classes - 1)]

    @cached_property
    def bins(self) -> Bins:
        """Rows by confidence, in bins of about equal count."""
        return equal_count_bins(self.confidence)

    def of_class(self, index: int) -> BoolArray:
        """Mask of the rows of one class, shape (n,)."""
        return np.asarray(self.labels == index)


@dataclass(frozen=True, eq=False)
class Tally:
    """An outcome under a batch of weightings; what several metrics share is worked out once.

    Attributes
    ----------
    outcome : Outcome
    weights : ndarray of shape (batch, n)
    """

    outcome: Outcome
    weights: FloatArray

    @cached_property
    def total(self) -> FloatArray:
        """Summed weight, shape (batch,)."""
        return np.asarray(self.weights.sum(axis=1))

    @cached_property
    def confusion(self) -> FloatArray:
        """Shape (batch, K, K), rows true."""
        outcome = self.outcome
        return confusion_matrix(outcome.labels, outcome.predicted, outcome.n_classes, self.weights)

    @cached_property
    def margins(self) -> Margins:
        """Diagonal and sums of the confusion matrices."""
        outcome = self.outcome
        if outcome.n_classes > MANY_CLASSES:
            return margins_of_rows(outcome.labels, outcome.predicted, outcome.n_classes, self.weights)
        return margins_of_matrix(self.confusion)

    @cached_property
    def _others(self) -> FloatArray:
        """Weight of the rows of all other classes, shape (batch, K)."""
        return others(self.margins.true)

    @cached_property
    def ranked(self) -> tuple[FloatArray, FloatArray]:
        """ROC AUC and average precision of each class against the rest, each of shape (batch, K)."""
        columns = [self._ranked(index) for index in range(self.outcome.n_classes)]
        areas, precisions = zip(*columns, strict=True)
        return np.stack(areas, axis=1), np.stack(precisions, axis=1)

    @cached_property
    def ece(self) -> FloatArray:
        """Debiased expected calibration error, shape (batch,)."""
        return debiased_ece(self.outcome.confidence, self.outcome.event, self.weights, self.outcome.bins)

    @cached_property
    def threshold_areas(self) -> FloatArray:
        """ROC AUC of the probability above each threshold between ordered classes, shape (batch, K - 1)."""
        outcome = self.outcome
        areas = [
            area_under_roc(*cumulative(ranking, outcome.labels > threshold, self.weights))
            for threshold, ranking in enumerate(outcome.rankings_above)
        ]
        return np.stack(areas, axis=1)

    @cached_property
    def threshold_eces(self) -> FloatArray:
        """Debiased calibration error of the probability above each threshold, shape (batch, K - 1)."""
        outcome = self.outcome
        errors = [
            debiased_ece(above, (outcome.labels > threshold).astype(np.float64), self.weights, bins)
            for threshold, (above, bins) in enumerate(zip(outcome.above.T, outcome.bins_above, strict=True))
        ]
        return np.stack(errors, axis=1)

    def mean(self, values: FloatArray) -> FloatArray:
        """Weighted mean of values of shape (n,), shape (batch,)."""
        return ratio(self.weights @ values, self.total)

    def _ranked(self, index: int) -> tuple[FloatArray, FloatArray]:
        if self.outcome.n_classes > MANY_CLASSES:
            return contest_scores(self.outcome.contests[index], self.weights, self._others[:, index])
        true, false = cumulative(self.outcome.rankings[index], self.outcome.of_class(index), self.weights)
        return area_under_roc(true, false), average_precision(true, false)
