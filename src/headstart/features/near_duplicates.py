"""Near duplicates: candidates from perceptual hashes, confirmed in the space of frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATIO = 0.6
BACKGROUND = 3
_BLOCK = 1024  # rows held as float64 at a time, so that memory does not grow with the data set


def confirm_near_duplicates(
    features: NDArray[np.float32],
    candidates: Sequence[tuple[int, int, int]],
    *,
    rows: Sequence[int] | None = None,
    ratio: float = RATIO,
    background: int = BACKGROUND,
) -> list[tuple[int, int]]:
    """Candidate pairs that are far closer to each other than either is to the rest of the data set.

    A fixed threshold fails: two different solar cells of one kind reach a centred cosine of 0.99, more than a
    photograph of skin and its own compressed copy (0.95). So each pair is held against its surroundings, as in Lowe's
    ratio test: the distance of the two, divided by the smaller of their distances to their `background`-th nearest
    image.

    Parameters
    ----------
    features : ndarray of shape (n_images, n_features)
        Frozen features of distinct images (exact copies hide each other: hand in one of each).
    candidates : sequence of (int, int, int)
        Rows of two images with alike perceptual hashes, and the Hamming distance of these.
    rows : sequence of int, optional
        Take these rows of `features` for the images; candidates then count among them. Default: all.
    ratio : float in (0, 1)
        Largest ratio of the two distances at which a pair is confirmed.
    background : int >= 2
        Which neighbour stands for the surroundings; 3 lets up to three copies of one picture find each other.

    Returns
    -------
    list of (int, int)
        Confirmed pairs, sorted, the smaller row first.

    Notes
    -----
    The distance is one minus the cosine after the mean of the data set is taken away. What the default ratio finds and
    what it misses is measured by ``benchmarks/near_duplicates.py``.

    References
    ----------
    Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004,
    DOI 10.1023/B:VISI.0000029664.99615.94, section 7.1.
    """
    images = np.arange(len(features)) if rows is None else np.asarray(rows, dtype=np.int64)
    if not candidates or len(images) <= background:
        return []
    space = _Space(features, images)
    pairs = np.array([(first, second) for first, second, _ in candidates], dtype=np.int64)
    involved = np.unique(pairs)
    surroundings = np.full(len(images), np.nan)
    surroundings[involved] = space.neighbour_distance(involved, background)
    limit = ratio * np.minimum(surroundings[pairs[:, 0]], surroundings[pairs[:, 1]])
    close = pairs[space.pair_distance(pairs) <= limit]
    return sorted({(min(pair), max(pair)) for pair in close.tolist()})


class _Space:
    """Images as unit vectors about their mean, made block by block: a row equal to the mean stays zero."""

    def __init__(self, features: NDArray[np.float32], images: NDArray[np.int64]) -> None:
        self._features = features
        self._images = images
        total = sum(features[block].sum(axis=0, dtype=np.float64) for block in _blocks(images))
        self._mean = np.asarray(total) / len(images)

    def unit(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Unit vectors of some images, by their numbers."""
        centred = self._features[self._images[numbers]].astype(np.float64) - self._mean
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        return np.asarray(centred / np.maximum(lengths, np.finfo(np.float64).tiny))

    def pair_distance(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distance of the two images of every pair."""
        parts = [
            1.0 - (self.unit(block[:, 0]) * self.unit(block[:, 1])).sum(axis=1)
            for block in np.split(pairs, range(_BLOCK, len(pairs), _BLOCK))
        ]
        return np.concatenate(parts)

    def neighbour_distance(self, numbers: NDArray[np.int64], nth: int) -> NDArray[np.float64]:
        """Distance of some images to their nth nearest other image."""
        return np.concatenate([self._nearest(block, nth) for block in _blocks(numbers)])

    def _nearest(self, numbers: NDArray[np.int64], nth: int) -> NDArray[np.float64]:
        own = self.unit(numbers)
        nearest = np.full((len(numbers), nth), np.inf)
        for others in _blocks(np.arange(len(self._images))):
            distance = 1.0 - own @ self.unit(others).T  # (numbers, others)
            distance[numbers[:, None] == others] = np.inf
            nearest = np.partition(np.concatenate([nearest, distance], axis=1), nth - 1, axis=1)[:, :nth]
        return np.asarray(nearest.max(axis=1))


def _blocks(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.split(numbers, range(_BLOCK, len(numbers), _BLOCK))
