"""Masks of lesions by a threshold: hair smoothed away, blue channel, Otsu's threshold, the largest central object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]

VERSION: Final = 1
"""Changes whenever a mask changes; part of cache keys."""
WORK_SIDE: Final = 320
"""Pixels of the longer side that lesions are looked for at; lengths below are in such pixels."""
FIELD_RADIUS: Final = 1.05
"""Radius of the field that is looked at, over half the longer side: corners beyond are often dark."""
MIN_SHARE: Final = 0.005
"""A smaller object is a spot, not the lesion that was photographed."""
MIN_CONTRAST: Final = 0.04
"""Least difference of the blue channel, from 0 to 1, between skin and lesion."""
_BLACK: Final = 8
_HAIR_RADIUS: Final = 3
_BLUR: Final = 1.5
_NECK: Final = 8
_SMOOTHING: Final = 4
_CENTRALITY: Final = 0.55
_SMALL, _LARGE = 0.15, 0.4
_GROWTH: Final = 0.03
_CLOSING: Final = 0.12
_RIM: Final = 0.08
_RIM_TOUCHED: Final = 0.25


@dataclass(frozen=True, eq=False)
class FoundLesion:
    """The lesion of an image.

    Attributes
    ----------
    mask : ndarray of shape (height, width), bool
        All true where none was found: the whole image stands for the lesion then.
    is_found : bool
    """

    mask: Mask
    is_found: bool

    @property
    def share(self) -> float:
        """Share of the image that the lesion takes."""
        return float(self.mask.mean())

    def at(self, height: int, width: int) -> Mask:
        """The mask at another size."""
        if self.mask.shape == (height, width):
            return self.mask
        picture = Image.fromarray((self.mask * 255).astype(np.uint8))
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)) >= 128


def find_lesion(pixels: NDArray[np.uint8]) -> FoundLesion:
    """The lesion of a dermoscopic image, at `WORK_SIDE` pixels on the longer side at most.

    Skin reflects blue light and melanin takes it up, so blue is the channel that parts them best. Large lesions are
    grown a little and their notches closed, as dermatologists draw them; what reaches the rim of the field is carried
    on into the dark corners.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8

    Returns
    -------
    FoundLesion

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
    Cybernetics 9, 1979, 62-66. DOI 10.1109/TSMC.1979.4310076
    """
    small = at_work_size(pixels)
    height, width = small.shape[:2]
    inside = bright_box(small)
    whole = np.ones((height, width), dtype=np.bool_)
    if inside is None:
        return FoundLesion(whole, is_found=False)
    rows, columns = inside
    found = _lesion_in(small[rows, columns])
    if found is None:
        return FoundLesion(whole, is_found=False)
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[rows, columns] = found
    return FoundLesion(mask, is_found=True)


def at_work_size(pixels: NDArray[np.uint8], side: int = WORK_SIDE) -> NDArray[np.uint8]:
    """The picture shrunk to at most `side` pixels on its longer side, proportions kept."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def bright_box(pixels: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Rows and columns without black bars around the picture; None where hardly anything is left."""
    bright = pixels.max(axis=2) > _BLACK
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if len(rows) < 2 * _NECK or len(columns) < 2 * _NECK:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def field_radius(height: int, width: int) -> Floats:
    """Distance of every pixel from the middle, over half the longer side."""
    down, across = np.ogrid[:height, :width]
    distance = np.hypot(down - (height - 1) / 2, across - (width - 1) / 2)
    return np.asarray(distance / (max(height, width) / 2))


def _lesion_in(pixels: NDArray[np.uint8]) -> Mask | None:
    """Mask of the lesion; None where no object is large and dark enough."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    blue = ndimage.grey_closing(pixels[..., 2], footprint=_disk(_HAIR_RADIUS))
    darkness = 1 - ndimage.gaussian_filter(blue.astype(np.float64) / 255, _BLUR)
    radius = field_radius(*darkness.shape)
    field = radius < FIELD_RADIUS
    if np.ptp(darkness[field]) < MIN_CONTRAST:
        return None
    dark = ndimage.binary_fill_holes((darkness > threshold_otsu(darkness[field])) & field)
    mask = _central_object(dark, radius)
    if mask.mean() < MIN_SHARE or mask[field].all():
        return None
    if darkness[mask].mean() - darkness[field & ~mask].mean() < MIN_CONTRAST:
        return None
    return _carried_on(_as_drawn(mask, field), radius, field)


def _central_object(dark: Mask, radius: Floats) -> Mask:
    """The object that weighs most around the middle, what hangs on it by a thin neck cut off, its outline smoothed."""
    from scipy import ndimage

    core = _opened(dark, _NECK)
    object_ = _heaviest(core if core.any() else dark, radius)
    near = dark & (ndimage.distance_transform_edt(~object_) <= _NECK) if core.any() else object_
    return np.asarray(ndimage.binary_fill_holes(_closed(_opened(_largest(near), _SMOOTHING), _SMOOTHING)))


def _as_drawn(mask: Mask, field: Mask) -> Mask:
    """A large lesion with its notches closed and grown a little; a small one as it is."""
    from scipy import ndimage

    large = float(np.clip((mask[field].mean() - _SMALL) / (_LARGE - _SMALL), 0, 1))
    if large == 0:
        return mask
    side = float(np.sqrt(mask.sum()))
    closed = ndimage.binary_fill_holes(_closed(mask, round(_CLOSING * large * side) + 1))
    return np.asarray(ndimage.distance_transform_edt(~closed) <= _GROWTH * large * side)


def _carried_on(mask: Mask, radius: Floats, field: Mask) -> Mask:
    """The mask beyond the field, where it touches much of the rim: as it is at the nearest place inside."""
    from scipy import ndimage

    rim = field & (radius > FIELD_RADIUS - _RIM)
    if not rim.any() or mask[rim].mean() <= _RIM_TOUCHED:
        return mask & field
    nearest = ndimage.distance_transform_edt(~field, return_distances=False, return_indices=True)
    return np.asarray(mask[tuple(nearest)])


def _heaviest(objects: Mask, radius: Floats) -> Mask:
    from scipy import ndimage

    labels, n_objects = ndimage.label(objects)
    if n_objects == 0:
        return objects
    weight = np.exp(-((radius / _CENTRALITY) ** 2))
    sums = ndimage.sum_labels(weight, labels, np.arange(1, n_objects + 1))
    return np.asarray(ndimage.binary_fill_holes(labels == np.argmax(sums) + 1))


def _largest(objects: Mask) -> Mask:
    from scipy import ndimage

    labels, n_objects = ndimage.label(objects)
    return np.asarray(labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1) if n_objects else objects


def _opened(mask: Mask, radius: int) -> Mask:
    return ~_closed(~mask, radius)


def _closed(mask: Mask, radius: int) -> Mask:
    """Closing by a disk through distances, the picture carried on beyond its edges."""
    from scipy import ndimage

    margin = radius + 1
    wide = np.pad(mask, margin, mode="edge")
    grown = ndimage.distance_transform_edt(~wide) <= radius if wide.any() else wide
    closed = ndimage.distance_transform_edt(grown) > radius if not grown.all() else grown
    return np.asarray(closed[margin:-margin, margin:-margin])


def _disk(radius: int) -> Mask:
    across = np.arange(-radius, radius + 1)
    return np.asarray(across[:, None] ** 2 + across**2 <= radius**2)
