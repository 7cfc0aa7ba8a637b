"""95 % intervals for scores from resampling: how much wider than the resamples say, and on what scale.

The interval speaks of the expected score of the procedure trained on data of this size. Folds share training data, so
resampling the out-of-fold rows alone is too narrow; see docs/intervals.md for the measurements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.metrics.bootstrap import Column
from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.registry import Evidence
from headstart.metrics.validation import BoolArray, FloatArray, ratio

Correction = Literal["nadeau-bengio", "none"]

LEVEL = 0.95
FEW_UNITS = 5
"""Below this many units speaking for the rarer answer the resampled deviation is not trusted to be smaller than that
of as many coin tosses (the usual rule for the normal approximation to a share)."""

_PROCEDURE = "the expected score of this procedure trained on data of this size"
_FIXED_MODEL = "the expected score of these very models on new data of this kind"
_WILSON = "Wilson interval with effective sample size (Franco, Little, Louis, Slud 2019, PMC6690503)"
_NADEAU_BENGIO = "Nadeau & Bengio 2003, doi:10.1023/A:1024068626366"


@dataclass(frozen=True)
class IntervalMethod:
    """Method by which the intervals of an evaluation were made.

    Attributes
    ----------
    correction : str
    variance_factor : float
        Factor by which the resampled variance was multiplied.
    n_resamples, n_units : int
        Resamples, and units (groups, or rows where there are no groups) drawn in each.
    """

    correction: Correction
    variance_factor: float
    n_resamples: int
    n_units: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for results.json."""
        corrected = self.correction != "none"
        return {
            "level": LEVEL,
            "method": "bootstrap of groups as wholes, "
            + ("corrected for shared training data" if corrected else "plain"),
            "speaks_of": _PROCEDURE if corrected else _FIXED_MODEL,
            "reference": f"{_NADEAU_BENGIO}; {_WILSON}" if corrected else _WILSON,
            "correction": self.correction,
            "variance_factor": self.variance_factor,
            "n_resamples": self.n_resamples,
            "n_groups": self.n_units,
        }


def variance_factor(
    oof: OutOfFold, correction: Correction, *, n_train_fraction: float | None = None, n_train: float | None = None
) -> float:
    """Factor on the variance of resampled pooled scores that makes it count what training adds.

    Scores of J test folds share training data. With Nadeau and Bengio's correlation ``rho = n_test/(n_test + n_train)``
    the variance of their mean is ``sigma^2/J (1 + (J - 1) rho)``, where resampling the pooled rows gives sigma^2/J. A
    single fold shares nothing, but resampling it misses the part rho of its variance, hence ``1/(1 - rho)``. The larger
    counts: 1.8 for 5 folds, 1.9 for 10, 1.33 for 20 % held out after training on 60 %. The authors' own test, built on
    the variance across folds, divides by (1 - rho) in both cases (2.25 for 5 folds): wider than needed when measured.

    Parameters
    ----------
    oof : OutOfFold
    correction : 'nadeau-bengio' or 'none'
        'none' gives 1: the models are taken as fixed.
    n_train_fraction : float in (0, 1], optional
        Share of all rows that each model was trained on; None takes every row outside its test fold.
    n_train : float, optional
        Mean number of rows that a fold was trained on, where they are not among those of `oof`; goes before
        `n_train_fraction`.

    Raises
    ------
    InputError
        For an unknown correction, a share outside (0, 1], or when no rows are left to have been trained on.

    References
    ----------
    Nadeau & Bengio 2003, "Inference for the generalization error", doi:10.1023/A:1024068626366.
    """
    if correction not in get_args(Correction):
        raise InputError(unknown_name("correction", correction, get_args(Correction)))
    if n_train_fraction is not None and not 0 < n_train_fraction <= 1:
        raise InputError(f"n_train_fraction is a share of all rows, above 0 and at most 1; got {n_train_fraction}.")
    if correction == "none":
        return 1.0
    n_test = _mean_test_rows(oof)
    if n_train is None:
        n_train = oof.n_rows - n_test if n_train_fraction is None else n_train_fraction * oof.n_rows
    if n_train <= 0:
        raise InputError(
            "Every row is judged in one fold, so none was trained on. For a fixed model on a test set use "
            'correction="none"; else give n_train_fraction.'
        )
    correlation = n_test / (n_test + n_train)
    n_folds = oof.judged.sum() / n_test
    return float(max(1 + (n_folds - 1) * correlation, 1 / (1 - correlation)))


