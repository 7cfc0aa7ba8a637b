"""`lines`: every channel drawn as a line in a strip of its own, as on a chart recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.signals.imaging import register_imaging
from headstart.signals.pictures import as_colours, grey_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIP: Final = 24
"""Rows of pixels of one channel."""


@register_imaging("lines", "a strip a channel with its values drawn as a line", rows_are_channels=True)
def lines(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Pictures of white lines on black: in every column the pixels from one value to the next are lit."""
    n, length, n_channels = windows.shape
    heights = (255 - grey_levels(windows.transpose(0, 2, 1)).astype(np.int64)) * (STRIP - 1) // 255
    before = np.concatenate([heights[..., :1], heights[..., :-1]], axis=2)
    top, bottom = np.minimum(heights, before), np.maximum(heights, before)
    row = np.arange(STRIP)[:, None]
    lit = (row >= top[:, :, None, :]) & (row <= bottom[:, :, None, :])  # (n, channels, strip, length)
    return as_colours(lit.reshape(n, n_channels * STRIP, length).astype(np.uint8) * np.uint8(255))
