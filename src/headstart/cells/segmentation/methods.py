"""Ways to segment: each has a brightness, whose threshold is that of the whole picture, and finds a tile's cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.cells.segmentation.foreground import (
    MIN_SIGMA_PX,
    SMOOTHING,
    flatten,
    foreground,
    opened,
)
from headstart.cells.segmentation.join import join_pieces
from headstart.cells.segmentation.label_image import largest_pieces
from headstart.cells.segmentation.outline import add_remains, drop_small, trim_halos
from headstart.cells.segmentation.watershed import split_touching
from headstart.errors import InputError, unknown_name

Plane = NDArray[np.float32]
Labels = NDArray[np.int32]

PEAK_DISTANCE: Final = 0.8
"""Least distance, in radii, of two peaks of the distance to the background, where peaks are the seeds."""


@dataclass(frozen=True)
class SegmentationMethod:
    """A way to segment.

    Attributes
    ----------
    name, title : str
    brightness : callable
        From a plane and a radius to the values that Otsu's threshold is taken of.
    cells : callable
        From those values, the radius and the threshold to the label image.
    """

    name: str
    title: str
    brightness: Callable[[Plane, float], Plane]
    cells: Callable[[Plane, float, float], Labels]


def _local_cells(flat: Plane, radius: float, threshold: float) -> Labels:
    bright = foreground(flat, radius, threshold)
    solid = opened(bright, radius)
    labels = trim_halos(join_pieces(split_touching(solid, radius), flat), flat)
    return drop_small(add_remains(labels, bright & ~solid, radius), radius)


def _smooth(plane: Plane, radius: float) -> Plane:
    return np.asarray(ndimage.gaussian_filter(plane, max(MIN_SIGMA_PX, SMOOTHING * radius)), dtype=np.float32)


def _otsu_cells(smooth: Plane, radius: float, threshold: float) -> Labels:
    mask = np.asarray(ndimage.binary_fill_holes(smooth > threshold))
    return drop_small(_split_at_peaks(mask, radius), radius)


def _above_mean(plane: Plane, radius: float) -> Plane:
    smooth = _smooth(plane, radius)
    return np.asarray(smooth - ndimage.uniform_filter(smooth, 2 * round(3 * radius) + 1, mode="nearest"))


def _adaptive_cells(above: Plane, radius: float, threshold: float) -> Labels:
    mask = opened(np.asarray(ndimage.binary_fill_holes(above > threshold / 2)), radius)
    return drop_small(largest_pieces(split_touching(mask, radius)), radius)


def _split_at_peaks(mask: NDArray[np.bool_], radius: float) -> Labels:
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    distance: NDArray[Any] = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    least = max(1, round(PEAK_DISTANCE * radius))
    peaks = peak_local_max(distance, min_distance=least, labels=mask.astype(np.int32), exclude_border=False)
    seeds = np.zeros(mask.shape, dtype=np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-distance, seeds, mask=mask), dtype=np.int32)


METHODS: Final = {
    method.name: method
    for method in (
        SegmentationMethod("local", "local background, watershed, pieces joined, halos trimmed", flatten, _local_cells),
        SegmentationMethod("otsu", "Otsu's threshold, peaks of the distance transform", _smooth, _otsu_cells),
        SegmentationMethod("adaptive", "threshold above the mean around, watershed", _above_mean, _adaptive_cells),
    )
}


def find_method(name: str) -> SegmentationMethod:
    """Method of that name.

    Raises
    ------
    InputError
        For an unknown one.
    """
    if name not in METHODS:
        raise InputError(unknown_name("segmentation method", name, METHODS))
    return METHODS[name]