def score_interval(
    values: npt.ArrayLike,
    deviations: npt.ArrayLike,
    units: npt.ArrayLike,
    *,
    bounds: tuple[npt.ArrayLike, npt.ArrayLike] = (0.0, 1.0),
    proportion: npt.ArrayLike = True,
    factor: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """95 % interval for bounded scores, inside their bounds and never of zero width.

    A score is read as a share of the way between its bounds, resting on so many independent rows as give a share its
    resampled deviation; the interval is Wilson's with Student's quantile. A score without resampled deviation (a
    perfect one) rests on its `units` instead; so does a score of which so few units speak against that its
    resampled deviation, if smaller, means little (fewer than 5; not for losses, whose rows vary less than coins).

    Parameters
    ----------
    values, deviations : array-like
        Scores and standard deviations of their resamples. Broadcast with all that follows.
    units : array-like
        Units that could have spoken against a perfect score, from `count_units`.
    bounds : (low, high)
    proportion : array-like of bool
        False for mean losses.
    factor : float
        Factor on the variance, by `variance_factor`.

    Returns
    -------
    low, high : ndarray
        nan where the score or its deviation is.

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953; with an effective sample size for clustered shares: Franco, Little,
    Louis, Slud 2019, PMC6690503. AUC is a share too, of pairs in the right order.

    Examples
    --------
    >>> low, high = score_interval(1.0, 0.0, 100)
    >>> round(float(low), 3), float(high)
    (0.962, 1.0)
    """
    bottom, top = np.asarray(bounds[0], float), np.asarray(bounds[1], float)
    count = np.asarray(units, float)
    share = (np.asarray(values, float) - bottom) / (top - bottom)
    error = np.asarray(deviations, float) / (top - bottom)
    rows = _effective_rows(share, error, count, np.asarray(proportion, bool)) / factor
    low, high = _wilson(np.clip(share, 0, 1), rows, _quantile(count))
    return bottom + (top - bottom) * low, bottom + (top - bottom) * high


def difference_interval(
    values: FloatArray, deviations: FloatArray, units: FloatArray, *, limits: FloatArray, factor: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """95 % interval and two-sided p of differences of scores: Student's t on the corrected deviation.

    Where resamples do not differ at all the interval reaches as far as Wilson's for a share of 0 among the units, and
    p is 1 for no difference, else that of a sign test in which all units agree.

    Parameters
    ----------
    values, deviations, units : ndarray of shape (C,)
        As for `score_interval`, of the differences.
    limits : ndarray of shape (C,)
        Largest possible absolute difference.
    factor : float
        Factor on the variance, by `variance_factor`.

    Returns
    -------
    low, high, p_values : ndarray of shape (C,)
    """
    from scipy.special import stdtr  # scipy.stats takes most of a second to import

    still = deviations <= 1e-12 * limits
    quantile = _quantile(units)
    error = np.where(still, 1.0, deviations) * np.sqrt(factor)
    reach = np.where(still, limits * _wilson(np.zeros(len(units)), units / factor, quantile)[1], quantile * error)
    agreed = np.where(np.abs(values) <= 1e-12 * limits, 1.0, np.minimum(1.0, 2.0 ** (1 - units)))
    p_values = np.where(still, agreed, 2 * stdtr(_freedom(units), -np.abs(values) / error))
    return np.clip(values - reach, -limits, limits), np.clip(values + reach, -limits, limits), p_values


def count_units(oof: OutOfFold, column: Column) -> float:
    """Effective number of units whose rows could have spoken against a perfect score in this column.

    Units are groups (rows where there are none); unequal weights or sizes count as (sum u)^2 / sum u^2, Kish's
    effective number. For means over K classes it is K times the rarest class's, at most the number of all units.
    """
    index = oof.positive_index if column.class_index is None else column.class_index
    everything = _units_among(oof, oof.judged)
    return min(everything, _EVIDENCE[column.metric.evidence](oof, index))


def _of_rarest(oof: OutOfFold, index: int) -> float:
    return oof.n_classes * min(_units_among(oof, oof.labels == number) for number in range(oof.n_classes))


def _of_both_sides(oof: OutOfFold, index: int) -> float:
    return 2 * min(_units_among(oof, oof.labels == index), _units_among(oof, oof.labels != index))


def _of_ends(oof: OutOfFold, index: int) -> float:
    """Units that decide a mean over all thresholds, by the rarer of the two outermost classes."""
    return 2 * min(_units_among(oof, oof.labels == number) for number in (0, oof.n_classes - 1))


def _of_threshold(oof: OutOfFold, index: int) -> float:
    """Units that decide a score of one threshold, by the rarer side."""
    return 2 * min(_units_among(oof, oof.labels <= index), _units_among(oof, oof.labels > index))


def _predicted(oof: OutOfFold, index: int) -> BoolArray:
    """Rows predicted to be of a class in at least one repeat."""
    return np.asarray(((oof.predicted == index) & (oof.fold >= 0)).any(axis=0))


_EVIDENCE: dict[Evidence, Callable[[OutOfFold, int], float]] = {
    "all": lambda oof, index: _units_among(oof, oof.judged),
    "class": lambda oof, index: _units_among(oof, oof.labels == index),
    "rest": lambda oof, index: _units_among(oof, oof.labels != index),
    "predicted": lambda oof, index: _units_among(oof, _predicted(oof, index)),
    "both": _of_both_sides,
    "rarest": _of_rarest,
    "ends": _of_ends,
    "threshold": _of_threshold,
}


def _units_among(oof: OutOfFold, rows: BoolArray) -> float:
    """Kish's effective number of units among these rows, as far as they are judged."""
    chosen = rows & oof.judged
    weight = np.bincount(oof.units[chosen], weights=oof.row_weights[chosen], minlength=1)
    squares = float((weight**2).sum())
    return float(weight.sum() ** 2 / squares) if squares > 0 else 0.0


def _effective_rows(share: FloatArray, error: FloatArray, units: FloatArray, proportion: BoolArray) -> FloatArray:
    """Independent rows that would give a share this deviation, before the correction."""
    variance = share * (1 - share)
    silent = ~np.isnan(error) & ((error <= 1e-9) | (variance <= 1e-15))
    rows = ratio(variance, error**2)
    few = proportion & (units * np.minimum(share, 1 - share) < FEW_UNITS)
    return np.where(silent, units, np.where(few, np.minimum(rows, units), rows))


def _wilson(share: FloatArray, rows: FloatArray, quantile: FloatArray) -> tuple[FloatArray, FloatArray]:
    squared = np.divide(
        quantile**2, rows, out=np.full(np.broadcast_shapes(quantile.shape, rows.shape), np.inf), where=rows > 0
    )
    weight = 1 / (1 + squared)  # of the observed share; the rest of the centre is one half
    centre = weight * share + (1 - weight) / 2
    reach = np.sqrt(weight * (1 - weight) * share * (1 - share) + (1 - weight) ** 2 / 4)
    return np.clip(centre - reach, 0, share), np.clip(centre + reach, share, 1)


def _freedom(units: FloatArray) -> FloatArray:
    return np.maximum(units - 1, 1.0)


def _quantile(units: FloatArray) -> FloatArray:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(_freedom(units), (1 + LEVEL) / 2))


def _mean_test_rows(oof: OutOfFold) -> float:
    """Mean number of rows in a test fold."""
    sizes = [size for folds in oof.fold for size in np.unique(folds[folds >= 0], return_counts=True)[1]]
    return float(np.mean(sizes))
