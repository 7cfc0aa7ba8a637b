"""The choice among candidates from their inner predictions: winner, those tied with it, the cheapest of those.

Winner is the best score pooled over all validated rows. A candidate is tied with it where the paired difference of
their scores is not significant at 5 % over all comparisons together: groups (rows where there are none) are drawn
with replacement, the same for all candidates; the deviation of each difference over the draws is widened for the
training rows that inner folds share (Nadeau and Bengio, as in `headstart.metrics.compare_paired`); and the
critical value is the 95 % point of the largest standardised difference over the draws. Unlike Bonferroni's it
knows that most candidates err on the same images. Hsu's comparisons with the best are of this form: whichever
candidate is truly the best, it is in the set with a probability of about 95 %.

References
----------
C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003, 239-281.
DOI 10.1023/A:1024068626366
J. C. Hsu, "Constrained simultaneous confidence intervals for multiple comparisons with the best", Annals of
Statistics 12, 1984, 1136-1144. DOI 10.1214/aos/1176346732
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, stdtrit  # scipy.stats takes most of a second to import

from headstart.errors import RunError
from headstart.metrics import OutOfFold, find_metric
from headstart.metrics.bootstrap import Column, draw_counts, score_batch
from headstart.metrics.evaluate import resampled_deviation
from headstart.metrics.intervals import LEVEL, variance_factor
from headstart.study.search.inner_predictions import InnerTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

N_RESAMPLES = 400
_N_SCREENED = 100
_FAR = 8.0
"""A candidate so many deviations behind, by the first draws, is not compared further: no critical value comes near."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Scores, ranks and ties of C candidates by the inner folds, and the winner among them.

    Attributes
    ----------
    scores : ndarray of shape (C,)
        Pooled over the validated rows; nan for a candidate that failed or whose score is undefined.
    fold_scores : ndarray of shape (C, n_folds)
        Score of each inner fold alone.
    failed : ndarray of shape (C,), bool
        Some probability of a validated row is not finite.
    rank : ndarray of shape (C,), int64
        1 for the winner; 0 for candidates without a score.
    tied : ndarray of shape (C,), bool
        Not told apart from the winner, which is tied with itself.
    winner, cheapest : int
        Best score, the first of equals; least cost among the tied, the better score of equal costs.
    behind, deviation : ndarray of shape (C,)
        How much worse than the winner, and the corrected standard deviation of that difference; infinite where a
        score is undefined in most draws or altogether.
    critical : float
        A candidate is tied where ``behind <= critical x deviation``, and where the deviation is infinite.
    """

    scores: Floats
    fold_scores: Floats
    failed: NDArray[np.bool_]
    rank: Integers
    tied: NDArray[np.bool_]
    winner: int
    cheapest: int
    behind: Floats
    deviation: Floats
    critical: float


def make_choice(
    probabilities: Floats | Sequence[Floats],
    task: InnerTask,
    costs: Floats,
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Selection:
    """Winner, tied set and cheapest of the tied, from inner out-of-fold probabilities.

    The module says how ties are found.

    Parameters
    ----------
    probabilities : array of shape (C, n, n_classes), or as many arrays of shape (n, n_classes)
        Rows as in the task; those that no inner fold validates may hold anything. nan: the candidate failed.
    task : InnerTask
    costs : ndarray of shape (C,)
        Rough seconds that each candidate costs, from `headstart.study.search.costs.candidate_cost`.
    seed : int
        Seed of the draws.
    n_resamples : int >= 100

    Returns
    -------
    Selection

    Raises
    ------
    RunError
        When no candidate has a score.
    """
    sign = 1.0 if find_metric(task.metric).greater_is_better else -1.0
    table = _score_all(probabilities, task)
    order = ranked(table.scores, task.metric)
    if not order.size:
        raise no_choice(len(table.scores), int(table.failed.sum()), task.metric)
    rank = np.zeros(len(table.scores), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    winner = int(order[0])
    behind = sign * (table.scores[winner] - table.scores)
    counts = np.concatenate(list(draw_counts(_out_of_fold(probabilities[winner], task), n_resamples, seed)))
    found = _compare(probabilities, task, behind, winner, counts)
    tied = (rank > 0) & (behind <= _reach(found))
    tied[winner] = True
    by_cost = np.lexsort((rank, np.where(tied, np.asarray(costs, dtype=np.float64), np.inf)))
    return Selection(
        table.scores,
        table.fold_scores,
        table.failed,
        rank,
        tied,
        winner,
        int(by_cost[0]),
        behind,
        found.deviation,
        found.critical,
    )


def ranked(scores: Floats, metric: str) -> Integers:
    """Places of the scores, the best first, the first of equals first; those that are nan left out.

    >>> ranked(np.array([0.5, np.nan, 0.2]), "log_loss").tolist()
    [2, 0]
    """
    scored = np.flatnonzero(~np.isnan(scores))
    sign = 1.0 if find_metric(metric).greater_is_better else -1.0
    return np.asarray(scored[np.argsort(-sign * scores[scored], kind="stable")])


def no_choice(n_candidates: int, n_failed: int, metric: str) -> RunError:
    """The error for candidates none of which has a score."""
    return RunError(
        f"None of {n_candidates:,} candidates has a {find_metric(metric).title} on the inner folds "
        f"({n_failed:,} failed), so none can be chosen. Check the weights and the sizes of the classes, or choose by "
        "another score with --metric."
    )


def pooled_scores(probabilities: Floats | Sequence[Floats], task: InnerTask) -> Floats:
    """Score of every candidate over all validated rows, (C,); nan for one that failed. Arguments as `make_choice`."""
    whole = np.ones((1, len(task.validated)))
    scores = np.full(len(probabilities), np.nan)
    for index, predicted in enumerate(probabilities):
        if np.isfinite(predicted[task.validated]).all():
            scores[index] = _scores(predicted, task, whole)[0]
    return scores


@dataclass(frozen=True, eq=False)
class _Table:
    """Scores (C,), of the inner folds (C, J), and which candidates failed."""

    scores: Floats
    fold_scores: Floats
    failed: NDArray[np.bool_]


def _score_all(probabilities: Floats | Sequence[Floats], task: InnerTask) -> _Table:
    n = len(probabilities)
    scores, failed = np.full((n, 1 + task.n_folds), np.nan), np.zeros(n, dtype=bool)
    of_folds = np.arange(task.n_folds)[:, None] == task.fold[task.validated]
    parts = np.concatenate([np.ones((1, len(task.validated))), of_folds])
    for index, predicted in enumerate(probabilities):
        failed[index] = not np.isfinite(predicted[task.validated]).all()
        if not failed[index]:
            scores[index] = _scores(predicted, task, parts)
    return _Table(scores[:, 0], scores[:, 1:], failed)


def _scores(predicted: Floats, task: InnerTask, counts: Floats) -> Floats:
    """Scores (batch,) of one candidate with validated rows counted as in `counts` of shape (batch, n_validated)."""
    oof = _out_of_fold(predicted, task)
    columns = (Column(find_metric(task.metric)),)
    return np.asarray(score_batch(oof, counts * oof.row_weights, columns)[:, 0])


def _out_of_fold(predicted: Floats, task: InnerTask) -> OutOfFold:
    """Predictions of one candidate for the validated rows, as the metrics take them."""
    rows = task.validated
    return OutOfFold(
        labels=task.labels[rows],
        probabilities=predicted[rows].astype(np.float64, copy=False)[None],
        fold=task.fold[rows][None],
        classes=tuple(str(number) for number in range(task.n_classes)),
        positive=task.positive,
        weights=None if task.weights is None else task.weights[rows],
        groups=None if task.groups is None else task.groups[rows],
    )


@dataclass(frozen=True, eq=False)
class _Differences:
    """Corrected deviations (C,) of the distances from the winner, infinite where unknown, and the critical value."""

    deviation: Floats
    critical: float


def _compare(
    probabilities: Floats | Sequence[Floats], task: InnerTask, behind: Floats, winner: int, counts: Floats
) -> _Differences:
    """Distances from the winner over the draws `counts` of shape (B, n_validated).

    A first part of the draws sets those far behind aside; they keep the deviation found there, and leave the family
    that the critical value is for, as in a step-down test.
    """
    oof = _out_of_fold(probabilities[winner], task)
    sign = 1.0 if find_metric(task.metric).greater_is_better else -1.0
    deviation = np.full(len(behind), np.inf)
    near = np.flatnonzero(~np.isnan(behind))
    gaps = np.empty((len(near), 0))
    for part in (counts[:_N_SCREENED], counts[_N_SCREENED:]):
        if not len(part):
            continue
        best = _scores(probabilities[winner], task, part)
        rows = [sign * (best - _scores(probabilities[index], task, part)) for index in near.tolist()]
        gaps = np.concatenate([gaps, np.stack(rows)], axis=1)
        deviation[near] = resampled_deviation(oof, gaps.T)
        kept = ~(behind[near] > _FAR * deviation[near])
        near, gaps = near[kept], gaps[kept]
    factor = variance_factor(oof, "nadeau-bengio", n_train=task.n_train)
    critical = _critical(gaps, deviation[near], oof.n_units)
    return _Differences(np.where(np.isnan(deviation), np.inf, deviation) * np.sqrt(factor), critical)


def _reach(found: _Differences) -> Floats:
    """Largest distance from the winner at which a candidate is tied with it, (C,); infinite where it is unknown."""
    known = np.isfinite(found.deviation)
    return np.where(known, found.critical * np.where(known, found.deviation, 0.0), np.inf)


def _critical(gaps: Floats, deviation: Floats, n_units: int) -> float:
    """95 % point of the largest standardised difference over the draws; `gaps` of shape (candidates, B)."""
    compared = np.isfinite(deviation) & (deviation > 0)
    if not compared.any():
        return 0.0
    centred = gaps[compared] - np.nanmean(gaps[compared], axis=1, keepdims=True)
    largest = np.nanmax(centred / deviation[compared][:, None], axis=0)
    normal = float(np.quantile(largest[np.isfinite(largest)], LEVEL))
    # Few groups make the deviation itself uncertain: the same level of Student's t.
    return float(stdtrit(max(n_units - 1, 1), ndtr(normal)))
