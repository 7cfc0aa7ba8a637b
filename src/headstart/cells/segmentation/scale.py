"""Radius of a cell and threshold of brightness, estimated once for a whole picture in two passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.cells.segmentation.foreground import MIN_CONTRAST, contrast, otsu_threshold
from headstart.cells.segmentation.label_image import label_areas
from headstart.cells.segmentation.methods import Plane, SegmentationMethod

MAX_WHOLE: Final = 3_000_000
"""Pixels of the largest picture that is looked at whole; of a larger one, windows spread over it."""
WINDOW: Final = 512
N_WINDOWS: Final = 3  # down and across
MIN_RADIUS: Final = 1.5


@dataclass(frozen=True)
class Scale:
    """Lengths and brightness by which a picture is segmented.

    Attributes
    ----------
    radius : float
        Radius of a cell in pixels: half of the foreground lies in smaller cells.
    first_radius : float
        The first estimate, from the distances to the background alone; equal to `radius` where that was given.
    threshold : float
        Otsu's threshold of the method's brightness.
    contrast : float
        Distance of foreground and background, in standard deviations of the background.
    """

    radius: float
    first_radius: float
    threshold: float
    contrast: float


def estimate_scale(plane: Plane, method: SegmentationMethod, *, radius: float | None = None) -> Scale | None:
    """Scale of a picture; None where nothing stands out.

    Parameters
    ----------
    plane : ndarray of shape (height, width), float32
    method : SegmentationMethod
    radius : float, optional
        Radius of a cell in pixels, where it is known.
    """
    windows = spread_windows(plane)
    scale = _estimated(windows, method, radius)
    if len(windows) > 1 and (scale is None or scale.contrast < MIN_CONTRAST):
        return _estimated([plane], method, radius)  # few cells, none of them in a window
    return scale


def _estimated(windows: Sequence[Plane], method: SegmentationMethod, radius: float | None) -> Scale | None:
    first = distance_radius(windows) if radius is None else radius
    if first is None:
        return None
    shown = [method.brightness(window, first) for window in windows]
    scale = _scale_at(shown, first, first)
    if radius is not None:
        return scale
    cells = [method.cells(bright, first, scale.threshold) for bright in shown]
    second = area_radius(np.concatenate([label_areas(labels)[1:] for labels in cells]))
    if second is None:
        return scale
    return _scale_at([method.brightness(window, second) for window in windows], second, first)


def _scale_at(shown: Sequence[Plane], radius: float, first: float) -> Scale:
    values = np.concatenate([bright.ravel() for bright in shown])
    threshold = otsu_threshold(values)
    return Scale(radius, first, threshold, contrast(values, threshold))


def spread_windows(plane: Plane) -> list[Plane]:
    """The picture itself, or windows spread evenly over a large one."""
    if plane.size <= MAX_WHOLE:
        return [plane]
    height, width = plane.shape
    tops = _spread(height)
    lefts = _spread(width)
    return [plane[top : top + WINDOW, left : left + WINDOW] for top in tops for left in lefts]


def _spread(length: int) -> list[int]:
    if length <= WINDOW:
        return [0]
    gap = (length - WINDOW) / N_WINDOWS
    return sorted({round(gap * (place + 0.5)) for place in range(N_WINDOWS)})


def distance_radius(windows: Sequence[Plane]) -> float | None:
    """First estimate: the middle, by area, of the greatest distances to the background; None without any."""
    smooth = [ndimage.gaussian_filter(window, 1.0) for window in windows]
    threshold = otsu_threshold(np.concatenate([window.ravel() for window in smooth]))
    peaks = np.concatenate([_distance_peaks(window > threshold) for window in smooth])
    return _middle(peaks[peaks >= MIN_RADIUS], 2)


def _distance_peaks(mask: NDArray[np.bool_]) -> NDArray[Any]:
    solid = ndimage.binary_fill_holes(ndimage.binary_opening(mask))
    distance = ndimage.distance_transform_edt(np.pad(solid, 1))[1:-1, 1:-1]
    top = (distance == ndimage.maximum_filter(distance, 5)) & (distance >= MIN_RADIUS)
    plateaus, n_plateaus = ndimage.label(top, np.ones((3, 3), dtype=np.bool_))
    if not n_plateaus:
        return np.zeros(0)
    return np.asarray(ndimage.maximum(distance, plateaus, np.arange(1, n_plateaus + 1)))


def area_radius(areas: NDArray[Any]) -> float | None:
    """Radius of a disk as large as the middle cell, half of all foreground lying in smaller ones; None without cells.

    >>> area_radius(np.array([0, 314, 314, 2])).__round__(1)
    10.0
    """
    middle = _middle(areas[areas > 0].astype(np.float64), 1)
    return None if middle is None else max(MIN_RADIUS, float(np.sqrt(middle / np.pi)))


def _middle(values: NDArray[Any], power: int) -> float | None:
    """Value up to which half of the sum of the values' powers lies."""
    if not len(values):
        return None
    ranked = np.sort(values)
    summed = np.cumsum(ranked**power)
    return float(ranked[np.searchsorted(summed, summed[-1] / 2)])
