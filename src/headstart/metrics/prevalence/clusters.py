"""How alike the answers of one cluster are, and how many independent ones they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.validation import FloatArray, IntArray

_TINY: Final = 1e-12


@dataclass(frozen=True)
class Likeness:
    """Likeness of the answers within a cluster, pooled over strata.

    Attributes
    ----------
    correlation : float in [0, 1]
        Intracluster correlation: 0 where answers of one cluster are no more alike than those of two.
    freedom : int
        Degrees of freedom between clusters that it rests on; 0 where it cannot be estimated and is taken to be 0.
    """

    correlation: float
    freedom: int


NOTHING_KNOWN: Final = Likeness(0.0, 0)


def likeness(hits: npt.ArrayLike, sizes: npt.ArrayLike, strata: npt.ArrayLike | None = None) -> Likeness:
    """Intracluster correlation of yes-or-no answers by the analysis of variance, pooled over strata.

    Clusters are compared with others of their own stratum alone: fields of one well with each other, not with those
    of a well that was treated otherwise.

    Parameters
    ----------
    hits : array-like of shape (n_clusters,)
        Answers "yes" of each cluster; a mean over repeats may be no whole number.
    sizes : array-like of shape (n_clusters,)
        Answers of each cluster; clusters without any are left out.
    strata : array-like of shape (n_clusters,), optional
        Stratum of each cluster. Default: all are of one.

    Raises
    ------
    InputError
        When lengths differ, or a cluster has more hits than answers.

    References
    ----------
    Ridout, Demetrio, Firth 1999, "Estimating intraclass correlation for binary data",
    doi:10.1111/j.0006-341X.1999.00137.x, the analysis-of-variance estimator; the strata are ours.

    Examples
    --------
    Four fields of ten cells, all of a field alike:

    >>> likeness([10, 0, 10, 0], [10, 10, 10, 10])
    Likeness(correlation=1.0, freedom=3)
    """
    found, counts = checked_counts(hits, sizes)
    stratum = np.zeros(len(counts), dtype=int) if strata is None else np.asarray(strata)
    if len(stratum) != len(counts):
        raise InputError(f"There are {len(stratum):,} strata for {len(counts):,} clusters; expected one for each.")
    kept = counts > 0
    if not kept.any():
        return NOTHING_KNOWN
    return _pooled(found[kept], counts[kept], np.unique(stratum[kept], return_inverse=True)[1].ravel())


def _pooled(hits: FloatArray, sizes: FloatArray, stratum: IntArray) -> Likeness:
    answers = np.bincount(stratum, weights=sizes)
    expected = np.bincount(stratum, weights=hits) / answers  # share of each stratum
    share = hits / sizes
    freedom = len(sizes) - len(answers)
    within_freedom = float((sizes - 1).sum())
    if freedom < 1 or within_freedom <= 0:
        return NOTHING_KNOWN
    between = float((sizes * (share - expected[stratum]) ** 2).sum()) / freedom
    within = float((sizes * share * (1 - share)).sum()) / within_freedom
    size = float((answers - np.bincount(stratum, weights=sizes**2) / answers).sum()) / freedom
    total = between + (size - 1) * within
    if total <= _TINY:
        return NOTHING_KNOWN
    return Likeness(float(np.clip((between - within) / total, 0.0, 1.0)), freedom)


def effective_size(sizes: npt.ArrayLike, correlation: float) -> float:
    """Independent answers that the answers of these clusters are worth.

    Kish's design effect for clusters of unequal size, ``1 + (sum(n^2)/sum(n) - 1) rho``.

    Examples
    --------
    >>> effective_size([10, 10], 0.0), effective_size([10, 10], 1.0)
    (20.0, 2.0)
    """
    counts = np.asarray(sizes, dtype=np.float64)
    total = float(counts.sum())
    if total == 0:
        return 0.0
    return total / (1 + (float((counts**2).sum()) / total - 1) * correlation)


def checked_counts(hits: npt.ArrayLike, sizes: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Hits and sizes of clusters as float64.

    Raises
    ------
    InputError
        When lengths differ, a number is negative or not finite, or a cluster has more hits than answers.
    """
    found, counts = np.asarray(hits, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if found.ndim != 1 or found.shape != counts.shape:
        raise InputError(f"Hits and sizes are one number each per cluster; got shapes {found.shape}, {counts.shape}.")
    if not (np.isfinite(found).all() and np.isfinite(counts).all() and (found >= 0).all() and (found <= counts).all()):
        raise InputError("Every cluster has from 0 to all of its answers as hits; count them again.")
    return found, counts
