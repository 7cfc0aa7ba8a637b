"""Transferability of features to a task, before any head is chosen: LogME, votes of neighbours, agreement of rankings.

None of these is a verdict: each looks at one side of the features, and on small data they often disagree.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.validation import FloatArray, IntArray

MAX_ITERATIONS: Final = 2000
_CONVERGED: Final = 1e-11  # relative change of the evidence
_RANK_TOLERANCE: Final = 1e-12  # of the largest eigenvalue; below it a direction is rounding
_FARTHEST: Final = 1e12  # prior and noise may differ by so much more than the spectrum does
_TINY: Final = 1e-300
_BLOCK_ENTRIES: Final = 1 << 24


def logme(features: npt.ArrayLike, targets: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """LogME: log of the maximum evidence of a linear model of the labels given the features, per row; higher is better.

    Every class's column of targets is regressed on the features, with a Gaussian prior on the coefficients and Gaussian
    noise; both precisions are those of the greatest evidence, found by the fixed point of the journal version. The mean
    over the classes that have rows is returned. Scaling all features by one factor changes nothing.

    Where we depart from the authors' code: directions that the features do not span count as the prior says (there,
    with more features than rows, part of the log determinant is missing), the iteration runs until it has converged
    instead of 11 times, and no constant is added to its denominators.

    Parameters
    ----------
    features : array-like of shape (n, d), float
        As the network gives them, neither centred nor scaled: so the paper has it.
    targets : array-like of shape (n, K), float
        Share of every class in every label, 0 or 1 where labels are certain.
    weights : array-like of shape (n,), float >= 0, optional
        How often each row counts; scaled to mean 1.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When shapes disagree, values are not finite, or no weight is above 0.

    References
    ----------
    K. You, Y. Liu, J. Wang, M. Long, "LogME: practical assessment of pre-trained models for transfer learning", ICML
    2021. arXiv:2102.11005
    K. You, Y. Liu, Z. Zhang, J. Wang, M. I. Jordan, M. Long, "Ranking and tuning pre-trained models: a new paradigm for
    exploiting model hubs", JMLR 23(209), 2022, algorithm 3. arXiv:2110.10545

    Examples
    --------
    >>> useful, useless = [[1.0], [1.1], [-1.0], [-0.9]], [[1.0], [-1.0], [1.0], [-1.0]]
    >>> labels = [[1, 0], [1, 0], [0, 1], [0, 1]]
    >>> logme(useful, labels) > logme(useless, labels)
    True
    """
    rows, columns = _weighted(*_checked(features, targets), weights)
    basis, spectrum = _spectrum(rows)
    present = np.flatnonzero(np.abs(columns).sum(axis=0) > 0)
    squares = (basis.T @ columns) ** 2  # (rank, K)
    rest = np.maximum((columns**2).sum(axis=0) - squares.sum(axis=0), 0.0)
    found = [_greatest_evidence(spectrum, squares[:, k], float(rest[k]), len(rows)) for k in present.tolist()]
    return float(np.mean(found)) / len(rows)


def _checked(features: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    rows, columns = np.asarray(features, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if rows.ndim != 2 or columns.ndim != 2 or len(rows) != len(columns) or not rows.size or not columns.any():
        raise InputError(
            "LogME needs features of shape (n, d) and targets of shape (n, number of classes), at least one row "
            f"labelled; got {rows.shape} and {columns.shape}."
        )
    if not (np.isfinite(rows).all() and np.isfinite(columns).all()):
        raise InputError("Features and targets must be finite numbers; some are nan or infinite.")
    return rows, columns


def _weighted(rows: FloatArray, columns: FloatArray, weights: npt.ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    """Rows scaled so that the noise of each has a precision in proportion to its weight; those of weight 0 left out."""
    if weights is None:
        return rows, columns
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (len(rows),) or not np.isfinite(given).all() or given.min() < 0 or not given.any():
        raise InputError(f"Weights must be {len(rows):,} numbers >= 0, one above 0; got shape {given.shape}.")
    kept = given > 0
    root = np.sqrt(given[kept] / given[kept].mean())[:, None]
    return rows[kept] * root, columns[kept] * root


def _spectrum(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Left singular vectors (n, rank) and squared singular values (rank,), by the smaller Gram matrix."""
    n, d = rows.shape
    values, vectors = np.linalg.eigh(rows @ rows.T if n <= d else rows.T @ rows)
    kept = values > _RANK_TOLERANCE * max(values[-1], _TINY)
    values, vectors = values[kept], vectors[:, kept]
    basis = vectors if n <= d else rows @ vectors / np.sqrt(values)
    return basis, values


