"""Near duplicates: candidates from perceptual hashes, confirmed in the space of frozen features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATIO = 0.6
BACKGROUND = 3
_BLOCK = 1024
"""Rows held as float64 at a time, so that memory does not grow with the data set."""
_IMAGES_AT_ONCE = 32768
"""Images in pairs that are looked at together: as float32 they are 168 MB where there are 1,280 features."""
_ROWS_AT_ONCE = 8192
"""Rows that are compared with a block at once."""
_N_SPARE = 5
"""Neighbours by float32 beyond those asked for: rounding hides none unless as many more are as near to within 1e-6."""
_ROUNDING = 1e-5
"""Beyond what float32 errs in a distance."""


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

    Images alike by their hashes are many in a large data set, copies few. So all are held against a small part of the
    others first: who has neighbours enough there that are too near already is no copy, and is looked at no further.

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
    confirmed = [_confirmed(space, part, ratio, background) for part in _parts(pairs[np.lexsort(pairs.T[::-1])])]
    return sorted({(min(pair), max(pair)) for pair in np.concatenate(confirmed).tolist()})


def _parts(pairs: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Sorted pairs in parts of no more than so many images."""
    while len(pairs):
        first_seen = np.sort(np.unique(pairs, return_index=True)[1])
        n_pairs = len(pairs) if len(first_seen) <= _IMAGES_AT_ONCE else int(first_seen[_IMAGES_AT_ONCE]) // 2
        yield pairs[:n_pairs]
        pairs = pairs[n_pairs:]


def _confirmed(space: _Space, pairs: NDArray[np.int64], ratio: float, background: int) -> NDArray[np.int64]:
    """Those of the pairs that are confirmed."""
    search = _Search(space, pairs, background)
    for others in space.spread_blocks():
        search.see(others)
        search.drop_far_pairs(ratio)
        if not len(search.pairs):
            return search.pairs
    surroundings = np.full(space.n_images, np.nan)
    surroundings[search.numbers] = search.neighbour_distances()
    limit = ratio * surroundings[search.pairs].min(axis=1)
    close: NDArray[np.int64] = search.pairs[space.pair_distance(search.pairs) <= limit]
    return close


class _Space:
    """Images as unit vectors about their mean, made block by block: a row equal to the mean stays zero."""

    def __init__(self, features: NDArray[np.float32], images: NDArray[np.int64]) -> None:
        self._features = features
        self._images = images
        self.n_images = len(images)
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

    def spread_blocks(self) -> Iterator[NDArray[np.int64]]:
        """Numbers of all images in blocks, each evenly spread among them."""
        step = -(-self.n_images // _BLOCK)
        return (np.arange(start, self.n_images, step) for start in range(step))


class _Search:
    """The search for the neighbours of images in pairs, in float32: what is kept are the few nearest seen so far.

    Attributes
    ----------
    pairs : ndarray of shape (n_pairs, 2), int64
        Pairs that may be copies yet.
    numbers : ndarray of shape (n_images,), int64
        Images in these, rising.
    """

    def __init__(self, space: _Space, pairs: NDArray[np.int64], nth: int) -> None:
        self.pairs, self.numbers = pairs, np.unique(pairs)
        self._space, self._nth = space, nth
        self._units = np.concatenate([space.unit(block).astype(np.float32) for block in _blocks(self.numbers)])
        n_near = min(nth + _N_SPARE, space.n_images - 1)
        self._similarities = np.full((len(self.numbers), n_near), -np.inf, dtype=np.float32)
        self._found = np.zeros((len(self.numbers), n_near), dtype=np.int64)
        self._distances = np.concatenate(
            [1 - np.einsum("ij,ij->i", *self._units[block].swapaxes(0, 1)) for block in _blocks(self._places())]
        )

    def _places(self) -> NDArray[np.int64]:
        """Places of the pairs' images among the numbers, (n_pairs, 2)."""
        return np.searchsorted(self.numbers, self.pairs)

    def see(self, others: NDArray[np.int64]) -> None:
        """Compare the images with a block of all."""
        units = self._space.unit(others).astype(np.float32)
        for start in range(0, len(self.numbers), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            self._take_nearer(rows, others, self._units[rows] @ units.T)

    def _take_nearer(self, rows: slice, others: NDArray[np.int64], products: NDArray[np.float32]) -> None:
        """Keep the nearest of those kept and of others, whose similarities are given; no image is its own neighbour."""
        similarities, found, numbers = self._similarities[rows], self._found[rows], self.numbers[rows]
        itself = np.minimum(np.searchsorted(others, numbers), len(others) - 1)
        own = np.flatnonzero(others[itself] == numbers)
        products[own, itself[own]] = -np.inf
        nearer = np.flatnonzero(products.max(axis=1) > similarities.min(axis=1))
        both = np.concatenate([similarities[nearer], products[nearer]], axis=1)
        n_near = found.shape[1]
        kept = np.argpartition(both, both.shape[1] - n_near, axis=1)[:, -n_near:]
        similarities[nearer] = np.take_along_axis(both, kept, axis=1)
        before = np.take_along_axis(found[nearer], np.minimum(kept, n_near - 1), axis=1)
        found[nearer] = np.where(kept < n_near, before, others[np.maximum(kept - n_near, 0)])

    def drop_far_pairs(self, ratio: float) -> None:
        """Forget pairs that are farther from each other than `ratio` allows for the neighbours seen so far."""
        n_near = self._similarities.shape[1]
        nth = np.partition(self._similarities, n_near - self._nth, axis=1)[:, n_near - self._nth]
        limits = ratio * (1 - nth[self._places()].max(axis=1) + _ROUNDING)
        near = self._distances - _ROUNDING <= limits
        self.pairs, self._distances = self.pairs[near], self._distances[near]
        kept = np.isin(self.numbers, self.pairs)
        if kept.all():
            return
        self.numbers, self._units = self.numbers[kept], self._units[kept]
        self._similarities, self._found = self._similarities[kept], self._found[kept]

    def neighbour_distances(self) -> NDArray[np.float64]:
        """Distance of each image to its nth nearest among those kept, in float64."""
        pairs = np.stack([np.repeat(self.numbers, self._found.shape[1]), self._found.ravel()], axis=1)
        distances = self._space.pair_distance(pairs).reshape(self._found.shape)
        return np.asarray(np.partition(distances, self._nth - 1, axis=1)[:, self._nth - 1])


def _blocks(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.split(numbers, range(_BLOCK, len(numbers), _BLOCK))
