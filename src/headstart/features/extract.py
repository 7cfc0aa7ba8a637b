"""Features of every image of a data set: from the cache where it has them, computed where it has not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.augment import IDENTITY, View
from headstart.data.dataset import ImageDataset
from headstart.errors import StorageError
from headstart.features.cache import FeatureCache
from headstart.features.pipeline import stream_features
from headstart.features.protocol import FeatureExtractor
from headstart.features.row_array import row_array_or_memory
from headstart.progress import Progress, Silent

ROWS_PER_SHARD: Final = 128
BYTES_PER_SHARD: Final = 1 << 25


def extract_features(
    dataset: ImageDataset,
    extractor: FeatureExtractor,
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Features of every image, computed once per distinct image.

    Memory does not grow with the data set: beyond 256 MB the array lies in a file, which is gone when the array is.

    Parameters
    ----------
    dataset : ImageDataset
        With its content hashes where they are known (`ImageDataset.with_hashes`); they are computed otherwise.
    extractor : FeatureExtractor
        An `Extractor`, usually.
    cache : FeatureCache, optional
        Default: nothing is kept.
    progress : Progress, optional

    Returns
    -------
    ndarray of shape (n_images, *row_shape), float32
        One row per image, in data set order; float16 for stage maps.

    Raises
    ------
    ImageError
        The first image that cannot be read, or that changed since it was hashed. What was computed is kept.
    """
    cache = cache or FeatureCache(None)
    progress = progress or Silent()
    hashed = with_content_hashes(dataset)
    rows, note = row_array_or_memory((len(dataset), *extractor.row_shape), extractor.dtype, cache.folder)
    if note:
        progress.note(note)
    hashes = hashed.hashes or ()
    kept = cache.fill(extractor.settings(), hashes, rows.array, wrote=rows.forget)
    first = first_rows(hashes, ~kept)
    if not first:
        return rows.array
    with (
        progress.task(f"Features ({extractor.label})", len(first), "images") as advance,
        ShardWriter(cache, extractor.settings()) as shards,
    ):
        for batch in stream_features(hashed, extractor, list(first.values())):
            shards.add([hashes[row] for row in batch.rows], batch.features)
            rows.array[batch.rows] = batch.features
            rows.forget(batch.features.nbytes)
            advance(len(batch.rows))
            if batch.failed:
                raise batch.failed[0][1]
    for row in np.flatnonzero(~kept).tolist():  # copies of an image computed above
        if first[hashes[row]] != row:
            rows.array[row] = rows.array[first[hashes[row]]]
    return rows.array


def n_cached(dataset: ImageDataset, extractor: FeatureExtractor, cache: FeatureCache, view: View = IDENTITY) -> int:
    """Number of images whose features, or those of a view, the cache already has, by their content hashes alone."""
    settings = {**extractor.settings(), "view": view.settings()}
    return int(cache.kept(settings, with_content_hashes(dataset).hashes or ()).sum())


def with_content_hashes(dataset: ImageDataset) -> ImageDataset:
    """The data set with its content hashes, computed where they are not known."""
    if dataset.hashes is not None:
        return dataset
    return dataset.with_hashes([dataset.content_hash(row) for row in range(len(dataset))])


def first_rows(hashes: Sequence[str], missing: NDArray[np.bool_]) -> dict[str, int]:
    """First row of every content that is missing, in data set order."""
    first: dict[str, int] = {}
    for row in np.flatnonzero(missing).tolist():
        first.setdefault(hashes[row], row)
    return first


class ShardWriter:
    """Collects rows into shards for the cache; what is finished is kept also when the work is interrupted.

    Parameters
    ----------
    cache : FeatureCache
    settings : dict
        What shapes the rows beside the image.
    n_writers : int
        How many of these collect at once: they share the memory.
    required : bool
        Stop with `StorageError` when the cache keeps nothing, instead of going on.
    """

    def __init__(
        self, cache: FeatureCache, settings: dict[str, Any], *, n_writers: int = 1, required: bool = False
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._most_bytes = BYTES_PER_SHARD // n_writers
        self._required = required
        self._digests: list[str] = []
        self._rows: list[NDArray[Any]] = []
        self._n_bytes = 0

    def add(self, digests: Sequence[str], rows: NDArray[Any]) -> None:
        """Keep some rows, now or with later ones: in shards of about 128 rows, or 32 MiB where rows are large."""
        self._digests += digests
        self._rows.append(rows)
        self._n_bytes += rows.nbytes
        if len(self._digests) >= ROWS_PER_SHARD or self._n_bytes >= self._most_bytes:
            self._flush()

    def _flush(self) -> None:
        digests, rows = self._digests, self._rows
        self._digests, self._rows, self._n_bytes = [], [], 0
        if digests and not self._cache.store(self._settings, digests, rows) and self._required:
            raise self._cache.refusal or StorageError("The cache keeps nothing.")

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._flush()
