"""Mirrored and turned copies: candidates from perceptual hashes, confirmed in thumbnails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from headstart.data.audit.copies import FoundCopies
from headstart.data.audit.perceptual_hash import MAX_HAMMING, SIDE, close_pairs_between

RATIO: Final = 0.2
"""Largest distance of a pair, in units of the distance to the images around it."""
_MAX_DISTANCE: Final = 0.2
_SURROUNDINGS: Final = 8  # which neighbour stands for them
_MIN_IMAGES: Final = 8
_MAX_BACKGROUND: Final = 1_000
_BLOCK: Final = 1_024
_DETAIL: Final = 9  # pixels of a thumbnail over which the mean is taken away

SYMMETRIES: Final = (1, 2, 3, 4, 5, 7)
"""Mirrored, flipped, both, over one diagonal, turned by 90 degrees, over the other diagonal.

Bit 1 mirrors left and right, bit 2 flips top and bottom, bit 4 exchanges rows and columns before. Of the turns by 90
and by 270 degrees each undoes the other; the second is found by looking from the other image.
"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Details:
    """Fine detail of thumbnails as whole numbers, shape (n, 1024), and its lengths, shape (n,)."""

    values: Floats
    lengths: Floats

    def take(self, chosen: NDArray[np.bool_]) -> _Details:
        """Those of some thumbnails."""
        return _Details(self.values[chosen], self.lengths[chosen])


def symmetric_copies(thumbnails: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> FoundCopies:
    """Pairs of which one is the other mirrored, turned by a multiple of 90 degrees, or both.

    A pair is a candidate where the hash of one and that of the other in a new orientation differ in at most 6 bits. It
    is confirmed where, in this orientation, the fine detail of the thumbnails is at most a fifth as far apart as that
    of either is from its eighth nearest among up to a thousand other images, turned in the same way: pictures that
    look alike are no copies.

    Parameters
    ----------
    thumbnails : ndarray of shape (n_images, 32, 32), uint8
    hashes : ndarray of shape (n_images, 8), uint64
        Of every thumbnail in its eight orientations, from `symmetric_hashes`.

    Notes
    -----
    Details are whole numbers, whose products and sums double precision holds exactly, so that every processor comes to
    the same pairs.
    """
    n_images = len(thumbnails)
    if n_images < _MIN_IMAGES:
        return FoundCopies([], 0)
    background = np.unique(np.linspace(0, n_images - 1, min(n_images, _MAX_BACKGROUND)).astype(np.int64))
    upright = _details(thumbnails[background])
    found: set[tuple[int, int]] = set()
    n_left_out = 0
    for symmetry in SYMMETRIES:
        pairs, left_out = close_pairs_between(hashes[:, 0], hashes[:, symmetry], max_hamming=MAX_HAMMING)
        n_left_out += left_out
        if symmetry == 5:
            other, left_out = close_pairs_between(hashes[:, symmetry], hashes[:, 0], max_hamming=MAX_HAMMING)
            n_left_out += left_out
            pairs = np.concatenate([pairs, other[:, ::-1]])
        around = (_details(_turned(thumbnails[background], symmetry)), upright)
        for block in np.split(pairs, range(_BLOCK, len(pairs), _BLOCK)):
            confirmed = _confirmed(thumbnails, block, symmetry, background, around)
            found |= {(min(pair), max(pair)) for pair in confirmed.tolist()}
    return FoundCopies(sorted(found), n_left_out)


def _confirmed(
    thumbnails: NDArray[np.uint8],
    pairs: NDArray[np.int64],
    symmetry: int,
    background: NDArray[np.int64],
    around: tuple[_Details, _Details],
) -> NDArray[np.int64]:
    """Those of some pairs (row, row to be turned) that are far closer than either is to others.

    `around` holds the details of the background, turned as the second of each pair is, and upright.
    """
    if not len(pairs):
        return pairs
    left, right = _details(thumbnails[pairs[:, 0]]), _details(_turned(thumbnails[pairs[:, 1]], symmetry))
    distance = _distance((left.values * right.values).sum(axis=1), left.lengths * right.lengths)
    near = distance <= _MAX_DISTANCE
    pairs, left, right, distance = pairs[near], left.take(near), right.take(near), distance[near]
    if not len(pairs):
        return pairs
    others = (pairs[:, :1] != background) & (pairs[:, 1:] != background)  # (pairs, background)
    nth = min(_SURROUNDINGS, max(1, len(background) // 10)) - 1
    surroundings = np.minimum(
        np.partition(np.where(others, _distances(left, around[0]), np.inf), nth, axis=1)[:, nth],
        np.partition(np.where(others, _distances(right, around[1]), np.inf), nth, axis=1)[:, nth],
    )
    confirmed: NDArray[np.int64] = pairs[distance <= RATIO * surroundings]
    return confirmed


def _turned(thumbnails: NDArray[np.uint8], symmetry: int) -> NDArray[np.uint8]:
    turned = thumbnails.swapaxes(1, 2) if symmetry & 4 else thumbnails
    turned = turned[:, ::-1] if symmetry & 2 else turned
    return turned[:, :, ::-1] if symmetry & 1 else turned


def _details(thumbnails: NDArray[np.uint8]) -> _Details:
    """Thumbnails less the mean of the 9 x 9 pixels around every pixel, times 81."""
    values = thumbnails.astype(np.float64)
    around = values
    for axis in (1, 2):
        around = correlate1d(around, np.ones(_DETAIL), axis=axis, mode="nearest")
    flat = (values * _DETAIL**2 - around).reshape(len(values), SIDE * SIDE)
    return _Details(flat, np.sqrt((flat * flat).sum(axis=1)))


def _distances(some: _Details, others: _Details) -> Floats:
    return _distance(some.values @ others.values.T, some.lengths[:, None] * others.lengths)


def _distance(products: Floats, lengths: Floats) -> Floats:
    """One minus the correlation; 1 where either shows nothing."""
    return np.asarray(1.0 - products / np.maximum(lengths, 1.0))
