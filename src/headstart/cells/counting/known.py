"""How well a classifier of cells counts, from cells whose class is known: its errors, bias and limits of agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.errors import InputError
from headstart.metrics.limits_of_agreement import MIN_PAIRS, LimitsOfAgreement, limits_of_agreement
from headstart.metrics.prevalence import ErrorRates, error_rates, rogan_gladen


@dataclass(frozen=True, eq=False)
class KnownCounts:
    """Counts of groups of cells whose truth is known.

    Attributes
    ----------
    rates : ErrorRates
        Over all cells.
    truth, called, corrected : ndarray of shape (n_groups,), float64
        Share of the class in each group: true, as called, and corrected with the errors in all other groups, nan
        where these allow no correction.
    sizes : ndarray of shape (n_groups,), int64
        Cells of each group.
    """

    rates: ErrorRates
    truth: NDArray[np.float64]
    called: NDArray[np.float64]
    corrected: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @property
    def agreement(self) -> LimitsOfAgreement | None:
        """Shares as called against the true ones; None for too few groups."""
        return _agreement(self.called, self.truth)

    @property
    def corrected_agreement(self) -> LimitsOfAgreement | None:
        """Corrected shares against the true ones; None for too few groups."""
        return _agreement(self.corrected, self.truth)


def known_counts(truth: ArrayLike, called: ArrayLike, groups: ArrayLike | None) -> KnownCounts:
    """Counts of every group against the truth.

    A group's correction rests on the other groups alone, as that of a new micrograph does.

    Parameters
    ----------
    truth : array-like of shape (n_cells,), bool
        Whether a cell is of the class.
    called : array-like of shape (n_cells,), float
        Share of the repeats in which it was called so, out of fold.
    groups : array-like of shape (n_cells,), optional
        Micrograph, or what else is split as a whole. None: nothing is known of them, and no group is counted.

    Raises
    ------
    InputError
        When all cells are of the class, or none is.
    """
    is_class, yes = np.asarray(truth, dtype=bool), np.asarray(called, dtype=np.float64)
    rates = error_rates(is_class, yes, groups)
    if groups is None:
        none = np.zeros(0)
        return KnownCounts(rates, none, none, none, np.zeros(0, dtype=np.int64))
    group = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    sizes = np.bincount(group)
    shares = np.bincount(group, weights=yes) / sizes
    corrected = [_corrected(share, is_class, yes, group, number) for number, share in enumerate(shares.tolist())]
    return KnownCounts(rates, np.bincount(group, weights=is_class) / sizes, shares, np.array(corrected), sizes)


def _corrected(share: float, truth: NDArray[Any], called: NDArray[Any], group: NDArray[Any], number: int) -> float:
    others = group != number
    try:
        return rogan_gladen(share, error_rates(truth[others], called[others]))
    except InputError:  # all others are of one class, or are hardly told apart
        return float("nan")


def _agreement(measured: NDArray[np.float64], truth: NDArray[np.float64]) -> LimitsOfAgreement | None:
    known = ~np.isnan(measured)
    return limits_of_agreement(measured[known], truth[known]) if known.sum() >= MIN_PAIRS else None
