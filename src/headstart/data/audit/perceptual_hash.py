"""Near-duplicate candidates: perceptual hashes of images, and the pairs that are close in them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.fft import dctn

from headstart.data.groups import number_by_appearance
from headstart.data.images.strips import STRIP_PIXELS, row_strips

MAX_HAMMING: Final = 6
"""Bits of 64 by which near-duplicate candidates may differ; `docs/data.md` gives the measurement behind it."""

SIDE: Final = 32
"""Pixels along each side of a thumbnail."""

_REDUCING_GAP: Final = 3.0
_N_BANDS: Final = MAX_HAMMING + 1
_MAX_ALIKE: Final = 32  # images of one hash that are paired with each other; the rest is paired with the first
_BLOCK: Final = 1 << 21  # pairs compared at a time
_COMPARED: Final = 1 << 16  # pairs of two kinds of hashes compared at a time, which a core's cache holds
_BATCH: Final = 256  # thumbnails transformed at a time, which a core's cache holds
_SET_BITS: Final = np.array([bin(value).count("1") for value in range(1 << 16)], dtype=np.uint8)


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """The picture in grey, 32 x 32, its proportions given up.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode RGB or L.
    """
    across, down = (max(1, int(side / SIDE / _REDUCING_GAP)) for side in image.size)
    small = _reduced(image, across, down)
    box = (0, 0, image.width / across, image.height / down)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box))


def _reduced(image: Image.Image, across: int, down: int) -> Image.Image:
    """Picture in grey, averaged over so many pixels; strip by strip, as a large one would not fit in grey too."""
    if image.width * image.height <= STRIP_PIXELS:
        grey = image if image.mode == "L" else image.convert("L")
        return grey if across == down == 1 else grey.reduce((across, down))
    size = (-(-image.width // across), -(-image.height // down))
    made = Image.new("L", size)
    for rows, box in row_strips(image.size, multiple=down):
        strip = image.crop(box).convert("L")
        made.paste(strip if across == down == 1 else strip.reduce((across, down)), (0, rows.start // down))
    return made


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that stay nearly the same when an image is scaled, re-encoded or slightly brightened.

    The signs, about their median, of the 8 x 8 lowest frequencies of the cosine transform of the 32 x 32 grey image.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode RGB.

    References
    ----------
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1.
    """
    return int(hashes_of(_low_frequencies(thumbnail(image)[None]))[0])


def symmetric_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Perceptual hash of every thumbnail in each of its eight orientations, shape (n_images, 8).

    Mirroring a picture changes the sign of every second frequency, and turning it over its diagonal exchanges the two
    directions, so one transform gives all eight. Their order is that of `headstart.data.audit.symmetric_copies`.
    """
    found = np.empty((len(thumbnails), 8), dtype=np.uint64)
    signs = (-1.0) ** np.arange(8)
    for start in range(0, len(thumbnails), _BATCH):
        low = _low_frequencies(thumbnails[start : start + _BATCH])
        for number in range(8):
            turned = low.swapaxes(1, 2) if number & 4 else low
            turned = turned * signs[:, None] if number & 2 else turned
            turned = turned * signs if number & 1 else turned
            found[start : start + _BATCH, number] = hashes_of(turned)
    return found


def hashes_of(low: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Signs about the median of low frequencies, shape (n_images, 8, 8), as 64 bits each."""
    flat = low.reshape(len(low), 64)
    median = np.partition(flat[:, 1:], 31, axis=1)[:, 31, None]  # of 63, in less time than by np.median
    bits = np.packbits(flat > median, axis=1)
    return np.ascontiguousarray(bits).view(">u8")[:, 0].astype(np.uint64)


