"""A preview of a segmentation: outlines on the picture, and many of them on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

OUTLINE: Final = (255, 176, 0)
MAX_SIDE: Final = 512
MAX_PICTURES: Final = 12
N_ACROSS: Final = 3
_GAP: Final = 4
_DARK, _BRIGHT = 0.5, 99.8  # percentiles shown as black and white
_GAMMA: Final = 0.6


def outlined(plane: NDArray[Any], labels: NDArray[np.int32], colour: tuple[int, int, int] = OUTLINE) -> Picture:
    """Picture (height, width, 3) of a plane, brightened for the eye, with the outline of every cell.

    Parameters
    ----------
    plane : ndarray of shape (height, width)
    labels : ndarray of shape (height, width), int32
    colour : tuple of int
    """
    picture = np.repeat(brightened(plane)[..., None], 3, axis=2)
    padded = np.pad(labels, 1, mode="edge")
    inner = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = np.any([neighbour != inner for neighbour in around], axis=0) & (labels > 0)
    picture[edge] = colour
    return picture


def brightened(plane: NDArray[Any]) -> Picture:
    """A plane as bytes for the eye: percentiles as black and white, dark tones lifted."""
    values = plane.astype(np.float32)
    black, white = np.percentile(values[:: max(1, len(values) // 1024)], [_DARK, _BRIGHT])
    share = np.clip((values - black) / max(float(white - black), 1e-9), 0, 1) ** _GAMMA
    return np.asarray(np.rint(share * 255), dtype=np.uint8)


def preview_sheet(pictures: Sequence[Picture]) -> Picture:
    """Pictures side by side, each made smaller where it is large; the first `MAX_PICTURES` of them.

    Parameters
    ----------
    pictures : sequence of ndarray of shape (height, width, 3), uint8
    """
    shown = [_small(picture) for picture in pictures[:MAX_PICTURES]]
    height, width = (max(picture.shape[axis] for picture in shown) + _GAP for axis in (0, 1))
    n_across = min(N_ACROSS, len(shown))
    n_down = -(-len(shown) // n_across)
    sheet = np.full((n_down * height - _GAP, n_across * width - _GAP, 3), 255, dtype=np.uint8)
    for place, picture in enumerate(shown):
        top, left = place // n_across * height, place % n_across * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _small(picture: Picture) -> Picture:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.asarray(image)
