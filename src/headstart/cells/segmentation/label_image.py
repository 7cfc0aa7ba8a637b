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
        index = np.arange(labels.size).reshape(labels.shape)
        here = [index[:, :-1].ravel(), index[:-1].ravel()]
        there = [index[:, 1:].ravel(), index[1:].ravel()]
        flat = labels.ravel()
        one, two = np.concatenate(here), np.concatenate(there)
        touching = (flat[one] != flat[two]) & (flat[one] > 0) & (flat[two] > 0)
        one, two = one[touching], two[touching]
        first, second = np.minimum(flat[one], flat[two]), np.maximum(flat[one], flat[two])
        return cls(first.astype(np.int64), second.astype(np.int64), one, two)

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Different pairs, shape (n_pairs, 2), and the pair of every contact."""
        both = np.stack([self.first, self.second], axis=1)
        if not len(both):
            return both, np.zeros(0, dtype=np.intp)
        pairs, which = np.unique(both, axis=0, return_inverse=True)
        return pairs, which.reshape(-1)


def pixels_by_label(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat indices of all cells' pixels, sorted by label, and where every label begins.

    Returns
    -------
    pixels : ndarray of int64
    starts : ndarray of shape (n_labels + 2,), int64
        The pixels of label i are ``pixels[starts[i]:starts[i + 1]]``.
    """
    flat = labels.ravel()
    inside = np.flatnonzero(flat)
    order = np.argsort(flat[inside], kind="stable")
    pixels = inside[order]
    n_labels = int(labels.max(initial=0))
    starts = np.searchsorted(flat[pixels], np.arange(n_labels + 2))
    return pixels, starts


def as_labels(values: NDArray[Any]) -> Labels:
    """Whole numbers of any type as a label image numbered 1, 2, 3."""
    _, codes = np.unique(values, return_inverse=True)
    codes = codes.reshape(values.shape)
    background = codes[values == 0]
    shifted = codes + (0 if len(background) else 1)
    return np.asarray(shifted, dtype=np.int32)
