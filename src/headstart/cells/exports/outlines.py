"""Outlines of the objects of a label image along the edges of their pixels, and back: nothing is lost either way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.errors import InputError

Corner = tuple[int, int]
Ring = tuple[Corner, ...]
"""Corners (x, y) of a closed line, the first not repeated; whole numbers are corners of pixels, 0, 0 the picture's."""

_STEPS: Final = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Along the top of a pixel, its right, its bottom, its left: the pixel is on the right hand."""


@dataclass(frozen=True)
class Part:
    """One connected part of an object.

    Attributes
    ----------
    outer : tuple of (int, int)
    holes : tuple of tuples of (int, int)
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()


@dataclass(frozen=True)
class Outline:
    """Outline of one object of a label image.

    Attributes
    ----------
    label : int
    parts : tuple of Part
        Usually one; pixels that touch at a corner alone are two parts.
    """

    label: int
    parts: tuple[Part, ...]

    @property
    def rings(self) -> tuple[Ring, ...]:
        """Every closed line; what lies inside an odd number of them is of the object."""
        return tuple(ring for part in self.parts for ring in (part.outer, *part.holes))


def outlines(labels: NDArray[Any]) -> Iterator[Outline]:
    """Outlines of all objects of a label image, by rising label.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int
        0 is background.

    Raises
    ------
    InputError
        When it is no picture of whole numbers, or has negative ones.

    Examples
    --------
    >>> [found] = outlines(np.array([[0, 0, 0], [0, 7, 7]]))
    >>> found.label, found.parts[0].outer
    (7, ((1, 1), (3, 1), (3, 2), (1, 2)))
    """
    check_label_image(labels)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            corner = (box[1].start, box[0].start)
            yield Outline(number, _parts(labels[box] == number, corner))


def check_label_image(labels: NDArray[Any]) -> None:
    """Refuse what is no label image.

    Raises
    ------
    InputError
        For another number of dimensions, numbers that are not whole, or negative ones.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise InputError(
            f"A label image has shape (height, width) and whole numbers; got shape {labels.shape} of {labels.dtype}."
        )
    if labels.size and int(labels.min()) < 0:
        raise InputError(f"A label image has numbers from 0 on, 0 the background; got {int(labels.min())}.")


def filled(rings: Sequence[Sequence[tuple[float, float]]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose middle lies inside an odd number of closed lines; parts beyond the picture are left out.

    Parameters
    ----------
    rings : sequence of rings
        Corners (x, y), whole numbers being corners of pixels; any polygons, not only those of `outlines`.
    shape : (height, width)

    Examples
    --------
    >>> filled([[(0, 0), (2, 0), (2, 1), (0, 1)]], (2, 3)).astype(int).tolist()
    [[1, 1, 0], [0, 0, 0]]
    """
    height, width = shape
    crossed = np.zeros((height, width + 1), dtype=np.int64)
    for ring in rings:
        corners = np.asarray(ring, dtype=np.float64)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            top, bottom = min(y0, y1), max(y0, y1)
            rows = np.arange(max(0, int(np.ceil(top - 0.5))), min(height, int(np.ceil(bottom - 0.5))))
            if len(rows):
                x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
                crossed[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)] += 1
    return np.asarray(np.cumsum(crossed, axis=1)[:, :width] % 2 == 1)


def _parts(mask: NDArray[np.bool_], corner: Corner) -> tuple[Part, ...]:
    """Parts of one object; `corner` is where its box begins."""
    rings = [_moved(ring, corner) for ring in _rings(mask)]
    outer = [ring for ring in rings if _doubled_area(ring) > 0]
    holes = [ring for ring in rings if _doubled_area(ring) < 0]
    if len(outer) == 1:
        return (Part(outer[0], tuple(holes)),)
    home = [next(place for place, ring in enumerate(outer) if _holds(ring, _pixel_beside(hole))) for hole in holes]
    return tuple(
        Part(ring, tuple(hole for hole, its in zip(holes, home, strict=True) if its == place))
        for place, ring in enumerate(outer)
    )


def _rings(mask: NDArray[np.bool_]) -> Iterator[Ring]:
    """Closed lines around the pixels of a mask, clockwise outside, against the clock around holes."""
    edges = _edges(mask)
    while edges:
        first = next(iter(edges))
        ring, edge = [first], _after(first, edges)
        while edge != first:
            ring.append(edge)
            edge = _after(edge, edges)
        for edge in ring:
            del edges[edge]
        turns = zip(ring, [ring[-1], *ring[:-1]], strict=True)
        yield tuple((x, y) for (x, y, way), before in turns if way != before[2])


def _edges(mask: NDArray[np.bool_]) -> dict[tuple[int, int, int], None]:
    """Edges between pixels of the mask and others, each by its first corner and way, in the order of a reader."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    others = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    found = []
    for way, (other, (dx, dy)) in enumerate(zip(others, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True)):
        y, x = np.nonzero(inner & ~other)
        found += [(int(row) + dy, int(column) + dx, way) for row, column in zip(y, x, strict=True)]
    return {(x, y, way): None for y, x, way in sorted(found)}


def _after(edge: tuple[int, int, int], edges: dict[tuple[int, int, int], None]) -> tuple[int, int, int]:
    """The edge that goes on from the end of one; where two do, that of the same pixel, so that parts stay apart."""
    x, y, way = edge
    x, y = x + _STEPS[way][0], y + _STEPS[way][1]
    return next((x, y, turn % 4) for turn in (way + 1, way, way + 3) if (x, y, turn % 4) in edges)


def _moved(ring: Ring, corner: Corner) -> Ring:
    return tuple((x + corner[0], y + corner[1]) for x, y in ring)


def _doubled_area(ring: Ring) -> int:
    """Twice the area inside, above 0 for a line that runs clockwise in a picture."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, (*ring[1:], ring[0]), strict=True))


def _pixel_beside(hole: Ring) -> tuple[float, float]:
    """Middle of a pixel of the object that touches the first edge of a hole."""
    (x0, y0), (x1, y1) = hole[0], hole[1]
    dx, dy = np.sign(x1 - x0), np.sign(y1 - y0)
    return x0 + 0.5 * dx - 0.5 * dy, y0 + 0.5 * dy + 0.5 * dx


def _holds(ring: Ring, point: tuple[float, float]) -> bool:
    x, y = point
    crossed = 0
    for (x0, y0), (x1, y1) in zip(ring, (*ring[1:], ring[0]), strict=True):
        crossed += x0 == x1 and x0 > x and min(y0, y1) < y < max(y0, y1)
    return crossed % 2 == 1
