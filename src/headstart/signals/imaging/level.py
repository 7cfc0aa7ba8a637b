"""`level`: short mean, long mean and local spread of every channel in red, green and blue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.signals.imaging import register_imaging
from headstart.signals.pictures import bands, grey_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHORT_S: Final = 5.0
LONG_S: Final = 31.0
_LEAST: Final = 0.05
"""Spread below which nothing is told apart, in units of the usual one."""
_OCTAVE: Final = 4.0
"""Standardised steps by which a spread ten times the usual one is shown."""


_AT_ONCE: Final = 128
"""Windows whose sums fit into the processor's cache."""


@register_imaging(
    "level", "a band of rows a channel: 5 s mean, 31 s mean, log of the local spread", rows_are_channels=True
)
def level(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Pictures with a band a channel: red the 5 s mean, green the 31 s mean, blue the log of the spread in 5 s."""
    pieces = [windows[first : first + _AT_ONCE] for first in range(0, len(windows), _AT_ONCE)]
    return bands(np.concatenate([_levels(piece, period_s) for piece in pieces]))


def _levels(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    rows = windows.transpose(0, 2, 1).astype(np.float64)
    red, green = _running_mean(rows, SHORT_S / period_s), _running_mean(rows, LONG_S / period_s)
    squares = _running_mean(np.square(rows - red), SHORT_S / period_s)
    blue = _OCTAVE * np.log10(np.sqrt(np.maximum(squares, 0)) + _LEAST)
    return np.stack([grey_levels(colour) for colour in (red, green, blue)], axis=3)


def _running_mean(rows: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Mean over the samples around each one that lie inside the window, along the last axis."""
    n_samples, half = rows.shape[-1], max(0, round((width - 1) / 2))
    sums = np.zeros((*rows.shape[:-1], n_samples + 1))
    np.cumsum(rows, axis=-1, out=sums[..., 1:])
    place = np.arange(n_samples)
    first, stop = np.maximum(place - half, 0), np.minimum(place + half + 1, n_samples)
    return np.asarray((np.take(sums, stop, axis=-1) - np.take(sums, first, axis=-1)) / (stop - first))
