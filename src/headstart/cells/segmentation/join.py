"""Pieces of one cell that the watershed parted, joined: their union is convex and its seam no darker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.cells.segmentation.label_image import Contacts, label_areas, pixels_by_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

MIN_SOLIDITY: Final = 0.93
MIN_SEAM: Final = 0.9
"""Brightness of the seam, as a share of the darker piece's, below which there is a dip."""

_CORNERS: Final = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


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
    pieces = _Pieces(labels)
    ranked = sorted((-pieces.solidity((int(one), int(two))), int(one), int(two)) for one, two in pairs[bright])
    for solidity, one, two in ranked:
        if -solidity <= MIN_SOLIDITY:
            break
        pieces.join(one, two)
    return pieces.joined()


class _Pieces:
    """Pieces and what they are joined to."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._pixels, self._starts = pixels_by_label(labels)
        self._owner = np.arange(len(self._starts) - 1)
        self._members: dict[int, tuple[int, ...]] = {}

    def solidity(self, members: Iterable[int]) -> float:
        """Area of a union of pieces over that of its convex hull."""
        from scipy.spatial import ConvexHull

        pixels = np.concatenate([self._pixels[self._starts[one] : self._starts[one + 1]] for one in members])
        rows, columns = np.divmod(pixels, self._labels.shape[1])
        edge = _row_ends(rows, columns)
        corners = (edge[:, None, :] + _CORNERS).reshape(-1, 2)
        return len(pixels) / float(ConvexHull(corners).volume)

    def join(self, one: int, two: int) -> None:
        """Join two, with all that they are joined to, where the union is convex."""
        first, second = int(self._owner[one]), int(self._owner[two])
        if first == second:
            return
        members = self._members.get(first, (first,)) + self._members.get(second, (second,))
        if len(members) > 2 and self.solidity(members) <= MIN_SOLIDITY:
            return
        self._members[first] = members
        self._owner[list(members)] = first

    def joined(self) -> Labels:
        return np.asarray(self._owner[self._labels], dtype=np.int32)


def _row_ends(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """First and last pixel of every row of a piece: no other can be a corner of its hull."""
    top = int(rows.min())
    n_rows = int(rows.max()) - top + 1
    left = np.full(n_rows, np.iinfo(np.int64).max)
    right = np.full(n_rows, -1)
    np.minimum.at(left, rows - top, columns)
    np.maximum.at(right, rows - top, columns)
    filled = np.flatnonzero(right >= 0)
    ends = np.concatenate([left[filled], right[filled]])
    return np.stack([np.tile(filled + top, 2), ends], axis=1)
