"""Pictures of pairs of moments: Gramian angular fields, Markov transition fields, recurrence; a tile a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.signals.imaging import register_imaging
from headstart.signals.pictures import FULL, as_colours, mosaic, shares_to_levels, shortened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

N_BINS: Final = 8
"""Levels between which a Markov transition field counts steps."""
_FAR: Final = 2.0
"""Distance of two values, on a scale logarithmic far from 0, that a recurrence picture shows as black."""


@register_imaging("gramian", "Gramian angular fields, sum and difference, a tile a channel")
def gramian(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Gramian angular fields: red of sums, green of differences of angles, blue the values along time.

    Values are brought to -1..1 by one scale for all windows, not by each window's own extremes, so that a window keeps
    its level (a departure from the paper).

    References
    ----------
    Z. Wang and T. Oates, "Imaging time-series to improve classification and imputation", IJCAI 2015, arXiv 1506.00327.
    """
    x = _unit(windows)
    y = np.sqrt(1 - np.square(x))
    sums = x[..., :, None] * x[..., None, :] - y[..., :, None] * y[..., None, :]
    differences = y[..., :, None] * x[..., None, :] - x[..., :, None] * y[..., None, :]
    values = np.broadcast_to(x[..., None, :], sums.shape)
    return mosaic(shares_to_levels((np.stack([sums, differences, values], axis=-1) + 1) / 2))


@register_imaging("markov", "Markov transition fields, a tile a channel")
def markov(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Markov transition fields: how often a channel goes from the level of one moment to that of another.

    Levels are eighths of the scale that `gramian` uses, not each window's own quantiles.

    References
    ----------
    Z. Wang and T. Oates, "Imaging time-series to improve classification and imputation", IJCAI 2015, arXiv 1506.00327.
    """
    full = np.clip(((_unit(windows, whole=True) + 1) / 2 * N_BINS).astype(np.int64), 0, N_BINS - 1)
    steps = np.eye(N_BINS, dtype=np.float32)[full]  # (n, channels, samples, bins)
    counts = np.einsum("nctb,nctd->ncbd", steps[:, :, :-1], steps[:, :, 1:])
    chances = counts / np.maximum(counts.sum(axis=3, keepdims=True), 1)
    bins = np.clip(((_unit(windows) + 1) / 2 * N_BINS).astype(np.int64), 0, N_BINS - 1)
    n, n_channels, _ = bins.shape
    place = np.arange(n)[:, None, None, None], np.arange(n_channels)[None, :, None, None]
    field = chances[(*place, bins[..., :, None], bins[..., None, :])]
    return as_colours(mosaic(shares_to_levels(field)[..., None])[..., 0])


@register_imaging("recurrence", "recurrence pictures, a tile a channel")
def recurrence(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Recurrence pictures without a threshold: bright where a channel is at two moments alike.

    References
    ----------
    J.-P. Eckmann, S. Oliffson Kamphorst and D. Ruelle, "Recurrence plots of dynamical systems", Europhysics Letters
    4(9), 1987, DOI 10.1209/0295-5075/4/9/004.
    """
    x = np.arcsinh(shortened(windows.transpose(0, 2, 1)))
    apart = np.abs(x[..., :, None] - x[..., None, :])
    return as_colours(mosaic(shares_to_levels(1 - apart / _FAR)[..., None])[..., 0])


def _unit(windows: NDArray[np.float32], *, whole: bool = False) -> Floats:
    """Values from -1 to 1, (n, channels, samples): linear near 0, logarithmic far from it."""
    rows = windows.transpose(0, 2, 1)
    return np.clip(np.arcsinh(rows if whole else shortened(rows)) / np.float32(np.arcsinh(FULL)), -1, 1).astype(
        np.float32
    )
