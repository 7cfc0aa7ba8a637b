"""Rotation-invariant uniform local binary patterns of grey pictures, all their pixels at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Singles = NDArray[np.float32]

_ALIKE: Final = np.float32(0.01)
"""Difference of brightness, of 256 levels, that is none: far more than rounding, far less than a level."""


def local_patterns(grey: NDArray[np.uint8], n_points: int, radius: int) -> NDArray[np.uint8]:
    """Code of every pixel, as ``skimage.feature.local_binary_pattern(grey, n_points, radius, "uniform")`` defines it.

    It is the number of points on a circle around the pixel that are as bright as it is or brighter, where along the
    circle they change between brighter and darker at most twice, and `n_points` + 1 elsewhere. Beyond its edge the
    picture is black.

    Points between pixels are interpolated in float32, and one that is as bright to a hundredth of a level is as bright:
    of points as bright as their pixel scikit-image calls some darker, as its own rounding falls.

    Parameters
    ----------
    grey : ndarray of shape (n, height, width), uint8
    n_points : int
        Points on the circle, 254 at most.
    radius : int
        Radius of the circle in pixels.

    Returns
    -------
    ndarray of shape (n, height, width), uint8
    """
    height, width = grey.shape[1:]
    beyond = radius + 1
    padded = np.pad(grey, ((0, 0), (beyond, beyond), (beyond, beyond))).astype(np.float32)
    least = grey.astype(np.float32) - _ALIKE
    rows, columns = _circle(n_points, radius)
    across = {column: _between(padded, column, width, radius, axis=2) for column in set(columns)}
    n_bright, n_changes = np.zeros((2, *grey.shape), dtype=np.uint8)
    before = None
    for row, column in zip(rows, columns, strict=True):
        is_bright = (_between(across[column], row, height, radius, axis=1) >= least).view(np.uint8)
        n_bright += is_bright
        if before is not None:
            n_changes += is_bright ^ before
        before = is_bright
    return np.where(n_changes <= 2, n_bright, np.uint8(n_points + 1))


@lru_cache
def _circle(n_points: int, radius: int) -> tuple[list[float], list[float]]:
    """Rows and columns of the points, seen from the pixel in the middle; rounded as scikit-image does."""
    angles = 2 * np.pi * np.arange(n_points, dtype=np.float64) / n_points
    return np.round(-radius * np.sin(angles), 5).tolist(), np.round(radius * np.cos(angles), 5).tolist()


def _between(padded: Singles, offset: float, n_places: int, radius: int, *, axis: int) -> Singles:
    """Values at every place of an axis plus an offset, interpolated between the two next to it."""
    low = int(np.floor(offset))
    first = radius + 1 + low
    near, far = (padded[(slice(None),) * axis + (slice(start, start + n_places),)] for start in (first, first + 1))
    if low == offset:
        return near
    found = far - near
    found *= np.float32(offset - low)
    found += near
    return found
