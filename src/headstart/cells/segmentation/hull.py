"""Areas of convex hulls of sets of pixels, for many sets at once and exact in whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.cells.segmentation.label_image import Runs

    Integers = NDArray[np.int64]


def hull_areas(runs: Runs, chosen: Integers, owner: Integers, n_sets: int) -> NDArray[np.float64]:
    """Area of the convex hull of every set of pixels, each pixel a square.

    Parameters
    ----------
    runs : Runs
    chosen : ndarray of shape (n_chosen,), int64
        Places of runs; a place may stand there more than once.
    owner : ndarray of shape (n_chosen,), int64
        Set that each belongs to, from 0.
    n_sets : int
        Number of sets, none of them empty.
    """
    top, left, right = runs.row[chosen], runs.left[chosen], runs.right[chosen] + 1
    line = np.concatenate([top, top + 1])  # upper and lower edge of every run
    sets = np.concatenate([owner, owner])
    order = np.lexsort((line, sets))
    line, sets = line[order], sets[order]
    first = np.flatnonzero(np.diff(sets, prepend=-1) | np.diff(line, prepend=-1))
    leftmost = np.minimum.reduceat(np.tile(left, 2)[order], first)
    rightmost = np.maximum.reduceat(np.tile(right, 2)[order], first)
    line, sets = line[first], sets[first]
    below = _area_beside(line, leftmost, sets, n_sets)
    above = _area_beside(line, -rightmost, sets, n_sets)
    return (-above - below) / 2


def _area_beside(line: Integers, at: Integers, sets: Integers, n_sets: int) -> Integers:
    """Twice the area between the axis and the convex envelope of the leftmost points, for each set."""
    while True:
        bent = _bent(line, at, sets)
        if bent.all():
            break
        line, at, sets = line[bent], at[bent], sets[bent]
    same = sets[1:] == sets[:-1]
    doubled = (at[1:] + at[:-1]) * (line[1:] - line[:-1])
    areas = np.zeros(n_sets, dtype=np.int64)
    np.add.at(areas, sets[1:][same], doubled[same])
    return areas


def _bent(line: Integers, at: Integers, sets: Integers) -> NDArray[np.bool_]:
    """Points that lie to the left of the line between their neighbours; no other can be a corner of the envelope."""
    bent = np.ones(len(line), dtype=np.bool_)
    before, after = slice(None, -2), slice(2, None)
    inner = sets[before] == sets[after]
    chord = (at[after] - at[before]) * (line[1:-1] - line[before])
    bent[1:-1] = ~inner | ((at[1:-1] - at[before]) * (line[after] - line[before]) < chord)
    return bent