def _low_frequencies(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    low = dctn(thumbnails.astype(np.float64), axes=(1, 2), norm="ortho")[:, :8, :8]
    # Rounding keeps the noise of the transform out of the bits of flat images, whose frequencies are all 0.
    return np.asarray(np.round(low, 6))


def close_pairs_between(
    first: NDArray[np.uint64], second: NDArray[np.uint64], *, max_hamming: int, max_pairs: int | None = None
) -> tuple[NDArray[np.int64], int]:
    """Pairs (row, later row) of which the first's hash of one and the second's of the other differ in few bits.

    In a crowd of alike hashes only the first of each band are compared, and of very many pairs the closest are kept:
    enough to join copies, and no explosion on a folder of blank images.

    Parameters
    ----------
    first, second : ndarray of shape (n_images,), uint64
    max_hamming : int
    max_pairs : int, optional
        Default: 2 per image, and at least 10,000.

    Returns
    -------
    pairs : ndarray of shape (n_pairs, 2), int64
    n_left_out : int
        Comparisons in crowds, and pairs beyond the limit, that were left out.
    """
    limit = max(10_000, 2 * len(first)) if max_pairs is None else max_pairs
    masks = _band_masks(max_hamming + 1)
    crowd = max(256, 20_000_000 // max(1, len(first)))
    found, n_new, n_left_out = [np.empty((0, 3), dtype=np.int64)], 0, 0
    for band, mask in enumerate(masks):
        keys = second & mask
        order = np.argsort(keys, kind="stable")
        low = np.searchsorted(keys[order], first & mask, side="left")
        n_all = np.searchsorted(keys[order], first & mask, side="right") - low
        n_alike = np.minimum(n_all, crowd)
        n_left_out += int((n_all - n_alike).sum())
        edges = np.searchsorted(np.cumsum(n_alike), np.arange(_COMPARED, int(n_alike.sum()) + _COMPARED, _COMPARED))
        for rows in np.split(np.arange(len(first)), np.unique(edges)):
            places = _consecutive(low[rows], n_alike[rows])
            pairs = np.repeat(rows, n_alike[rows]), order[places]
            new = _close_among(first[pairs[0]] ^ second[pairs[1]], pairs, masks[:band], max_hamming)
            if len(new):
                found.append(new)
                n_new += len(new)
            if n_new > 4 * limit:
                found, n_left_out = [_closest(np.concatenate(found), limit)], n_left_out + n_new - limit
                n_new = limit
    return _closest(np.concatenate(found), limit)[:, :2], n_left_out + max(0, n_new - limit)


def _consecutive(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """So many numbers from each start on, one run after the other."""
    numbers = np.repeat(starts - np.cumsum(counts) + counts, counts)
    numbers += np.arange(len(numbers))
    return numbers


def _close_among(
    differing: NDArray[np.uint64],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    earlier: list[np.uint64],
    max_hamming: int,
) -> NDArray[np.int64]:
    """Those of some pairs (row, later row, distance) that differ in few bits, yet in each of some earlier bands."""
    distance = _count_bits(differing)
    close = np.flatnonzero(distance <= max_hamming)
    left, right, differing = pairs[0][close], pairs[1][close], differing[close]
    new = left < right
    for mask in earlier:
        new &= (differing & mask) != 0
    return np.stack([left[new], right[new], distance[close[new]]], axis=1)


def near_pairs(
    hashes: ArrayLike, *, max_hamming: int = MAX_HAMMING, max_pairs: int | None = None
) -> tuple[list[tuple[int, int, int]], bool]:
    """Pairs of rows whose hashes differ in few bits, closest first.

    Of more than 32 images with one and the same hash, the first 32 are paired among each other, the rest with the
    first: enough to join them, and no explosion on a folder of blank images.

    Parameters
    ----------
    hashes : array-like of shape (n_images,), uint64
    max_hamming : int in 0..6
    max_pairs : int, optional
        At most so many pairs, the closest. Default: 20 per image, and at least 10,000.

    Returns
    -------
    pairs : list of (row, later row, differing bits)
    cut : bool
        Whether there were more pairs.
    """
    if not 0 <= max_hamming <= MAX_HAMMING:
        raise ValueError(f"max_hamming is {max_hamming}; expected 0 to {MAX_HAMMING}")
    values = np.asarray(hashes, dtype=np.uint64)
    limit = max(10_000, 20 * len(values)) if max_pairs is None else max_pairs
    codes = number_by_appearance(values)
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    distinct = values[[rows[0] for rows in members if len(rows)]]
    pairs = [(left, right, 0) for rows in members for left, right in _pairs_of_equals(rows)]
    for left, right, distance in _distinct_pairs(distinct, max_hamming, limit):
        if len(pairs) > limit:  # closest first, so no closer pair comes; many alike would be many pairs of pairs
            break
        for one in members[left][:_MAX_ALIKE].tolist():
            pairs += [(min(one, other), max(one, other), distance) for other in members[right][:_MAX_ALIKE].tolist()]
    pairs.sort(key=lambda pair: (pair[2], pair[0], pair[1]))
    return pairs[:limit], len(pairs) > limit


def _pairs_of_equals(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    alike = rows[:_MAX_ALIKE].tolist()
    for position, left in enumerate(alike):
        for right in alike[position + 1 :]:
            yield left, right
    for right in rows[_MAX_ALIKE:].tolist():
        yield alike[0], right


def _distinct_pairs(hashes: NDArray[np.uint64], max_hamming: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """Pairs of different hashes, closest first, at most one more than `limit`.

    Two hashes that differ in at most 6 bits agree in at least one of 7 bands of bits, so only those that share a
    band are compared (multi-index hashing: Norouzi, Punjani, Fleet, CVPR 2012). A pair is taken in the first band
    that it shares.
    """
    found, n_found = [np.empty((0, 3), dtype=np.int64)], 0
    masks = _band_masks(_N_BANDS)
    for band in range(_N_BANDS):
        for block in _band_blocks(hashes, masks, band, max_hamming):
            found.append(block)
            n_found += len(block)
            if n_found > 4 * limit + 100_000:
                found = [_closest(np.concatenate(found), limit + 1)]
                n_found = len(found[0])
    kept = _closest(np.concatenate(found), limit + 1)
    for start in range(0, len(kept), _BLOCK >> 6):  # millions of tuples at once would take more than the pairs
        yield from (tuple(pair) for pair in kept[start : start + (_BLOCK >> 6)].tolist())


def _closest(pairs: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0], pairs[:, 2]))[:limit]]


def _band_masks(n_bands: int) -> list[np.uint64]:
    edges = np.linspace(0, 64, n_bands + 1).round().astype(int).tolist()
    return [np.uint64((1 << stop) - (1 << start)) for start, stop in pairwise(edges)]


def _band_blocks(
    hashes: NDArray[np.uint64], masks: list[np.uint64], band: int, max_hamming: int
) -> Iterator[NDArray[np.int64]]:
    """Close pairs (left, right, distance) among the hashes that share one band and no earlier one."""
    keys = hashes & masks[band]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0, True])
    for start, stop in pairwise(starts.tolist()):
        bucket = order[start:stop]
        step = max(1, _BLOCK // max(1, len(bucket)))
        for first in range(0, len(bucket) - 1, step):
            yield _close_in_bucket(hashes, bucket, slice(first, first + step), masks[:band], max_hamming)


def _close_in_bucket(
    hashes: NDArray[np.uint64], bucket: NDArray[np.int64], part: slice, earlier: list[np.uint64], max_hamming: int
) -> NDArray[np.int64]:
    differing = hashes[bucket[part], None] ^ hashes[bucket]  # (part, bucket)
    distance = _count_bits(differing)
    left, right = np.nonzero(distance <= max_hamming)
    once = bucket[part][left] < bucket[right]
    left, right = left[once], right[once]
    found = differing[left, right]
    new = np.ones(len(found), dtype=np.bool_)
    for mask in earlier:
        new &= (found & mask) != 0
    return np.stack([bucket[part][left[new]], bucket[right[new]], distance[left[new], right[new]]], axis=1)


def _count_bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(values))
    parts = np.ascontiguousarray(values).view(np.uint16).reshape(*values.shape, 4)
    counts: NDArray[np.uint8] = _SET_BITS[parts].sum(axis=-1, dtype=np.uint8)
    return counts
