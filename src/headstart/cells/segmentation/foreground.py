"""What is cell and what is background, with all lengths in radii of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]
    Mask = NDArray[np.bool_]

SMOOTHING: Final = 0.08  # sigma before anything else
MIN_SIGMA_PX: Final = 0.5
BACKGROUND_WINDOW: Final = 6.0  # side of the window of the local minimum
MEAN_SIGMA: Final = 1.0
OTSU_SHARE: Final = 0.6
MEAN_SHARE: Final = 0.9
OPENING: Final = 0.25
N_BINS: Final = 512
MIN_CONTRAST: Final = 3.0
"""Least distance of foreground and background in deviations of the background: noise alone, cut in two, has 2.65."""


def flatten(plane: Plane, radius: float) -> Plane:
    """Smoothed picture less its background, which is a smoothed local minimum.

    Parameters
    ----------
    plane : ndarray of shape (height, width), float32
    radius : float
        Radius of a cell in pixels.
    """
    smooth = ndimage.gaussian_filter(plane, max(MIN_SIGMA_PX, SMOOTHING * radius))
    window = 2 * round(BACKGROUND_WINDOW / 2 * radius) + 1
    lowest = ndimage.minimum_filter(smooth, window, mode="nearest")
    background = ndimage.uniform_filter(lowest, window, mode="nearest")
    return np.asarray(smooth - background, dtype=np.float32)


def otsu_threshold(values: NDArray[Any]) -> float:
    """Otsu's threshold; the value itself where all are equal."""
    from skimage.filters import threshold_otsu

    if float(values.min()) == float(values.max()):
        return float(values.flat[0])
    return float(threshold_otsu(values, nbins=N_BINS))


def contrast(values: NDArray[Any], threshold: float) -> float:
    """Distance between the means above and below a threshold, in standard deviations of what is below.

    >>> round(contrast(np.array([0.0, 2.0, 0.0, 2.0, 11.0]), 5.0), 3)
    10.0
    """
    above = values > threshold
    if above.all() or not above.any():
        return 0.0
    below = values[~above].astype(np.float64)
    spread = float(below.std())
    distance = float(values[above].mean(dtype=np.float64) - below.mean())
    return distance / spread if spread > 0 else np.inf


def foreground(flat: Plane, radius: float, threshold: float) -> Mask:
    """Pixels above a share of the threshold and above a share of the mean around them, holes filled.

    Parameters
    ----------
    flat : ndarray of shape (height, width), float32
        From `flatten`.
    threshold : float
        Otsu's, of the whole picture.
    """
    around = ndimage.gaussian_filter(flat, MEAN_SIGMA * radius)
    bright = (flat > OTSU_SHARE * threshold) & (flat > MEAN_SHARE * around)
    return np.asarray(ndimage.binary_fill_holes(bright))


def opened(mask: Mask, radius: float) -> Mask:
    """Opening with a disk of `OPENING` radii; what lies beyond the border counts as foreground."""
    reach = OPENING * radius
    if reach < 1:
        return mask
    return _grown(~_grown(~mask, reach), reach)


def _grown(mask: Mask, reach: float) -> Mask:
    """Pixels within a distance of the mask: a disk laid at each, its rows from the narrowest to the widest."""
    far = int(reach)
    across = np.arange(far + 1)
    widths = [int(np.flatnonzero(np.sqrt(across**2 + down**2) <= reach)[-1]) for down in range(far + 1)]
    wide, width, grown = mask.copy(), 0, np.zeros_like(mask)
    for down in range(far, -1, -1):
        for _ in range(widths[down] - width):
            wide = _grown_aside(wide)
        width = widths[down]
        grown[down:] |= wide[: len(wide) - down]
        grown[: len(wide) - down] |= wide[down:]
    return grown


def _grown_aside(mask: Mask) -> Mask:
    grown = mask.copy()
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown
