"""How well a classifier of cells counts, from cells whose class is known: its errors, bias and limits of agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.cells.micrographs.plate import PlatePosition
from headstart.errors import InputError
from headstart.metrics.limits_of_agreement import MIN_PAIRS, LimitsOfAgreement, limits_of_agreement
from headstart.metrics.prevalence import NOTHING_KNOWN, ErrorRates, Likeness, error_rates, likeness, rogan_gladen


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
    alike : Likeness
        How alike the calls of one field are among the fields of a well.
    """

    rates: ErrorRates
    truth: NDArray[np.float64]
    called: NDArray[np.float64]
    corrected: NDArray[np.float64]
    sizes: NDArray[np.int64]
    alike: Likeness = NOTHING_KNOWN

    @property
    def agreement(self) -> LimitsOfAgreement | None:
        """Shares as called against the true ones; None for too few groups."""
        return _agreement(self.called, self.truth)

    @property
    def corrected_agreement(self) -> LimitsOfAgreement | None:
        """Corrected shares against the true ones; None for too few groups."""
        return _agreement(self.corrected, self.truth)


def known_counts(
    truth: ArrayLike, called: ArrayLike, groups: ArrayLike | None, alike: Likeness = NOTHING_KNOWN
) -> KnownCounts:
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
    alike : Likeness
        By `likeness_of_fields`, where wells are known.

    Raises
    ------
    InputError
        When all cells are of the class, or none is.
    """
    is_class, yes = np.asarray(truth, dtype=bool), np.asarray(called, dtype=np.float64)
    rates = error_rates(is_class, yes, groups)
    if groups is None:
        none = np.zeros(0)
        return KnownCounts(rates, none, none, none, np.zeros(0, dtype=np.int64), alike)
    group = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    sizes = np.bincount(group)
    shares = np.bincount(group, weights=yes) / sizes
    corrected = [_corrected(share, is_class, yes, group, number) for number, share in enumerate(shares.tolist())]
    return KnownCounts(rates, np.bincount(group, weights=is_class) / sizes, shares, np.array(corrected), sizes, alike)


def likeness_of_fields(
    called: ArrayLike, micrographs: Sequence[str], position: Callable[[str], PlatePosition]
) -> Likeness:
    """How alike the calls of cells of one micrograph are among the micrographs of a well.

    Parameters
    ----------
    called : array-like of shape (n_cells,), float
        As for `known_counts`.
    micrographs : sequence of str
        Micrograph of every cell.
    position : callable
        From its name to its place; micrographs that tell of no well are left out.
    """
    names, of_cell = np.unique(np.asarray(micrographs, dtype=str), return_inverse=True)
    where = [position(str(name)) for name in names]
    hits, sizes = np.bincount(of_cell.ravel(), np.asarray(called, dtype=np.float64)), np.bincount(of_cell.ravel())
    told = np.array([bool(one.well) for one in where], dtype=np.bool_)
    wells = np.array([f"{one.plate}/{one.well}" for one in where])
    return likeness(np.minimum(hits, sizes)[told], sizes[told], wells[told])


def _corrected(share: float, truth: NDArray[Any], called: NDArray[Any], group: NDArray[Any], number: int) -> float:
    others = group != number
    try:
        return rogan_gladen(share, error_rates(truth[others], called[others]))
    except InputError:  # all others are of one class, or are hardly told apart
        return float("nan")


def _agreement(measured: NDArray[np.float64], truth: NDArray[np.float64]) -> LimitsOfAgreement | None:
    known = ~np.isnan(measured)
    return limits_of_agreement(measured[known], truth[known]) if known.sum() >= MIN_PAIRS else None
