"""Segmentation tile by tile: each cell belongs to the tile that holds its centroid."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.cells.segmentation.label_image import label_areas, renumbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headstart.cells.segmentation.methods import Labels, Plane, SegmentationMethod
    from headstart.cells.segmentation.scale import Scale

OVERLAP: Final = 6.0
"""Margin around a tile, in radii: the background of a pixel comes from within it."""


@dataclass(frozen=True)
class _Tile:
    """One tile with its margin inside the picture."""

    top: int
    bottom: int
    left: int
    right: int
    margin: int

    def window(self, plane: Plane) -> Plane:
        top, left = self.origin()
        return plane[top : self.bottom + self.margin, left : self.right + self.margin]

    def origin(self) -> tuple[int, int]:
        return max(0, self.top - self.margin), max(0, self.left - self.margin)


def segment_tiles(plane: Plane, method: SegmentationMethod, scale: Scale, side: int) -> Labels:
    """Label image of a picture cut into tiles, at a scale that was estimated on the whole.

    Parameters
    ----------
    plane : ndarray of shape (height, width), float32
    side : int
        Side of a tile in pixels, without its margin.
    """
    labels = np.zeros(plane.shape, dtype=np.int32)
    n_cells = 0
    for tile in _tiles(plane.shape, side, round(OVERLAP * scale.radius)):
        window = tile.window(plane)
        found = method.cells(method.brightness(window, scale.radius), scale.radius, scale.threshold)
        own = _own_cells(found, tile)
        top, left = tile.origin()
        target = labels[top : top + own.shape[0], left : left + own.shape[1]]
        free = (own > 0) & (target == 0)
        target[free] = own[free] + n_cells
        n_cells += int(own.max(initial=0))
    return renumbered(labels, np.ones(n_cells + 1, dtype=np.bool_))


def _tiles(shape: tuple[int, ...], side: int, margin: int) -> Iterator[_Tile]:
    height, width = shape
    for top, left in itertools.product(range(0, height, side), range(0, width, side)):
        yield _Tile(top, min(top + side, height), left, min(left + side, width), margin)


def _own_cells(found: Labels, tile: _Tile) -> Labels:
    """The cells whose centroid lies in the tile itself."""
    areas = np.maximum(label_areas(found), 1)
    top, left = tile.origin()
    rows, columns = np.ogrid[: found.shape[0], : found.shape[1]]
    flat = found.ravel()
    y = np.bincount(flat, np.broadcast_to(rows, found.shape).ravel(), minlength=len(areas)) / areas + top
    x = np.bincount(flat, np.broadcast_to(columns, found.shape).ravel(), minlength=len(areas)) / areas + left
    own = (y >= tile.top) & (y < tile.bottom) & (x >= tile.left) & (x < tile.right)
    own[0] = False
    return renumbered(found, own)
