"""Pictures worked on strip by strip: whole copies of a large one would not fit beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.data.images.orientation import ON_SIDE, turned, turned_box

STRIP_PIXELS: Final = 1 << 18
_LARGE_PIXELS: Final = 1 << 26
_TILE: Final = 1 << 10

Strip = tuple[slice, tuple[int, int, int, int]]


def row_strips(size: tuple[int, int], *, n_pixels: int | None = None, multiple: int = 1) -> Iterator[Strip]:
    """Rows of a picture of a size (width, height) in pieces, as slices and as boxes.

    Parameters
    ----------
    size : (int, int)
    n_pixels : int, optional
        Pixels of a piece, where a row has no more. Default: `STRIP_PIXELS`.
    multiple : int
        Number of rows that each piece but the last is a multiple of.

    Examples
    --------
    >>> [box for _, box in row_strips((10, 5), n_pixels=20)]
    [(0, 0, 10, 2), (0, 2, 10, 4), (0, 4, 10, 5)]
    """
    width, height = size
    n_rows = max(1, (n_pixels or STRIP_PIXELS) // max(1, width * multiple)) * multiple
    for top in range(0, height, n_rows):
        bottom = min(height, top + n_rows)
        yield slice(top, bottom), (0, top, width, bottom)


def turning_bytes(n_pixels: int, n_picture: int) -> int:
    """Memory that `upright` takes beside a picture of so many pixels and bytes."""
    return n_picture if n_pixels < _LARGE_PIXELS else n_pixels * (3 if n_picture > n_pixels else 1)


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Upright picture from one stored under an EXIF orientation, which is used up where it is large."""
    if orientation not in range(2, 9) or picture.width * picture.height < _LARGE_PIXELS:
        return turned(picture, orientation)
    samples = _turned_samples(picture, orientation)
    mode, size = picture.mode, (samples.shape[1], samples.shape[0])
    picture.close()  # Pillow takes four bytes for a pixel of three, so two pictures are more than one and an array
    made = Image.new(mode, size)
    for rows, box in row_strips(size):
        made.paste(Image.fromarray(np.ascontiguousarray(samples[rows])), box)
    return made


def _turned_samples(picture: Image.Image, orientation: int) -> NDArray[np.uint8]:
    """Samples of a picture in mode L or RGB, upright."""
    width, height = picture.size[::-1] if orientation in ON_SIDE else picture.size
    made: NDArray[np.uint8] = np.empty((height, width, 3) if picture.mode == "RGB" else (height, width), np.uint8)
    for left in range(0, picture.width, _TILE):
        for top in range(0, picture.height, _TILE):
            box = (left, top, min(left + _TILE, picture.width), min(top + _TILE, picture.height))
            x0, y0, x1, y1 = (int(place) for place in turned_box(box, picture.size, orientation))
            made[y0:y1, x0:x1] = np.asarray(turned(picture.crop(box), orientation))
    return made
