"""Greedy selection of an ensemble from a library of predictions, and whether it is better than its best member.

Members are added one at a time, with replacement, each the one with which the mean of the probabilities scores best; of
the ensembles on the way the best one is taken, the first of equals. One that was selected on the same rows that judge
it flatters itself, so every part of the rows is judged by an ensemble selected on the other parts, beside the single
candidate that is best there.

References
----------
R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble selection from libraries of models", ICML 2004.
DOI 10.1145/1015330.1015432
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data.split.stratify import stratified_folds
from headstart.metrics import find_metric
from headstart.metrics.tally import Outcome, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MAX_MEMBERS: Final = 8
N_PARTS: Final = 4
"""Parts that rows are cut into where no inner folds cut them."""


@dataclass(frozen=True, eq=False)
class Library:
    """Predictions of C candidates for the same n rows, and what they are judged by.

    Attributes
    ----------
    n_candidates : int
    read : callable
        Gives the probabilities (n, n_classes) of a candidate by its number; not finite where it failed: it is no
        member then. Called anew for every use, so that large tables may lie on disk.
    labels : ndarray of shape (n,), int64
    metric : str
        Score that selects and accepts.
    positive : int or None
    weights : ndarray of shape (n,), float64, or None
    """

    n_candidates: int
    read: Callable[[int], Floats]
    labels: Integers
    metric: str
    positive: int | None = None
    weights: Floats | None = None

    def predicted(self, index: int) -> Floats:
        """Probabilities of one candidate, each row with the sum 1."""
        given = self.read(index)
        normalised: Floats = given / given.sum(axis=1, keepdims=True)
        return normalised

    def mean(self, picks: Sequence[int]) -> Floats:
        """Mean probabilities (n, n_classes) of some candidates, one that is named twice counted twice."""
        indices, counts = np.unique(picks, return_counts=True)
        total = sum(count * self.predicted(index) for index, count in zip(indices.tolist(), counts, strict=True))
        return np.asarray(total / len(picks))

    def score(self, probabilities: Floats, rows: Integers) -> float:
        """Score of probabilities (n, n_classes) on some of the rows, larger is better; minus infinity without one."""
        metric = find_metric(self.metric)
        weights = np.ones(len(rows)) if self.weights is None else self.weights[rows]
        positive = 1 if self.positive is None else self.positive
        outcome = Outcome(self.labels[rows], probabilities[rows], positive)
        found = float(metric.compute(Tally(outcome, weights[None]))[0])  # unchecked: it is called for every candidate
        sign = 1.0 if metric.greater_is_better else -1.0
        return sign * found if np.isfinite(found) else -np.inf

    def usable(self) -> list[int]:
        """Numbers of the candidates that did not fail."""
        return [index for index in range(self.n_candidates) if np.isfinite(self.read(index)).all()]


def select_members(library: Library, rows: Integers, *, max_members: int = MAX_MEMBERS) -> tuple[int, ...]:
    """Candidates of the ensemble in the order of their selection, perhaps several times; the first is the best alone.

    Parameters
    ----------
    library : Library
    rows : ndarray of int64
        Places of the rows that it is selected on; no other is looked at.
    max_members : int

    Returns
    -------
    tuple of int
        Empty where no candidate has a score.
    """
    usable = library.usable()
    total: Floats | float = 0.0
    picks: list[int] = []
    best, n_best = -np.inf, 0
    for n_picks in range(1, max_members + 1):
        scores = [library.score((total + library.predicted(index)) / n_picks, rows) for index in usable]
        if not scores or max(scores) == -np.inf:
            break
        place = int(np.argmax(scores))  # the first of equals
        picks.append(usable[place])
        total = total + library.predicted(usable[place])
        if scores[place] > best:
            best, n_best = scores[place], n_picks
    return tuple(picks[:n_best])


@dataclass(frozen=True)
class Acceptance:
    """Scores on rows that took no part in the selection, pooled over the parts; larger is better.

    Attributes
    ----------
    ensemble, single : float
        Of the ensembles, and of the best single candidates of the same rows.
    """

    ensemble: float
    single: float

    @property
    def is_better(self) -> bool:
        """Whether the ensembles are the better."""
        return self.ensemble > self.single


def judge_selection(library: Library, parts: Integers, *, max_members: int = MAX_MEMBERS) -> Acceptance | None:
    """Ensembles against best single candidates, every part of the rows predicted by those selected on the others.

    Parameters
    ----------
    library : Library
    parts : ndarray of shape (n,), int64
        Part of every row, from 0; rows of one group are in one part.
    max_members : int

    Returns
    -------
    Acceptance or None
        None where there is but one part, or a part without a score: nothing can be accepted then.
    """
    numbers = np.unique(parts)
    if len(numbers) < 2:
        return None
    ensemble = np.zeros_like(library.read(0))
    single = np.zeros_like(ensemble)
    for number in numbers:
        rows = np.flatnonzero(parts != number)
        picks = select_members(library, rows, max_members=max_members)
        if not picks:
            return None
        left_out = parts == number
        ensemble[left_out] = library.mean(picks)[left_out]
        single[left_out] = library.predicted(picks[0])[left_out]
    every = np.arange(len(parts))
    return Acceptance(library.score(ensemble, every), library.score(single, every))


def grouped_parts(labels: Integers, groups: Integers | None, seed: Sequence[int]) -> Integers:
    """Parts of rows that no inner folds cut, classes spread evenly and groups kept whole.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
    groups : ndarray of shape (n,), int64, or None
    seed : sequence of int

    Returns
    -------
    ndarray of shape (n,), int64
    """
    present = np.unique(labels, return_inverse=True)[1].ravel()
    return stratified_folds(present, groups, N_PARTS, np.random.default_rng(list(seed)))


def without_each(library: Library, picks: Sequence[int]) -> dict[int, float]:
    """Score of the ensemble without each of its members, on all rows; minus infinity for an only one."""
    every = np.arange(len(library.labels))
    found = {}
    for index in dict.fromkeys(picks):
        rest = [other for other in picks if other != index]
        found[index] = library.score(library.mean(rest), every) if rest else -np.inf
    return found
