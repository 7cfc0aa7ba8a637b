"""Two procedures judged on the same rows and folds: the difference of their scores, with interval and p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import InputError, SplitError
from headstart.metrics.bootstrap import Replicates, columns_for, resample
from headstart.metrics.evaluate import resampled_deviation
from headstart.metrics.intervals import Correction, IntervalMethod, count_units, difference_interval, variance_factor
from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.validation import plain


@dataclass(frozen=True)
class Difference:
    """Score of a less score of b; nan where undefined.

    Attributes
    ----------
    a, b : float
        The two scores.
    value : float
        a - b. For losses a negative difference favours a.
    low, high : float
        Ends of its 95 % interval.
    p_value : float
        Two-sided, of no difference.
    n_undefined : int
        Resamples left out because a score was undefined in them.
    """

    a: float
    b: float
    value: float
    low: float
    high: float
    p_value: float
    n_undefined: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values: ``a``, ``b``, ``difference``, ``ci95`` and ``p``; None for what is undefined."""
        interval = None if np.isnan(self.low) else [float(self.low), float(self.high)]
        numbers = {"a": self.a, "b": self.b, "difference": self.value, "p": self.p_value}
        return {name: plain(number) for name, number in numbers.items()} | {"ci95": interval}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of `compare_paired`: a difference for every metric, and how the intervals were made."""

    metrics: dict[str, Difference]
    interval: IntervalMethod

    def to_json(self) -> dict[str, Any]:
        """Plain values: ``metrics`` and ``interval``."""
        return {
            "metrics": {name: difference.to_json() for name, difference in self.metrics.items()},
            "interval": self.interval.to_json(),
        }


def compare_paired(
    a: OutOfFold,
    b: OutOfFold,
    *,
    metrics: Sequence[str] | None = None,
    correction: Correction = "nadeau-bengio",
    n_train_fraction: float | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
) -> Comparison:
    """Difference of the scores of two procedures on the same rows, labels and folds.

    Both are scored on the same resampled groups, so what makes a data set easy for both cancels. The variance of the
    difference is corrected as in `evaluate`; this is the corrected resampled t-test with pooled scores.

    Parameters
    ----------
    a, b : OutOfFold
        Predictions of the two, for the same data and split.
    metrics : sequence of str, optional
        Names from `METRICS`; None takes all that are shown for such classes and have an interval.
    correction, n_train_fraction, seed, n_resamples
        As for `evaluate`.

    Returns
    -------
    Comparison

    Raises
    ------
    SplitError
        When the two were judged in different folds.
    InputError
        When rows, labels, classes, weights or groups differ, or an option cannot be used.

    References
    ----------
    Nadeau & Bengio 2003, doi:10.1023/A:1024068626366.
    """
    check_comparable(a, b)
    factor = variance_factor(a, correction, n_train_fraction=n_train_fraction)
    columns = columns_for(a.n_classes, metrics, per_class=False, ordered=a.ordered)
    columns = tuple(column for column in columns if metrics is not None or column.metric.has_interval)
    first = resample(a, columns, n_resamples=n_resamples, seed=seed)
    second = resample(b, columns, n_resamples=n_resamples, seed=seed)
    names = [column.metric.name for column in columns]
    differences = _differences(a, b, first, second, factor)
    return Comparison(
        dict(zip(names, differences, strict=True)), IntervalMethod(correction, factor, n_resamples, a.n_units)
    )


def check_comparable(a: OutOfFold, b: OutOfFold) -> None:
    """Raise unless both hold the same rows, labels, classes, weights, groups and folds."""
    if a.classes != b.classes or a.positive_index != b.positive_index:
        raise InputError(
            f"The two have different classes or another positive class: {_classes(a)} and {_classes(b)}. "
            f"Compare runs of one task."
        )
    if a.ordered != b.ordered:
        raise InputError(
            "One of the two takes the classes in their order, the other does not. Compare runs of one task."
        )
    if a.n_rows != b.n_rows or not np.array_equal(a.labels, b.labels):
        raise InputError(
            f"The two do not hold the same rows ({a.n_rows} and {b.n_rows}) with the same labels. A paired comparison "
            f"needs both fitted on one data set; fit them again on it."
        )
    if not np.array_equal(a.fold, b.fold):
        raise SplitError(
            "The two were judged in different folds, so their scores are not paired. Fit one of them again with the "
            "split and seed of the other."
        )
    if not (np.array_equal(a.row_weights, b.row_weights) and np.array_equal(a.units, b.units)):
        raise InputError("The two have different weights or groups. Fit one of them again with those of the other.")


def _differences(a: OutOfFold, b: OutOfFold, first: Replicates, second: Replicates, factor: float) -> list[Difference]:
    resamples = first.resamples - second.resamples
    bounds = np.array([column.metric.bounds_for(a.n_classes) for column in first.columns])
    units = np.array([min(count_units(a, column), count_units(b, column)) for column in first.columns])
    values = first.values - second.values
    low, high, p_values = difference_interval(
        values, resampled_deviation(a, resamples), units, limits=bounds[:, 1] - bounds[:, 0], factor=factor
    )
    undefined = np.isnan(resamples).sum(axis=0)
    table = np.stack([first.values, second.values, values, low, high, p_values], axis=1)
    return [
        Difference(float(one), float(two), float(gap), float(lo), float(hi), float(p), int(count))
        for (one, two, gap, lo, hi, p), count in zip(table, undefined, strict=True)
    ]


def _classes(oof: OutOfFold) -> str:
    names = ", ".join(repr(name) for name in oof.classes)
    return f"{names} (positive {oof.classes[oof.positive_index]!r})" if oof.n_classes == 2 else names
