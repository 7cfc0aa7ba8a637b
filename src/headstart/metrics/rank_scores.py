"""Scores that the order of the probabilities decides: ROC AUC and average precision, for many weightings at once.

Sorting is done once (`rank`); each weighting then costs two cumulative sums. Tied scores form one threshold, as in
scikit-learn. Of many classes each is scored from its `contest`: rows of other classes that score below all of its own
decide neither area, and mostly these are nearly all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, eq=False)
class Contest:
    """Rows of one class by falling score of the class, and the rows of others that come before the last of them.

    Attributes
    ----------
    own : ndarray of shape (p,), int
        Row numbers of the class, highest score first.
    starts : ndarray of shape (q,), int
        Place in `own` where each of its q distinct scores begins.
    rivals : ndarray of shape (r,), int32
        Row numbers of other classes with at least the lowest of these scores, highest first.
    above, level : ndarray of shape (q,), int
        Number of rivals above each of these scores, and at or above it.
    """

    own: IntArray
    starts: IntArray
    rivals: npt.NDArray[np.int32]
    above: IntArray
    level: IntArray


def contest(scores: FloatArray, positive: BoolArray) -> Contest:
    """The contest of a class from scores of shape (n,) and a mask of its rows."""
    own = np.flatnonzero(positive)
    own = own[np.argsort(-scores[own], kind="stable")]
    distinct, starts = np.unique(-scores[own], return_index=True)  # the highest score first
    others = np.flatnonzero(~positive & (scores >= (-distinct[-1] if len(own) else np.inf)))
    rivals = others[np.argsort(-scores[others], kind="stable")]
    falling = -scores[rivals]
    above, level = (np.searchsorted(falling, distinct, side=side) for side in ("left", "right"))
    return Contest(own, starts, rivals.astype(np.int32), above, level)


def contest_scores(rows: Contest, weights: FloatArray, others: FloatArray) -> tuple[FloatArray, FloatArray]:
    """ROC AUC and average precision of a class as by `area_under_roc` and `average_precision`, each of shape (batch,).

    Parameters
    ----------
    rows : Contest
    weights : ndarray of shape (batch, n)
    others : ndarray of shape (batch,)
        Weight of all rows of other classes.
    """
    if not len(rows.own):
        nothing = np.full(len(weights), np.nan)
        return nothing, nothing
    own = weights[:, rows.own]
    rivals = np.cumsum(np.pad(weights[:, rows.rivals], ((0, 0), (1, 0))), axis=1)
    gained = np.add.reduceat(own, rows.starts, axis=1)  # (batch, q)
    above, level = rivals[:, rows.above], rivals[:, rows.level]
    true = gained.sum(axis=1)
    right = (gained * (others[:, None] - (above + level) / 2)).sum(axis=1)
    found = np.cumsum(gained, axis=1)
    precision = np.divide(found, found + level, out=np.zeros_like(found), where=found + level > 0)
    return ratio(right, true * others), ratio((precision * gained).sum(axis=1), true)
