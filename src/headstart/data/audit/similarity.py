"""Images that look alike, found in the thumbnails of an audit: near-duplicate candidates, copies, series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data.audit.copies import FoundCopies
from headstart.data.audit.cropped.search import cropped_copies
from headstart.data.audit.examine import ImageFacts
from headstart.data.audit.perceptual_hash import SIDE, near_pairs, symmetric_hashes
from headstart.data.audit.series import Series, burst_warning, find_series
from headstart.data.audit.symmetric_copies import symmetric_copies
from headstart.data.dataset import ImageDataset


@dataclass(frozen=True, eq=False)
class AlikeImages:
    """Images that look alike, as numbers among the readable ones.

    Attributes
    ----------
    candidates : list of (int, int, int)
        Near-duplicate candidates, closest first, with the bits in which their hashes differ.
    candidates_cut : bool
        Whether there were more.
    copies : list of (int, int)
        Mirrored or turned copies.
    cropped : list of (int, int)
        Copies that were cropped, turned by a few degrees, or both.
    n_left_out : int
        Comparisons for copies that were left out, because there would have been too many.
    series : Series or None
    warnings : tuple of str
        Warnings of series.
    """

    candidates: list[tuple[int, int, int]]
    candidates_cut: bool
    copies: list[tuple[int, int]]
    cropped: list[tuple[int, int]]
    n_left_out: int
    series: Series | None
    warnings: tuple[str, ...]


def find_alike(
    dataset: ImageDataset, records: Sequence[ImageFacts], readable: Sequence[int], *, n_threads: int = 1
) -> AlikeImages:
    """Copies and series among the readable images; nothing where the source says that it holds none.

    Crops and small turns are looked for where no groups are given: thumbnails cannot always tell them from strangers
    that look alike, and strangers joined across the groups would grow together to a few.

    Parameters
    ----------
    dataset : ImageDataset
    records : sequence of ImageFacts
        One per image.
    readable : sequence of int
        Rows that could be read.
    n_threads : int
        Parts of the search for crops that run side by side; never changes a pair.
    """
    if not dataset.pixels.may_hold_copies():
        return AlikeImages([], False, [], [], 0, None, ())
    joined = b"".join(records[row].thumbnail for row in readable)
    thumbnails = np.frombuffer(joined, dtype=np.uint8).reshape(-1, SIDE, SIDE)
    hashes = symmetric_hashes(thumbnails)
    candidates, cut = near_pairs(hashes[:, 0])
    copies = symmetric_copies(thumbnails, hashes)
    cropped = cropped_copies(thumbnails, n_threads=n_threads) if dataset.groups is None else FoundCopies([], 0)
    known = set(copies.pairs)
    others = [pair for pair in cropped.pairs if pair not in known]
    series, warnings = _series(dataset, records, readable, thumbnails)
    n_left_out = copies.n_left_out + cropped.n_left_out
    return AlikeImages(candidates, cut, copies.pairs, others, n_left_out, series, warnings)


def _series(
    dataset: ImageDataset, records: Sequence[ImageFacts], readable: Sequence[int], thumbnails: NDArray[np.uint8]
) -> tuple[Series | None, tuple[str, ...]]:
    """Series in the names of files and in the times of exposure, where no groups are given, and warnings of them."""
    files = [records[row].file for row in readable]
    if dataset.groups is not None or not any(files):
        return None, ()
    labels = None if dataset.labels is None else np.asarray(dataset.labels)[list(readable)]
    series = find_series([dataset.names[row] for row in readable], thumbnails, labels)
    option = dataset.pixels.group_column_option()
    burst = burst_warning([None if one is None else one.taken_s for one in files], thumbnails, labels, option)
    return series, tuple(words for words in (None if series is None else series.words(option), burst) if words)
