"""Points of ROC, precision-recall and calibration curves, and 95 % bands by the resampling of `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.bootstrap import Column, defined_mean, draw_counts
from headstart.metrics.calibration_error import equal_count_bins
from headstart.metrics.evaluate import resampled_deviation
from headstart.metrics.intervals import Correction, count_units, score_interval, variance_factor
from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.rank_scores import Ranking, cumulative, rank
from headstart.metrics.registry import CLASS_METRICS
from headstart.metrics.validation import BoolArray, FloatArray, IntArray, check_weights, ratio, relative_weights

GRID_POINTS = 101


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Rates at every distinct score, thresholds falling, from (0, 0) to (1, 1); all arrays of shape (m + 1,)."""

    false_positive_rate: FloatArray
    true_positive_rate: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision and recall at every distinct score, thresholds falling, recall rising; arrays of shape (m,)."""

    recall: FloatArray
    precision: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True, eq=False)
class Reliability:
    """Mean probability against frequency in bins of about equal count, by rising probability; shape (n_bins,).

    Attributes
    ----------
    probability, frequency : ndarray
        Weighted means within the bin.
    low, high : ndarray
        95 % Wilson interval of the frequency, rows taken as independent.
    counts : ndarray of int
        Rows in the bin.
    """

    probability: FloatArray
    frequency: FloatArray
    low: FloatArray
    high: FloatArray
    counts: IntArray


@dataclass(frozen=True, eq=False)
class Band:
    """A curve on a fixed grid with a pointwise 95 % band; arrays of shape (101,).

    Attributes
    ----------
    grid : ndarray
        False positive rate (ROC) or recall (precision-recall), 0 to 1.
    value : ndarray
        True positive rate, or precision: mean over the repeats.
    low, high : ndarray
        Ends of the band; nan where undefined.
    """

    grid: FloatArray
    value: FloatArray
    low: FloatArray
    high: FloatArray


def roc_curve(positive: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> RocCurve:
    """Receiver operating characteristic of one class against the rest.

    Parameters
    ----------
    positive : array-like of shape (n,), bool
        Which rows are of the class.
    scores : array-like of shape (n,)
        Probability of the class.
    weights : array-like of shape (n,), optional

    Returns
    -------
    RocCurve
        The first threshold is infinite. A rate is nan when the class, or the rest, is absent.

    Raises
    ------
    InputError
        When the arrays do not fit together.
    """
    ranking, true, false = _ranked(positive, scores, weights)
    start = np.zeros(1)
    return RocCurve(
        false_positive_rate=np.concatenate([start, ratio(false, false[-1])]),
        true_positive_rate=np.concatenate([start, ratio(true, true[-1])]),
        thresholds=np.append(np.inf, ranking.thresholds),
    )


def precision_recall_curve(
    positive: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> PrecisionRecallCurve:
    """Precision and recall of one class against the rest; draw it as steps. Arguments as for `roc_curve`."""
    ranking, true, false = _ranked(positive, scores, weights)
    return PrecisionRecallCurve(ratio(true, true[-1]), ratio(true, true + false), ranking.thresholds)


def reliability(
    positive: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, n_bins: int | None = None
) -> Reliability:
    """Frequency of the class against the probability that the model gives it, bin by bin.

    Arguments as for `roc_curve`; ``n_bins`` None takes one bin per 20 rows, at least 2 and at most 15, as the
    calibration error does.
    """
    rows, values, weight = _checked(positive, scores, weights)
    bins = equal_count_bins(values, n_bins)
    mass = bins.sums(weight)
    frequency = ratio(bins.sums(weight * rows), mass)
    effective = ratio(mass**2, bins.sums(weight**2))
    deviation = np.sqrt(ratio(np.clip(frequency * (1 - frequency), 0, None), effective))
    low, high = score_interval(frequency, deviation, effective)
    counts = np.diff(np.append(bins.starts, len(values)))
    return Reliability(ratio(bins.sums(weight * values), mass), frequency, low, high, counts)


def roc_band(
    oof: OutOfFold,
    class_index: int | None = None,
    *,
    correction: Correction = "nadeau-bengio",
    n_train_fraction: float | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
) -> Band:
    """ROC curve of one class with its pointwise 95 % band, at 101 false positive rates.

    Parameters
    ----------
    oof : OutOfFold
    class_index : int, optional
        The class; None takes the positive class of a two-class task.
    correction, n_train_fraction, seed, n_resamples
        As for `evaluate`.

    Returns
    -------
    Band

    Raises
    ------
    InputError
        When no class is given for more than two, or an option cannot be used.
    """
    factor = variance_factor(oof, correction, n_train_fraction=n_train_fraction)
    draws = draw_counts(oof, n_resamples, seed)
    band = _band(oof, "recall", class_index, _rates_at, draws=draws, factor=factor)
    band.low[-1], band.high[-1] = band.value[-1], band.value[-1]  # every ROC curve ends in (1, 1)
    return band


def precision_recall_band(
    oof: OutOfFold,
    class_index: int | None = None,
    *,
    correction: Correction = "nadeau-bengio",
    n_train_fraction: float | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
) -> Band:
    """Precision of one class with its pointwise 95 % band, at 101 recalls. Arguments as for `roc_band`."""
    factor = variance_factor(oof, correction, n_train_fraction=n_train_fraction)
    draws = draw_counts(oof, n_resamples, seed)
    return _band(oof, "pr_auc", class_index, _precision_at, draws=draws, factor=factor)


def _rates_at(grid: FloatArray, true: FloatArray, false: FloatArray) -> FloatArray:
    """True positive rate at each false positive rate of the grid, on straight lines between thresholds."""
    if true[-1] == 0 or false[-1] == 0:
        return np.full(len(grid), np.nan)
    return np.asarray(np.interp(grid, np.append(0, false / false[-1]), np.append(0, true / true[-1])))


def _precision_at(grid: FloatArray, true: FloatArray, false: FloatArray) -> FloatArray:
    """Precision at the highest threshold that reaches each recall of the grid."""
    if true[-1] == 0:
        return np.full(len(grid), np.nan)
    reached = np.searchsorted(true / true[-1], grid - 1e-12, side="left")
    place = np.maximum(np.minimum(reached, len(true) - 1), np.searchsorted(true, 0, side="right"))
    return ratio(true[place], true[place] + false[place])


_Reader = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def _band(
    oof: OutOfFold, name: str, class_index: int | None, read: _Reader, *, draws: Iterable[FloatArray], factor: float
) -> Band:
    """Curve of a class with its band: of the metric `name`, resampled by `draws`, its variance times `factor`."""
    index = _class_index(oof, class_index)
    grid = np.linspace(0, 1, GRID_POINTS)
    whole = oof.row_weights[None]
    value = _read_curves(oof, whole, index, grid, read)[0]
    drawn = [_read_curves(oof, whole * counts, index, grid, read) for counts in draws]
    deviation = resampled_deviation(oof, np.concatenate(drawn))
    units = count_units(oof, Column(CLASS_METRICS[name], index))
    low, high = score_interval(value, deviation, units, factor=factor)
    return Band(grid, value, low, high)


def _read_curves(oof: OutOfFold, weights: FloatArray, index: int, grid: FloatArray, read: _Reader) -> FloatArray:
    """Curve of each weighting on the grid, mean over repeats, shape (batch, 101)."""
    repeats = []
    for repeat, outcome in enumerate(oof.outcomes):
        rows = weights[:, oof.rows_of(repeat)]
        true, false = cumulative(outcome.rankings[index], outcome.of_class(index), rows)
        repeats.append([read(grid, *curve) for curve in zip(true, false, strict=True)])
    return defined_mean(np.array(repeats))


def _class_index(oof: OutOfFold, class_index: int | None) -> int:
    if class_index is None and oof.n_classes > 2:
        raise InputError(f"With {oof.n_classes} classes say which one: pass class_index from 0 to {oof.n_classes - 1}.")
    index = oof.positive_index if class_index is None else class_index
    if not 0 <= index < oof.n_classes:
        raise InputError(f"class_index must be from 0 to {oof.n_classes - 1}; got {index}.")
    return index


def _ranked(
    positive: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Ranking, FloatArray, FloatArray]:
    """The scores ranked, and weight of true and of false positives at each of the m thresholds, both (m,)."""
    rows, values, weight = _checked(positive, scores, weights)
    ranking = rank(values)
    true, false = cumulative(ranking, rows, weight[None])
    return ranking, true[0], false[0]


def _checked(
    positive: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[BoolArray, FloatArray, FloatArray]:
    rows, values = np.asarray(positive), np.asarray(scores, dtype=np.float64)
    if rows.ndim != 1 or rows.shape != values.shape or rows.size == 0:
        raise InputError(f"Need one score for each of one or more rows; got shapes {rows.shape} and {values.shape}.")
    if not np.isin(rows, (0, 1)).all():
        raise InputError("`positive` marks the rows of the class: only true and false (1 and 0) may occur.")
    if not np.isfinite(values).all():
        raise InputError("Scores must be finite. Leave out the rows that were not judged.")
    weight = check_weights(weights, len(values))
    if weight.ndim != 1:
        raise InputError(f"Weights of a curve must have shape ({len(values)},); got {weight.shape}.")
    return rows.astype(bool), values, relative_weights(weight)
