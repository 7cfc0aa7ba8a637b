"""Upright pictures: the turns of EXIF orientations, of pixels and of boxes within them."""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]  # left, top, right, bottom

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_SIDE: Final = (5, 6, 7, 8)  # orientations whose stored width is the upright height


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """Upright picture from one stored under an EXIF orientation."""
    turn = _TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def turned_samples(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Upright samples (height, width, channels) from ones stored under an EXIF orientation.

    >>> import numpy as np
    >>> turned_samples(np.array([[[1], [2], [3]]]), 6).shape
    (3, 1, 1)
    """
    on_side = samples.transpose(1, 0, 2) if orientation in ON_SIDE else samples
    from_below = orientation in (3, 4, 7, 8)
    from_right = orientation in (2, 3, 6, 7)
    return on_side[:: -1 if from_below else 1, :: -1 if from_right else 1]


def turned_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Position of `box`, a part of an image of `size`, once the image is turned."""
    left, top, right, bottom = box
    if orientation in (2, 3, 7, 8):
        left, right = size[0] - right, size[0] - left
    if orientation in (3, 4, 6, 7):
        top, bottom = size[1] - bottom, size[1] - top
    return (top, left, bottom, right) if orientation in ON_SIDE else (left, top, right, bottom)
