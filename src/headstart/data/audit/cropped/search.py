"""`cropped_copies`: pairs of which one is a crop of the other, or the other turned by a few degrees, or both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.audit.copies import FoundCopies
from headstart.data.audit.cropped.probes import (
    N_NUMBERS,
    N_ORIENTATIONS,
    UNIT,
    described,
    low_frequencies,
    orientation_matrix,
    probes,
)
from headstart.data.audit.cropped.registration import Agreement, halved, registered_agreement, screened
from headstart.runtime.threads import single_blas_thread

AGREEMENT: Final = 0.88
"""Least correlation of the fine detail of a copy and its original, once laid over each other."""
RATIO: Final = 0.65
"""Largest distance of a pair (one minus their agreement), in units of that to other pictures most like them."""
MAX_COMPARISONS: Final = 10_000_000
"""Ordered pairs that are compared; beyond 3,162 images each is compared with those next to it in the data set."""
_MAX_SCREENED: Final = 250_000
_MAX_REGISTERED: Final = 20_000
_NEAREST: Final = (16, 48)  # least and most pictures, each in one orientation, that are screened with one
_OF_ONE_ORIENTATION: Final = 16
_TRIED: Final = 6  # of these registered
_SURROUNDINGS: Final = (12, 16)  # ranks of pictures that are like the two, yet too far down to be copies
_MIN_IMAGES: Final = 24
_MIN_SCORE: Final = 0.4
_MIN_CORRELATION: Final = 0.9
_MIN_PATCHES: Final = 12  # patches over which detail must spread; a lone blob agrees with any other
_MAX_COPIES: Final = 16  # images of one group
_BLOCK: Final = 512
_ROWS_AT_ONCE: Final = 256  # pictures held against others by one thread at a time
_VIEWED_AT_ONCE: Final = 256  # pictures of which one thread works out the views at a time
_MAX_VIEWED: Final = 8_192  # pictures whose views, 12 kB each, are held at a time

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
_Block = tuple[Rows, int]
"""Rows of some pictures, and the first of those that they are held against."""


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pictures (`fixed`) and others of which they may be crops (`moving`), how they lie in them and how alike both are.

    Attributes
    ----------
    fixed, moving : ndarray of shape (n_pairs,), int64
    scores : ndarray of shape (n_pairs,), float64
        Correlation.
    maps : ndarray of shape (n_pairs, 2, 3), float64
        From places in the fixed picture to places in the moving one.
    """

    fixed: Rows
    moving: Rows
    scores: Floats
    maps: Floats

    def take(self, chosen: Rows | NDArray[np.bool_]) -> _Pairs:
        """Some of the pairs."""
        return _Pairs(self.fixed[chosen], self.moving[chosen], self.scores[chosen], self.maps[chosen])

    def closest(self, n_pairs: int) -> _Pairs:
        """So many of them, the most alike."""
        order = np.lexsort((self.moving, self.fixed, -self.scores))[:n_pairs]
        return self.take(np.sort(order))

    def ranks(self) -> Rows:
        """Place of each pair among those of its fixed picture, the most alike at 0."""
        order = np.lexsort((self.moving, -self.scores, self.fixed))
        starts = np.flatnonzero(np.r_[True, np.diff(self.fixed[order]) != 0])
        lengths = np.diff(np.r_[starts, len(order)])
        found = np.empty(len(order), dtype=np.int64)
        found[order] = np.arange(len(order)) - np.repeat(starts, lengths)
        return found


