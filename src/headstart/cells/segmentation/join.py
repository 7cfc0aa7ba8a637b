"""Pieces of one cell that the watershed parted, joined: their union is convex and its seam no darker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.cells.segmentation.hull import hull_areas
from headstart.cells.segmentation.label_image import Contacts, Runs, label_areas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

MIN_SOLIDITY: Final = 0.93
MIN_SEAM: Final = 0.9
"""Brightness of the seam, as a share of the darker piece's, below which there is a dip."""


def join_pieces(labels: Labels, flat: NDArray[np.float32]) -> Labels:
    """Label image with the pieces of one cell under one number.

    Only pairs that touch are looked at, the most convex first; a third piece joins where the union of all three is
    convex too.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int32
    flat : ndarray of shape (height, width), float32
        Brightness above the background.
    """
    contacts = Contacts.find(labels)
    pairs, which = contacts.pairs()
    if not len(pairs):
        return labels
    n_contacts = np.bincount(which)
    values = flat.ravel()
    seam = np.bincount(which, (values[contacts.here] + values[contacts.there]) / 2) / n_contacts
    areas = np.maximum(label_areas(labels), 1)
    mean = np.bincount(labels.ravel(), values, minlength=len(areas)) / areas
    bright = seam >= MIN_SEAM * mean[pairs].min(axis=1)
    pieces = _Pieces(labels, areas)
    candidates = pairs[bright]
    solidity = pieces.solidity(candidates)
    by_solidity = np.lexsort((candidates[:, 1], candidates[:, 0], -solidity))
    for row in by_solidity[solidity[by_solidity] > MIN_SOLIDITY]:
        pieces.join(int(candidates[row, 0]), int(candidates[row, 1]))
    return pieces.joined()


class _Pieces:
    """Pieces and what they are joined to."""

    def __init__(self, labels: Labels, areas: NDArray[np.int64]) -> None:
        self._labels = labels
        self._areas = areas
        self._runs = Runs.find(labels)
        self._owner = np.arange(len(areas))
        self._members: dict[int, tuple[int, ...]] = {}

    def solidity(self, groups: NDArray[np.int64]) -> NDArray[np.float64]:
        """Area of the union of each group of pieces, shape (n_groups, n_members), over that of its convex hull."""
        runs, member = self._runs.of(groups.ravel())
        hulls = hull_areas(self._runs, runs, member // max(groups.shape[1], 1), len(groups))
        return np.asarray(self._areas[groups].sum(axis=1) / hulls)

    def join(self, one: int, two: int) -> None:
        """Join two, with all that they are joined to, where the union is convex."""
        first, second = int(self._owner[one]), int(self._owner[two])
        if first == second:
            return
        members = self._members.get(first, (first,)) + self._members.get(second, (second,))
        if len(members) > 2 and self.solidity(np.array([members]))[0] <= MIN_SOLIDITY:
            return
        self._members[first] = members
        self._owner[list(members)] = first

    def joined(self) -> Labels:
        return np.asarray(self._owner[self._labels], dtype=np.int32)
