"""Haralick's measures of grey levels that stand side by side."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

N_LEVELS: Final = 16
DISTANCES: Final = (1, 3)
HARALICK: Final = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
_N_DIRECTIONS: Final = 4


def co_occurrence(grey: NDArray[np.uint8]) -> Floats:
    """Haralick's measures of pictures at each distance: mean and range over four directions.

    They are those of ``graycomatrix`` (symmetric) and ``graycoprops`` of scikit-image, for all offsets at once.

    Parameters
    ----------
    grey : ndarray of shape (n, height, width), uint8

    Returns
    -------
    ndarray of shape (n, 24), float64
        By measure, distance, and mean or range.
    """
    levels = np.asarray(grey >> 4, dtype=np.uint8)  # 16 levels
    shares = np.stack([_pairs(levels, *offset) for offset in _offsets()], axis=1)  # (n, offsets, 256)
    found = _measures(shares).reshape(len(grey), len(HARALICK), len(DISTANCES), _N_DIRECTIONS)
    return np.stack([found.mean(axis=3), np.ptp(found, axis=3)], axis=3).reshape(len(grey), -1)


@functools.cache
def _offsets() -> tuple[tuple[int, int], ...]:
    """Rows down and columns to the right of a pixel's neighbours, by distance and direction, as scikit-image rounds."""
    angles = [math.pi / _N_DIRECTIONS * place for place in range(_N_DIRECTIONS)]
    return tuple(
        (round(math.sin(angle) * distance), round(math.cos(angle) * distance))
        for distance in DISTANCES
        for angle in angles
    )


def _pairs(levels: NDArray[np.uint8], down: int, right: int) -> Floats:
    """Share of every pair of levels that stand so far apart, either first; (n, 256)."""
    n, height, width = levels.shape
    near = levels[:, : height - down, max(-right, 0) : width - max(right, 0)]
    far = levels[:, down:, max(right, 0) : width + min(right, 0)]
    codes = (near << 4 | far).reshape(n, -1)
    counts = np.stack([np.bincount(row, minlength=N_LEVELS**2) for row in codes]).reshape(n, N_LEVELS, N_LEVELS)
    return np.asarray((counts + counts.transpose(0, 2, 1)).reshape(n, -1) / (2 * codes.shape[1]))


@functools.cache
def _weights() -> Floats:
    """What contrast, dissimilarity and homogeneity weigh every pair of levels with, (3, 256)."""
    apart = np.abs(np.subtract.outer(np.arange(N_LEVELS), np.arange(N_LEVELS))).ravel().astype(np.float64)
    return np.stack([apart**2, apart, 1 / (1 + apart**2)])


def _measures(shares: Floats) -> Floats:
    """The measures of shares (n, offsets, 256) of pairs, in their order, (n, 6, offsets)."""
    contrast, dissimilarity, homogeneity = ((shares * weights).sum(axis=2) for weights in _weights())
    energy = np.sqrt((shares**2).sum(axis=2))
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=2)
    levels = np.arange(N_LEVELS)
    by_level = shares.reshape(*shares.shape[:2], N_LEVELS, N_LEVELS).sum(axis=3)  # the same of either pixel
    mean = (by_level * levels).sum(axis=2)
    variance = (by_level * (levels - mean[..., None]) ** 2).sum(axis=2)
    is_flat = np.sqrt(variance) < 1e-15  # scikit-image calls pixels of one level fully correlated
    # Pixels of equal variance differ by twice of it less twice the covariance, squared and on average.
    correlation = np.where(is_flat, 1.0, 1.0 - contrast / (2 * np.where(is_flat, 1.0, variance)))
    return np.stack([contrast, dissimilarity, homogeneity, energy, correlation, entropy], axis=1)
