"""Mirrored and turned copies: candidates from perceptual hashes, confirmed in thumbnails."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

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

Floats = NDArray[np.float32]


def symmetric_copies(thumbnails: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> list[tuple[int, int]]:
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

    Returns
    -------
    list of (int, int)
        Sorted, the smaller row first.
    """
    n_images = len(thumbnails)
    if n_images < _MIN_IMAGES:
        return []
    background = np.unique(np.linspace(0, n_images - 1, min(n_images, _MAX_BACKGROUND)).astype(np.int64))
    upright = _details(thumbnails[background])
    found: set[tuple[int, int]] = set()
    for symmetry in SYMMETRIES:
        pairs = close_pairs_between(hashes[:, 0], hashes[:, symmetry], max_hamming=MAX_HAMMING)
        if symmetry == 5:
            other = close_pairs_between(hashes[:, symmetry], hashes[:, 0], max_hamming=MAX_HAMMING)
            pairs = np.concatenate([pairs, other[:, ::-1]])
        around = (_details(_turned(thumbnails[background], symmetry)), upright)
        for block in np.split(pairs, range(_BLOCK, len(pairs), _BLOCK)):
            confirmed = _confirmed(thumbnails, block, symmetry, background, around)
            found |= {(min(pair), max(pair)) for pair in confirmed.tolist()}
    return sorted(found)


def _confirmed(
    thumbnails: NDArray[np.uint8],
    pairs: NDArray[np.int64],
    symmetry: int,
    background: NDArray[np.int64],
    around: tuple[Floats, Floats],
) -> NDArray[np.int64]:
    """Those of some pairs (row, row to be turned) that are far closer than either is to others.

    `around` holds the details of the background, turned as the second of each pair is, and upright.
    """
    if not len(pairs):
        return pairs
    left, right = _details(thumbnails[pairs[:, 0]]), _details(_turned(thumbnails[pairs[:, 1]], symmetry))
    distance = 1.0 - (left * right).sum(axis=1)
    near = distance <= _MAX_DISTANCE
    pairs, left, right, distance = pairs[near], left[near], right[near], distance[near]
    if not len(pairs):
        return pairs
    others = (pairs[:, :1] != background) & (pairs[:, 1:] != background)  # (pairs, background)
    nth = min(_SURROUNDINGS, max(1, len(background) // 10)) - 1
    surroundings = np.minimum(
        np.partition(np.where(others, 1.0 - left @ around[0].T, np.inf), nth, axis=1)[:, nth],
        np.partition(np.where(others, 1.0 - right @ around[1].T, np.inf), nth, axis=1)[:, nth],
    )
    confirmed: NDArray[np.int64] = pairs[distance <= RATIO * surroundings]
    return confirmed


def _turned(thumbnails: NDArray[np.uint8], symmetry: int) -> NDArray[np.uint8]:
    turned = thumbnails.swapaxes(1, 2) if symmetry & 4 else thumbnails
    turned = turned[:, ::-1] if symmetry & 2 else turned
    return turned[:, :, ::-1] if symmetry & 1 else turned


def _details(thumbnails: NDArray[np.uint8]) -> Floats:
    """Thumbnails less the mean around every pixel, as unit vectors, shape (n, 1024); zeros where they are flat."""
    values = thumbnails.astype(np.float32)
    values -= uniform_filter(values, size=(0, _DETAIL, _DETAIL), mode="nearest")
    flat = values.reshape(len(values), SIDE * SIDE)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(lengths > 1e-3, flat / np.maximum(lengths, 1e-3), 0.0).astype(np.float32)
