"""Outlines brought to half of each cell's own brightness; small remains dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from headstart.cells.segmentation.label_image import label_areas, largest_pieces, pixels_by_label, renumbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

HALF: Final = 0.5
BRIGHTNESS_QUANTILE: Final = 0.75
MIN_AREA: Final = 0.1
"""Least area of a cell, in areas of a disk of the radius."""


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
    pixels, starts = pixels_by_label(labels)
    values, owner = flat.ravel()[pixels], labels.ravel()[pixels]
    ranked = values[np.lexsort((values, owner))]
    sizes = np.diff(starts)
    place = np.minimum(starts[:-1] + (BRIGHTNESS_QUANTILE * sizes).astype(np.int64), max(len(ranked) - 1, 0))
    return np.asarray(np.where(sizes > 0, ranked[place], 0), dtype=np.float32)


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
