"""Calibration error: bins of equal count, and the debiased distance of probabilities from frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.metrics.validation import FloatArray, IntArray, ratio

MAX_BINS = 15
ROWS_PER_BIN = 20


@dataclass(frozen=True, eq=False)
class Bins:
    """Rows cut into bins of about equal count by rising confidence; equal confidences stay together.

    Attributes
    ----------
    order : ndarray of shape (n,), int
        Row numbers, lowest confidence first.
    starts : ndarray of shape (n_bins,), int
        Place in `order` where each bin begins.
    """

    order: IntArray
    starts: IntArray

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum of values of shape (..., n) in each bin, shape (..., n_bins)."""
        totals: FloatArray = np.add.reduceat(values[..., self.order], self.starts, axis=-1)
        return totals


def equal_count_bins(confidence: FloatArray, n_bins: int | None = None) -> Bins:
    """Cut rows of shape (n,) into `n_bins` of about equal count.

    The default is one bin per 20 rows, at least 2 and at most 15. Ties can leave fewer.
    """
    n_rows = len(confidence)
    n_cut = min(n_rows, n_bins or int(np.clip(n_rows // ROWS_PER_BIN, 2, MAX_BINS)))
    order = np.argsort(confidence, kind="stable")
    rising = confidence[order]
    cuts = np.linspace(0, n_rows, n_cut + 1).round().astype(np.int64)[:-1]
    starts = np.unique(np.searchsorted(rising, rising[cuts], side="left"))
    return Bins(order, starts.astype(np.int64))


def debiased_ece(confidence: FloatArray, outcome: FloatArray, weights: FloatArray, bins: Bins) -> FloatArray:
    """Expected calibration error, less the part that chance alone puts into it.

    The plain estimate averages ``|mean confidence - frequency|`` over bins; noise in the frequencies makes even a
    perfectly calibrated model look off. With the frequency of a bin taken as normal, its expected absolute gap has
    a closed form (the folded normal), and the excess over the gap seen is taken away: two fifths of the bias for a
    perfectly calibrated model, all of it where gaps are larger than their noise. Never below 0.

    Parameters
    ----------
    confidence, outcome : ndarray of shape (n,)
        Probability of the event and whether it happened (0 or 1).
    weights : ndarray of shape (batch, n)
    bins : Bins
        Bins of `confidence`.

    Returns
    -------
    ndarray of shape (batch,)
        nan where all weights are 0.

    References
    ----------
    Kumar, Liang, Ma 2019, "Verified uncertainty calibration", arXiv:1909.10155, section 5 (debiased l1 error). They
    draw the normal deviates; we use their expectation. With weights, a bin counts as (sum w)^2 / sum w^2 rows.
    """
    mass = bins.sums(weights)
    frequency = np.nan_to_num(ratio(bins.sums(weights * outcome), mass))
    gap = np.abs(np.nan_to_num(ratio(bins.sums(weights * confidence), mass)) - frequency)
    share = np.nan_to_num(ratio(bins.sums(weights**2), mass**2))  # one over the effective number of rows
    noise = np.sqrt(np.clip(frequency * (1 - frequency), 0, None) * share)
    debiased = 2 * gap - folded_normal_mean(gap, noise)
    return np.maximum(ratio((mass * debiased).sum(axis=-1), mass.sum(axis=-1)), 0.0)


def folded_normal_mean(centre: FloatArray, deviation: FloatArray) -> FloatArray:
    """Expectation of |X| for X normal with this centre and standard deviation; |centre| where the deviation is 0."""
    from scipy.special import (
        ndtr,  # takes half a second to import; help that lists the metrics does without
    )

    z = np.divide(centre, deviation, out=np.zeros_like(centre), where=deviation > 0)
    spread = deviation * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + centre * (1 - 2 * ndtr(-z))
    return np.where(deviation > 0, spread, np.abs(centre))