def _greatest_evidence(spectrum: FloatArray, squares: FloatArray, rest: float, n: int) -> float:
    """Log evidence at the fixed point of the precisions of prior and noise.

    Parameters
    ----------
    spectrum, squares : ndarray of shape (rank,)
        Squared singular values, and squared projections of the target on the left singular vectors.
    rest : float
        Squared length of the target outside their span.
    n : int
        Rows.
    """
    largest = float(spectrum.max(initial=1.0))
    ratio = 1.0  # prior / noise precision
    before = -np.inf
    evidence = before
    for _ in range(MAX_ITERATIONS):
        shrunk = spectrum / (spectrum + ratio)
        length = float((spectrum * squares / (spectrum + ratio) ** 2).sum())  # squared, of the posterior mean
        error = max(float((squares * (1 - shrunk) ** 2).sum()) + rest, _TINY)
        effective = float(shrunk.sum())
        prior, noise = effective / max(length, _TINY), (n - effective) / error
        ratio = float(np.clip(prior / max(noise, _TINY), _TINY, _FARTHEST * largest))
        evidence = _evidence(spectrum, squares, rest, n, ratio)
        if abs(evidence - before) <= _CONVERGED * max(abs(evidence), 1.0):
            break
        before = evidence
    return evidence


def _evidence(spectrum: FloatArray, squares: FloatArray, rest: float, n: int, ratio: float) -> float:
    """Log evidence at a ratio of the precisions, the noise being the best for that ratio."""
    distance = max(float((squares * ratio / (spectrum + ratio)).sum()) + rest, _TINY)
    noise = n / distance
    return 0.5 * (n * float(np.log(noise / (2 * np.pi))) - n - float(np.log1p(spectrum / ratio).sum()))


def neighbour_probabilities(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    n_classes: int,
    k: int = 15,
    smoothing: float = 1.0,
    groups: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> FloatArray:
    """Class probabilities of every row by the votes of its nearest others: kNN, one row left out at a time.

    Similarity is the cosine of standardised features, as in the kNN head. Rows of the same group never vote for one
    another; those tied with the k-th nearest vote too.

    Parameters
    ----------
    features : array-like of shape (n, d), float
    labels : array-like of shape (n,), int
        0..n_classes - 1.
    n_classes : int
    k : int >= 1
        Fewer vote where a row has fewer others.
    smoothing : float > 0
        Votes that every class has beforehand.
    groups : array-like of shape (n,), optional
    weights : array-like of shape (n,), float >= 0, optional
        Weight of a row's vote; scaled to mean 1.

    Returns
    -------
    ndarray of shape (n, n_classes)

    Raises
    ------
    InputError
        When `k` or `smoothing` is out of range.
    """
    if k < 1 or not smoothing > 0:
        raise InputError(f"k must be at least 1 and the smoothing above 0; got {k} and {smoothing}.")
    rows, codes = np.asarray(features, dtype=np.float64), np.asarray(labels)
    own = np.arange(len(rows)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    given = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    kept = np.eye(n_classes)[codes] * (given / given.mean())[:, None]  # (n, classes)
    units, found = _unit_rows(rows), np.empty((len(rows), n_classes))
    step = max(1, _BLOCK_ENTRIES // len(rows))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        similar = units[block] @ units.T
        similar[own[block, None] == own[None]] = -np.inf
        found[block] = _nearest(similar, k) @ kept
    found += smoothing
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _unit_rows(rows: FloatArray) -> FloatArray:
    """Standardised features, each row of length 1."""
    spread = rows.std(axis=0)
    standard = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    lengths = np.linalg.norm(standard, axis=1, keepdims=True)
    return np.asarray(standard / np.where(lengths > 0, lengths, 1.0))


def _nearest(similar: FloatArray, k: int) -> FloatArray:
    """1 where a column is among the k most similar of its row, -inf being no candidate."""
    place = similar.shape[1] - min(k, similar.shape[1])
    kth = np.partition(similar, place, axis=1)[:, place, None]
    return ((similar >= kth) & np.isfinite(similar)).astype(np.float64)


def kendall_tau_b(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Kendall's tau-b of two lists of scores: 1 the same order, -1 the reverse, ties allowed for.

    Parameters
    ----------
    first, second : array-like of shape (n,), float

    Returns
    -------
    float
        nan for fewer than two items, or where all of one list are equal.

    References
    ----------
    M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33(3), 1945, 239-251.
    DOI 10.1093/biomet/33.3.239

    Examples
    --------
    >>> kendall_tau_b([1, 2, 3], [10, 30, 20])
    0.3333333333333333
    """
    one, two = (_signs(values) for values in (first, second))
    length = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / length if length > 0 else float("nan")


def _signs(values: npt.ArrayLike) -> FloatArray:
    """Sign of the difference of every two items."""
    array = np.asarray(values, dtype=np.float64)
    return np.asarray(np.sign(array[:, None] - array[None]))


def ranks_of(scores: npt.ArrayLike, *, greater_is_better: bool) -> IntArray:
    """Rank of every score, 1 the best; equal scores share the better rank, those that are nan come last.

    Examples
    --------
    >>> ranks_of([0.3, 0.9, 0.9], greater_is_better=True).tolist()
    [3, 1, 1]
    """
    values: npt.NDArray[Any] = np.asarray(scores, dtype=np.float64) * (1.0 if greater_is_better else -1.0)
    values = np.where(np.isnan(values), -np.inf, values)
    return np.asarray(1 + (values[None] > values[:, None]).sum(axis=1), dtype=np.int64)
