"""Foreground split into cells: a watershed from the h-maxima of the distance to the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

DEPTH: Final = 0.06
"""Depth, in radii, by which a maximum of the distance must stand above the pass to a higher one."""

_EIGHT: Final = np.ones((3, 3), dtype=np.bool_)


def split_touching(mask: NDArray[np.bool_], radius: float) -> Labels:
    """Label image of the cells of a mask.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
    radius : float
        Radius of a cell in pixels.
    """
    from skimage.segmentation import watershed

    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1].astype(np.float32)
    seeds = distance_maxima(distance, DEPTH * radius)
    return np.asarray(watershed(-distance, seeds, mask=mask), dtype=np.int32)


def distance_maxima(distance: NDArray[np.float32], depth: float) -> Labels:
    """Seeds: the h-maxima of a distance transform, numbered, in steps of `depth`.

    Of whole numbers the h-maxima of one step are the regional maxima, which need no reconstruction.
    """
    from skimage.morphology import local_maxima

    steps = np.floor(distance / max(depth, 1e-3)).astype(np.int32)
    seeds, _ = ndimage.label(local_maxima(steps, connectivity=2) & (distance > 0), _EIGHT)
    return np.asarray(seeds, dtype=np.int32)
