"""Label images: whole numbers, 0 the background, one number for each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]


def label_areas(labels: Labels) -> NDArray[np.int64]:
    """Number of pixels of every label; that of the background is 0."""
    areas = np.bincount(labels.ravel(), minlength=1)
    areas[0] = 0
    return areas


def renumbered(labels: Labels, keep: NDArray[np.bool_]) -> Labels:
    """The labels kept, numbered 1, 2, 3 in their order.

    >>> renumbered(np.array([[0, 4, 2]], dtype=np.int32), np.array([True, True, True, True, True])).tolist()
    [[0, 2, 1]]
    """
    present = keep & (np.bincount(labels.ravel(), minlength=len(keep)) > 0)
    present[0] = False
    numbers = np.cumsum(present, dtype=np.int32) * present
    return np.asarray(numbers[labels], dtype=np.int32)


def largest_pieces(labels: Labels) -> Labels:
    """The largest connected piece of every label; the others become background."""
    from skimage.measure import label

    pieces = label(labels, connectivity=1)
    areas = label_areas(pieces)
    owner = np.zeros(len(areas), dtype=np.int64)
    owner[pieces.ravel()] = labels.ravel()
    by_area = np.argsort(areas, kind="stable")
    largest = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int64)
    largest[owner[by_area]] = by_area
    keep = np.zeros(len(areas), dtype=np.bool_)
    keep[largest[1:]] = True
    keep[0] = False
    return np.asarray(np.where(keep[pieces], labels, 0), dtype=np.int32)


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of pixels that lie side by side and belong to two cells.

    Attributes
    ----------
    first, second : ndarray of shape (n_contacts,), int64
        Labels, the smaller one first.
    here, there : ndarray of shape (n_contacts,), int64
        Flat indices of the two pixels.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    here: NDArray[np.int64]
    there: NDArray[np.int64]

    @classmethod
    def find(cls, labels: Labels) -> Contacts:
        """All contacts of a label image, to the right and below."""
        width = labels.shape[1]
        aside = _touching(labels[:, :-1], labels[:, 1:], width)
        below = _touching(labels[:-1], labels[1:], width)
        here, there = np.concatenate([aside, below]), np.concatenate([aside + 1, below + width])
        one, two = labels.ravel()[here].astype(np.int64), labels.ravel()[there].astype(np.int64)
        return cls(np.minimum(one, two), np.maximum(one, two), here, there)

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Different pairs, shape (n_pairs, 2), and the pair of every contact."""
        both = np.stack([self.first, self.second], axis=1)
        if not len(both):
            return both, np.zeros(0, dtype=np.intp)
        pairs, which = np.unique(both, axis=0, return_inverse=True)
        return pairs, which.reshape(-1)


def _touching(one: Labels, two: Labels, width: int) -> NDArray[np.int64]:
    """Flat indices, in an image of that width, where two views of it hold two cells."""
    rows, columns = np.nonzero((one != two) & (one > 0) & (two > 0))
    return np.asarray(rows * width + columns, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Runs:
    """Stretches of pixels of one label side by side in a row, sorted by label.

    Attributes
    ----------
    row, left, right : ndarray of shape (n_runs,), int64
        Row, first and last column.
    starts : ndarray of shape (n_labels + 2,), int64
        The runs of label i are those from ``starts[i]`` to ``starts[i + 1]``; of the background there are none.
    """

    row: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def find(cls, labels: Labels) -> Runs:
        """All runs of a label image."""
        framed = np.pad(labels, ((0, 0), (1, 1)))
        change = framed[:, 1:] != framed[:, :-1]
        begin = np.nonzero(change[:, :-1] & (labels > 0))
        end = np.nonzero(change[:, 1:] & (labels > 0))
        owner = labels[begin]
        order = np.argsort(owner, kind="stable")
        starts = np.searchsorted(owner[order], np.arange(int(labels.max(initial=0)) + 2))
        return cls(begin[0][order], begin[1][order], end[1][order], starts)

    def of(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the runs of some labels, and which of these each belongs to."""
        first, n_runs = self.starts[chosen], self.starts[chosen + 1] - self.starts[chosen]
        place = np.repeat(np.arange(len(chosen)), n_runs)
        ends = np.cumsum(n_runs)
        return np.arange(len(place)) - (ends - n_runs - first)[place], place


def as_labels(values: NDArray[Any]) -> Labels:
    """Whole numbers of any type as a label image numbered 1, 2, 3."""
    _, codes = np.unique(values, return_inverse=True)
    codes = codes.reshape(values.shape)
    background = codes[values == 0]
    shifted = codes + (0 if len(background) else 1)
    return np.asarray(shifted, dtype=np.int32)
