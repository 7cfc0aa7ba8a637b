"""Scores that the order of the probabilities decides: ROC AUC and average precision, for many weightings at once.

Sorting is done once (`rank`); each weighting then costs two cumulative sums. Tied scores form one threshold, as in
scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.metrics.validation import BoolArray, FloatArray, IntArray, ratio


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows by falling score.

    Attributes
    ----------
    order : ndarray of shape (n,), int
        Row numbers, highest score first.
    ends : ndarray of shape (m,), int
        Place in `order` of the last row of each run of equal scores.
    thresholds : ndarray of shape (m,)
        The distinct scores, falling.
    """

    order: IntArray
    ends: IntArray
    thresholds: FloatArray


def rank(scores: FloatArray) -> Ranking:
    """Order rows of shape (n,) by falling score and find the runs of equal scores."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    return Ranking(order, ends, falling[ends])


def cumulative(ranking: Ranking, positive: BoolArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weight of true and of false positives at each threshold.

    Parameters
    ----------
    ranking : Ranking
        Ranking of the scores, m thresholds.
    positive : ndarray of shape (n,), bool
        Which rows are of the class in question.
    weights : ndarray of shape (batch, n)

    Returns
    -------
    true_positives, false_positives : ndarray of shape (batch, m)
        Summed weight of positive and of other rows with a score at or above each threshold.
    """
    ordered = weights[:, ranking.order]
    is_positive = positive[ranking.order]
    true = np.cumsum(ordered * is_positive, axis=1)
    false = np.cumsum(ordered * ~is_positive, axis=1)
    if len(ranking.ends) == len(ranking.order):
        return true, false
    return true[:, ranking.ends], false[:, ranking.ends]


def area_under_roc(true: FloatArray, false: FloatArray) -> FloatArray:
    """Area under the ROC curve by trapezoids, shape (batch,); nan when either side has no weight.

    It is the chance that a random row of the class scores above a random other row, ties counting one half.
    """
    height = true.copy()
    height[:, 1:] += true[:, :-1]  # twice the height of each trapezoid
    area = (height[:, 0] * false[:, 0] + np.einsum("bm,bm->b", height[:, 1:], np.diff(false, axis=1))) / 2
    return ratio(area, true[:, -1] * false[:, -1])


def average_precision(true: FloatArray, false: FloatArray) -> FloatArray:
    """Area under the precision-recall curve by steps (average precision), shape (batch,); nan without positives.

    Steps, not trapezoids: straight lines between points of this curve cannot be reached (Davis & Goadrich 2006,
    doi:10.1145/1143844.1143874).
    """
    predicted = true + false
    precision = np.divide(true, predicted, out=np.zeros_like(true), where=predicted > 0)
    area = precision[:, 0] * true[:, 0] + np.einsum("bm,bm->b", precision[:, 1:], np.diff(true, axis=1))
    return ratio(area, true[:, -1])
