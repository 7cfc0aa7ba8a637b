"""Features of every image of a data set: from the cache where it has them, computed where it has not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.dataset import ImageDataset
from headstart.features.cache import FeatureCache
from headstart.features.extractor import Extractor
from headstart.features.pipeline import stream_features
from headstart.progress import Progress, Silent

ROWS_PER_SHARD = 128


def extract_features(
    dataset: ImageDataset,
    extractor: Extractor,
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Features of every image, computed once per distinct image.

    Parameters
    ----------
    dataset : ImageDataset
        With its content hashes where they are known (`ImageDataset.with_hashes`); they are computed otherwise.
    extractor : Extractor
    cache : FeatureCache, optional
        Default: nothing is kept.
    progress : Progress, optional

    Returns
    -------
    ndarray of shape (n_images, feature_width), float32
        One row per image, in data set order.

    Raises
    ------
    ImageError
        The first image that cannot be read, or that changed since it was hashed. What was computed is kept.
    """
    cache = cache or FeatureCache(None)
    progress = progress or Silent()
    hashes = [dataset.content_hash(row) for row in range(len(dataset))]
    settings = extractor.settings()
    known = cache.load(settings, hashes)
    missing = _first_rows(hashes, known)
    title = f"Features ({extractor.backbone.name})"
    with progress.task(title, len(hashes), "images") as advance, _Shards(cache, settings) as shards:
        advance(len(hashes) - len(missing))
        for batch in stream_features(dataset.with_hashes(hashes), extractor, missing):
            digests = [hashes[row] for row in batch.rows]
            shards.add(digests, batch.features)
            known.update(zip(digests, batch.features, strict=True))
            advance(len(batch.rows))
            if batch.failed:
                raise batch.failed[0][1]
    if not hashes:
        return np.zeros((0, extractor.backbone.feature_width), dtype=np.float32)
    return np.stack([known[digest] for digest in hashes])


def n_cached(dataset: ImageDataset, extractor: Extractor, cache: FeatureCache) -> int:
    """Number of images whose features the cache already has."""
    hashes = [dataset.content_hash(row) for row in range(len(dataset))]
    known = cache.load(extractor.settings(), hashes)
    return sum(digest in known for digest in hashes)


def _first_rows(hashes: Sequence[str], known: dict[str, NDArray[np.float32]]) -> list[int]:
    """First row of every content that is not known yet, in data set order."""
    first: dict[str, int] = {}
    for row, digest in enumerate(hashes):
        if digest not in known:
            first.setdefault(digest, row)
    return list(first.values())


class _Shards:
    """Collects rows into shards for the cache; what is finished is kept also when the work is interrupted."""

    def __init__(self, cache: FeatureCache, settings: dict[str, Any]) -> None:
        self._cache = cache
        self._settings = settings
        self._digests: list[str] = []
        self._features: list[NDArray[np.float32]] = []

    def add(self, digests: Sequence[str], features: NDArray[np.float32]) -> None:
        self._digests += digests
        self._features.append(features)
        if len(self._digests) >= ROWS_PER_SHARD:
            self._flush()

    def _flush(self) -> None:
        if self._digests:
            self._cache.store(self._settings, self._digests, np.concatenate(self._features))
        self._digests, self._features = [], []

    def __enter__(self) -> _Shards:
        return self

    def __exit__(self, *exception: object) -> None:
        self._flush()