def cropped_copies(
    thumbnails: NDArray[np.uint8], max_comparisons: int = MAX_COMPARISONS, *, n_threads: int = 1
) -> FoundCopies:
    """Pairs of which one is a crop of the other of at least 60 % of its area, turned by up to 15 degrees, or both.

    Either may be mirrored or turned by multiples of 90 degrees besides. Low frequencies of every picture are held
    against those of crops and turns of every other, and of the few most alike one thumbnail is laid over the other. A
    pair is confirmed where its fine detail then agrees, and is far closer than pictures that merely look alike.

    Parameters
    ----------
    thumbnails : ndarray of shape (n_images, 32, 32), uint8
    max_comparisons : int, optional
        Ordered pairs that are compared at most.
    n_threads : int
        Parts of the work that run side by side; never changes a pair.
    """
    n_images = len(thumbnails)
    if n_images < _MIN_IMAGES:
        return FoundCopies([], 0)
    reach = min(n_images, max(_NEAREST[1], max_comparisons // n_images))
    with single_blas_thread():
        near, n_dropped = _nearest(low_frequencies(thumbnails), reach, n_threads)
        screened_pairs = _screened(thumbnails, near, n_threads)
        likely = screened_pairs.take((screened_pairs.ranks() < _TRIED) & (screened_pairs.scores >= _MIN_CORRELATION))
        tried = likely.closest(_MAX_REGISTERED)
        n_left_out = n_images * (n_images - reach) // 2 + n_dropped + len(likely.fixed) - len(tried.fixed)
        return FoundCopies(_confirmed(thumbnails, tried, screened_pairs, n_threads), n_left_out)


def _confirmed(thumbnails: NDArray[np.uint8], tried: _Pairs, others: _Pairs, n_threads: int) -> list[tuple[int, int]]:
    """Those of the tried pairs that agree in detail, and far better than the fixed picture does with others."""
    found = _registered(thumbnails, tried, n_threads)
    distance = 1.0 - found.correlations
    close = distance <= (1.0 - AGREEMENT) * np.minimum(1.0, found.n_patches / _MIN_PATCHES)
    close &= found.is_a_crop()
    tried, distance = tried.take(close), distance[close]
    alone = distance <= RATIO * (1.0 - _surroundings(thumbnails, others, tried.fixed, n_threads))
    tried, distance = tried.take(alone), distance[alone]
    order = np.lexsort((tried.moving, tried.fixed, distance))
    return _in_small_groups(zip(tried.fixed[order].tolist(), tried.moving[order].tolist(), strict=True))


def _in_small_groups(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs, the closest first, as long as no more than 16 images hang together: chains join what looks alike."""
    group_of: dict[int, list[int]] = {}
    found = set()
    for first, second in pairs:
        one, other = group_of.setdefault(first, [first]), group_of.setdefault(second, [second])
        if one is not other:
            if len(one) + len(other) > _MAX_COPIES:
                continue
            one += other
            group_of.update(dict.fromkeys(other, one))
        found.add((min(first, second), max(first, second)))
    return sorted(found)


def _registered(thumbnails: NDArray[np.uint8], pairs: _Pairs, n_threads: int) -> Agreement:
    return registered_agreement(thumbnails, pairs.fixed, pairs.moving, pairs.maps, n_threads=n_threads)


def _surroundings(thumbnails: NDArray[np.uint8], pairs: _Pairs, fixed: Rows, n_threads: int) -> Floats:
    """Best agreement of each of some pictures with others like it that are too far down to be its copies."""
    best = np.full(int(fixed.max(initial=0)) + 1, -1.0)
    ranks = pairs.ranks()
    low_down = (ranks >= _SURROUNDINGS[0]) & (ranks < _SURROUNDINGS[1]) & np.isin(pairs.fixed, fixed)
    around = pairs.take(low_down)
    np.maximum.at(best, around.fixed, _registered(thumbnails, around, n_threads).correlations)
    return best[fixed]


def _screened(thumbnails: NDArray[np.uint8], near: _Pairs, n_threads: int) -> _Pairs:
    """The pairs with halved thumbnails laid over each other, each in its best orientation."""
    maps, scores = screened(halved(thumbnails), near.fixed, near.moving, near.maps, n_threads=n_threads)
    order = np.lexsort((-scores, near.moving, near.fixed))
    same = (np.diff(near.fixed[order]) == 0) & (np.diff(near.moving[order]) == 0)
    kept = np.sort(order[np.r_[True, ~same]]) if len(order) else order
    return _Pairs(near.fixed[kept], near.moving[kept], scores[kept], maps[kept])


def _nearest(low: NDArray[np.float32], reach: int, n_threads: int) -> tuple[_Pairs, int]:
    """The pictures most like each, as probes show them, among `reach` of those before and after it.

    Of very many pictures only those that have the most alike one are kept; the pairs of others are counted.
    """
    n_nearest = min(_NEAREST[1], max(_NEAREST[0], _MAX_SCREENED // len(low)))
    tables: list[NDArray[np.int32]] = []

    def nearest_of(block: _Block, views: NDArray[np.int8], start: int) -> NDArray[np.int32]:
        rows, first = block
        shown = views[:, :, first - start : first - start + reach]
        return _nearest_of_block(described(low[rows]), shown, rows, first, n_nearest)

    with ThreadPoolExecutor(n_threads) as pool:
        for blocks in _runs_of_blocks(len(low), reach):
            start, stop = blocks[0][1], blocks[-1][1] + reach
            views = _views(low[start:stop], pool)
            tables += pool.map(nearest_of, blocks, repeat(views), repeat(start))
    table = np.concatenate(tables, axis=1)  # (5, pairs)
    highest = np.zeros(len(low), dtype=np.int32)
    np.maximum.at(highest, table[0], table[2])
    kept = np.isin(table[0], np.argsort(-highest, kind="stable")[: _MAX_SCREENED // n_nearest])
    fixed, moving, scores, orientations, best = table[:, kept].astype(np.int64)
    turns = np.array([orientation_matrix(number) for number in range(N_ORIENTATIONS)])
    return _Pairs(fixed, moving, scores / UNIT**2, turns[orientations] @ probes().maps[best]), int((~kept).sum())


def _views(low: NDArray[np.float32], pool: ThreadPoolExecutor) -> NDArray[np.int8]:
    """What every probe shows of some pictures, worked out side by side; see `Probes.views`."""
    views = np.empty((N_ORIENTATIONS, len(probes()), len(low), N_NUMBERS), dtype=np.int8)

    def fill(start: int) -> None:
        part = slice(start, start + _VIEWED_AT_ONCE)
        views[:, :, part] = probes().views(low[part])

    for _ in pool.map(fill, range(0, len(low), _VIEWED_AT_ONCE)):
        pass
    return views


def _runs_of_blocks(n_images: int, reach: int) -> Iterator[list[_Block]]:
    """The blocks in runs, of which each is held against so few pictures that their views fit in memory together."""
    run: list[_Block] = []
    for rows, first in _blocks(n_images, reach):
        if run and first + reach - run[0][1] > _MAX_VIEWED:
            yield run
            run = []
        run += [(some, first) for some in np.split(rows, range(_ROWS_AT_ONCE, len(rows), _ROWS_AT_ONCE))]
    yield run


def _blocks(n_images: int, reach: int) -> Iterator[_Block]:
    """Rows of some pictures after others, and the first of the `reach` pictures that they are held against."""
    step = n_images if reach == n_images else min(_BLOCK, max(_NEAREST[1], 2 * reach // 3))
    for start in range(0, n_images, step):
        rows = np.arange(start, min(n_images, start + step))
        yield rows, max(0, min(n_images - reach, (start + int(rows[-1]) + 1 - reach) // 2))


def _nearest_of_block(
    fixed: NDArray[np.float32], views: NDArray[np.int8], rows: Rows, first: int, n_nearest: int
) -> NDArray[np.int32]:
    """Pairs of some pictures with those of the views, shape (5, n_pairs): fixed, moving, score, orientation, probe."""
    n_others = views.shape[2]
    inside = (rows >= first) & (rows < first + n_others)
    own = np.flatnonzero(inside), rows[inside] - first
    parts = [_most_alike(fixed, of_orientation, own) for of_orientation in views]
    keys, best = (np.concatenate(one, axis=1) for one in zip(*parts, strict=True))
    orientations = np.repeat(np.arange(N_ORIENTATIONS), parts[0][0].shape[1])
    chosen = np.argsort(-keys, axis=1, kind="stable")[:, :n_nearest]
    keys, best = np.take_along_axis(keys, chosen, axis=1).ravel(), np.take_along_axis(best, chosen, axis=1).ravel()
    scores, places = keys // n_others, n_others - 1 - keys % n_others
    kept = scores >= _MIN_SCORE * UNIT**2
    columns = (np.repeat(rows, chosen.shape[1]), places + first, scores, orientations[chosen.ravel()], best)
    return np.stack([column[kept] for column in columns]).astype(np.int32)


def _most_alike(fixed: NDArray[np.float32], views: NDArray[np.int8], own: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
    """The others most like each picture in one orientation, and the probe that shows it.

    Each is given as one whole number that no two share, so that every processor chooses the same: the score times the
    number of others, plus the place of the other counted from behind. So is the best probe found: the score times the
    number of probes, plus the number of the probe counted from behind, which single precision holds exactly.
    """
    n_probes, n_others = views.shape[:2]
    highest = np.zeros((len(fixed), n_others), dtype=np.float32)
    found, scaled = np.empty_like(highest), fixed * n_probes
    for number, view in enumerate(views):
        np.matmul(scaled, view.astype(np.float32).T, out=found)
        found += n_probes - 1 - number
        np.maximum(highest, found, out=highest)
    highest[own] = 0
    fits = (UNIT + 1) ** 2 * n_others < np.iinfo(np.int32).max
    joined = highest.astype(np.int32 if fits else np.int64)
    keys = joined // n_probes
    keys *= n_others
    keys += np.arange(n_others, dtype=keys.dtype)[::-1]
    n_taken = min(_OF_ONE_ORIENTATION, n_others)
    least = np.partition(keys, n_others - n_taken, axis=1)[:, n_others - n_taken, None]
    chosen = np.nonzero(keys >= least)[1].reshape(-1, n_taken)
    best = n_probes - 1 - np.take_along_axis(joined, chosen, axis=1) % n_probes
    return np.take_along_axis(keys, chosen, axis=1).astype(np.int64), best.astype(np.int64)
