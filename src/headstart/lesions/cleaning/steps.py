"""Single steps of the clean-up: hair, rulers, dark corners painted over; colour of the light; crop of the lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.lesions.masks.find import FoundLesion, at_work_size, field_radius, find_lesion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]

MARGIN: Final = 0.15
"""Skin kept on every side of the lesion, over its longer side."""
_HAIR_LENGTH: Final = 9
_HAIR_CONTRAST: Final = 20
_HAIR_AREA: Final = 20
_RULER_RADIUS: Final = 7
_RULER_CONTRAST: Final = 28
_RULER_DISTANCE: Final = 12
_CORNER_DARK: Final = 0.5
_CORNER_RADIUS: Final = 0.75
_SHADES: Final = 6
_PAINT_WIDTH: Final = 4.0


def without_hair(pixels: Pixels) -> Pixels:
    """The picture with thin dark hair painted over by what lies around it.

    Thin dark structures stand out where a closing along lines fills them (T. Lee et al., "DullRazor", Computers in
    Biology and Medicine 27, 1997, DOI 10.1016/S0010-4825(97)00020-6).
    """
    from scipy import ndimage

    small = at_work_size(pixels)
    grey = small.mean(axis=2)
    closed = np.max([ndimage.grey_closing(grey, footprint=line) for line in _lines(_HAIR_LENGTH)], axis=0)
    thin = closed - grey > _HAIR_CONTRAST
    labels, n_objects = ndimage.label(thin, np.ones((3, 3)))
    large = np.bincount(labels.ravel(), minlength=n_objects + 1) >= _HAIR_AREA
    large[0] = False
    return _painted(pixels, ndimage.binary_dilation(large[labels], iterations=1))


def without_rulers(pixels: Pixels) -> Pixels:
    """The picture with dark marks away from the lesion painted over: ticks and digits of a ruler, ink, bubbles."""
    from scipy import ndimage

    small = at_work_size(pixels)
    lesion = find_lesion(small)
    if not lesion.is_found:
        return pixels
    grey = small.mean(axis=2)
    side = 2 * _RULER_RADIUS + 1
    marks = ndimage.grey_closing(grey, size=(side, side)) - grey > _RULER_CONTRAST
    away = ndimage.distance_transform_edt(~lesion.mask) > _RULER_DISTANCE
    return _painted(pixels, ndimage.binary_dilation(marks & away, iterations=2) & away)


def without_corners(pixels: Pixels) -> Pixels:
    """The picture with the dark corners of the dermoscope painted in the colour of the skin beside them."""
    from scipy import ndimage

    small = at_work_size(pixels)
    grey = small.mean(axis=2)
    radius = field_radius(*grey.shape)
    middle = np.median(grey[radius < _CORNER_RADIUS])
    labels, _ = ndimage.label((grey < _CORNER_DARK * middle) & (radius > _CORNER_RADIUS))
    at_edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    corners = np.isin(labels, at_edge[at_edge > 0])
    return _painted(pixels, ndimage.binary_dilation(corners, iterations=3)) if corners.any() else pixels


def in_grey_light(pixels: Pixels) -> Pixels:
    """The picture as under light without a colour, by shades of grey; its brightness stays.

    The mean of order 6 of each channel is taken for the colour of the light (G. Finlayson, E. Trezzi, "Shades of gray
    and colour constancy", Color Imaging Conference 2004).
    """
    values = at_work_size(pixels).reshape(-1, 3).astype(np.float64)
    light = np.maximum((values**_SHADES).mean(axis=0) ** (1 / _SHADES), 1.0)
    return np.asarray(np.clip(pixels * (light.mean() / light) + 0.5, 0, 255), dtype=np.uint8)


def crop_box(lesion: FoundLesion, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a square around the lesion with some skin, as far as the picture reaches.

    The whole picture where no lesion was found.
    """
    if not lesion.is_found:
        return 0, 0, width, height
    rows, columns = np.flatnonzero(lesion.mask.any(axis=1)), np.flatnonzero(lesion.mask.any(axis=0))
    scale = height / lesion.mask.shape[0], width / lesion.mask.shape[1]
    top, bottom = rows[0] * scale[0], (rows[-1] + 1) * scale[0]
    left, right = columns[0] * scale[1], (columns[-1] + 1) * scale[1]
    side = (1 + 2 * MARGIN) * max(bottom - top, right - left)
    top, bottom = _span((top + bottom) / 2, side, height)
    left, right = _span((left + right) / 2, side, width)
    return left, top, right, bottom


def _span(middle: float, side: float, limit: int) -> tuple[int, int]:
    """Beginning and end of a stretch, moved so that it lies inside; the whole where it is longer."""
    length = min(round(side), limit)
    start = min(max(round(middle - length / 2), 0), limit - length)
    return start, start + length


def _painted(pixels: Pixels, small_mask: Mask) -> Pixels:
    """Pixels under a mask (at work size) replaced by the mean of those around, weighed by their nearness."""
    from scipy import ndimage

    height, width = pixels.shape[:2]
    mask = FoundLesion(small_mask, is_found=True).at(height, width)
    if not mask.any() or mask.all():
        return pixels
    nearest = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    filled = pixels[tuple(nearest)].astype(np.float64)
    width_of_blur = _PAINT_WIDTH * max(height, width) / max(small_mask.shape)
    smooth = np.stack([ndimage.gaussian_filter(filled[..., c], width_of_blur / 2) for c in range(3)], axis=2)
    return np.where(mask[..., None], np.round(smooth), pixels).astype(np.uint8)


def _lines(length: int) -> list[Mask]:
    """Lines through the middle in four directions."""
    flat = np.zeros((length, length), dtype=np.bool_)
    flat[length // 2] = True
    slanted = np.eye(length, dtype=np.bool_)
    return [flat, flat.T, slanted, slanted[::-1]]
