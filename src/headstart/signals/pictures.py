"""From numbers to the bytes of pictures: how far a value is from what is usual, bands of rows, tiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

FULL: Final = 30.0
"""Standardised value shown as black or white; between, the scale is linear near 0 and logarithmic far from it."""
BAND: Final = 8
"""Most rows of pixels of one channel, where a channel is a band of rows."""
TILE: Final = 48
"""Most pixels on a side of the tile of one channel."""


def grey_levels(z: NDArray[np.floating]) -> Bytes:
    """Grey levels of standardised values: 128 for 0, by the inverse hyperbolic sine to `FULL`.

    >>> grey_levels(np.array([-1e9, 0.0, 1.0, 30.0])).tolist()
    [0, 128, 155, 255]
    """
    scale = np.float32(127.5 / math.asinh(FULL))
    levels = np.arcsinh(z.astype(np.float32, copy=False)) * scale + np.float32(128)
    return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)


def shares_to_levels(shares: NDArray[np.floating]) -> Bytes:
    """Grey levels of values from 0 to 1."""
    return np.asarray(np.clip(shares * 255 + 0.5, 0, 255), dtype=np.uint8)


def bands(rows: Bytes) -> Bytes:
    """Rows (n, channels, width, colours) as bands of pixels, so that the picture is about as high as it is wide."""
    repeats = min(BAND, max(1, round(rows.shape[2] / rows.shape[1])))
    return np.repeat(rows, repeats, axis=1)


def as_colours(grey: Bytes) -> Bytes:
    """Grey pictures (n, height, width) in red, green and blue."""
    return np.repeat(grey[..., None], 3, axis=3)


def mosaic(tiles: Bytes) -> Bytes:
    """Pictures (n, height, width, colours) of tiles (n, channels, height, width, colours), laid row by row."""
    n, n_tiles, height, width, n_colours = tiles.shape
    across = math.ceil(math.sqrt(n_tiles))
    down = math.ceil(n_tiles / across)
    padded = np.zeros((n, down * across, height, width, n_colours), dtype=np.uint8)
    padded[:, :n_tiles] = tiles
    grid = padded.reshape(n, down, across, height, width, n_colours).transpose(0, 1, 3, 2, 4, 5)
    return np.ascontiguousarray(grid).reshape(n, down * height, across * width, n_colours)


def shortened(values: NDArray[np.floating], length: int = TILE) -> NDArray[np.float32]:
    """Values (..., n_samples) as the means of at most so many pieces of about equal length (Keogh et al. 2001, PAA)."""
    n_samples = values.shape[-1]
    if n_samples <= length:
        return values.astype(np.float32)
    edges = np.linspace(0, n_samples, length + 1).round().astype(int)
    sums = np.add.reduceat(values.astype(np.float64), edges[:-1], axis=-1)
    return (sums / np.diff(edges)).astype(np.float32)
