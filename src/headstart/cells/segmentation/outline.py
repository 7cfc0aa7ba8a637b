"""Outlines brought to half of each cell's own brightness; small remains dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from headstart.cells.segmentation.label_image import label_areas, largest_pieces, renumbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

HALF: Final = 0.5
BRIGHTNESS_QUANTILE: Final = 0.75
MIN_AREA: Final = 0.1
"""Least area of a cell, in areas of a disk of the radius."""

_HALF_WORD: Final = np.uint64(32)
_SIGN: Final = np.uint32(1 << 31)


def trim_halos(labels: Labels, flat: NDArray[np.float32]) -> Labels:
    """Label image without the pixels below half of their own cell's brightness: the halo of a bright cell."""
    if not labels.any():
        return labels
    bright = flat >= HALF * cell_brightness(labels, flat)[labels]
    return _filled(labels, largest_pieces(np.where(bright, labels, 0).astype(np.int32)))


def _filled(before: Labels, after: Labels) -> Labels:
    """The trimmed labels with holes given back: what was trimmed and does not reach the old background."""
    rest, n_pieces = ndimage.label(after == 0)
    outside = np.zeros(n_pieces + 1, dtype=np.bool_)
    outside[rest[(before == 0) & (after == 0)]] = True
    outside[np.concatenate([rest[0], rest[-1], rest[:, 0], rest[:, -1]])] = True
    return np.asarray(np.where(outside[rest], after, before), dtype=np.int32)


def cell_brightness(labels: Labels, flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Upper quartile of the brightness of every label, shape (n_labels + 1,); that of the background is 0."""
    inside = labels > 0
    ranked = np.sort((labels[inside].astype(np.uint64) << _HALF_WORD) | _rising(flat[inside]))
    sizes = label_areas(labels)
    starts = np.cumsum(sizes) - sizes
    place = np.minimum(starts + (BRIGHTNESS_QUANTILE * sizes).astype(np.int64), max(len(ranked) - 1, 0))
    return np.where(sizes > 0, _from_rising(ranked[place]), np.float32(0))


def _rising(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Bits of floats as whole numbers in the same order, so that one sort ranks by label and brightness."""
    bits = values.view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _from_rising(ranked: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The floats of `_rising` in the lower halves of the numbers."""
    bits = ranked.astype(np.uint32)
    return np.where(bits & _SIGN, bits ^ _SIGN, ~bits).view(np.float32)


def add_remains(labels: Labels, remains: NDArray[np.bool_], radius: float) -> Labels:
    """Label image with the thin pieces that opening took away as cells of their own, where large enough."""
    pieces, n_pieces = ndimage.label(remains & (labels == 0))
    if not n_pieces:
        return labels
    large = label_areas(pieces) >= MIN_AREA * np.pi * radius**2
    first = int(labels.max(initial=0)) + 1
    numbers = np.where(large, first + np.arange(n_pieces + 1), 0)
    return np.asarray(np.where(labels > 0, labels, numbers[pieces]), dtype=np.int32)


def drop_small(labels: Labels, radius: float) -> Labels:
    """Cells of enough area, numbered 1, 2, 3."""
    return renumbered(labels, label_areas(labels) >= MIN_AREA * np.pi * radius**2)
