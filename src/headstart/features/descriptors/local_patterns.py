"""Rotation-invariant uniform local binary patterns of a grey picture, all its pixels at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def local_patterns(grey: NDArray[np.uint8], n_points: int, radius: int) -> NDArray[np.integer[Any]]:
    """Code of every pixel as ``skimage.feature.local_binary_pattern(grey, n_points, radius, "uniform")`` gives it.

    It is the number of points on a circle around the pixel that are as bright as it is or brighter, where along the
    circle they change between brighter and darker at most twice, and `n_points` + 1 elsewhere. Beyond its edge the
    picture is black.

    Every step is that of scikit-image and in its order, so that the codes are the same where brightnesses are equal but
    for rounding; columns that several points share are interpolated once, and no step is taken pixel by pixel.

    Parameters
    ----------
    grey : ndarray of shape (height, width), uint8
    n_points : int
        Points on the circle.
    radius : int
        Radius of the circle in pixels.

    Returns
    -------
    ndarray of shape (height, width), of whole numbers
    """
    height, width = grey.shape
    values = grey.astype(np.float64)
    padded = np.pad(values, radius + 1)
    rows, columns = _circle(n_points, radius)
    across = {column: _between(padded, column, width, radius, axis=1) for column in set(columns)}
    n_bright, n_changes = np.zeros((2, height, width), dtype=np.uint8)
    before = None
    for row, column in zip(rows, columns, strict=True):
        is_bright = _between(across[column], row, height, radius, axis=0) >= values
        n_bright += is_bright
        if before is not None:
            n_changes += is_bright != before
        before = is_bright
    return np.where(n_changes <= 2, n_bright, n_points + 1)


@lru_cache
def _circle(n_points: int, radius: int) -> tuple[list[float], list[float]]:
    """Rows and columns of the points, seen from the pixel in the middle; rounded as scikit-image does."""
    angles = 2 * np.pi * np.arange(n_points, dtype=np.float64) / n_points
    return np.round(-radius * np.sin(angles), 5).tolist(), np.round(radius * np.cos(angles), 5).tolist()


def _between(padded: Floats, offset: float, n_places: int, radius: int, *, axis: int) -> Floats:
    """Values at every place of an axis plus an offset, interpolated between the two next to it."""
    at = np.arange(n_places) + offset
    low = int(np.floor(offset))
    first = radius + 1 + low
    near, far = (padded[(slice(None),) * axis + (slice(start, start + n_places),)] for start in (first, first + 1))
    if low == offset:
        return near
    part = at - np.floor(at)  # of every place: its last bit differs from place to place
    part = part if axis else part[:, None]
    found = far * part
    found += near * (1 - part)
    return np.asarray(found)
