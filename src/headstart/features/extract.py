"""Features of every image of a data set: from the cache where it has them, computed where it has not."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray

from headstart.backbones.backbone import Backbone
from headstart.data.dataset import ImageDataset
from headstart.data.decode import decode
from headstart.data.preparation import Preparation
from headstart.errors import ImageError
from headstart.features.cache import FeatureCache
from headstart.features.engine import Engine
from headstart.progress import Progress, Silent
from headstart.storage import hash_bytes

ROWS_PER_SHARD = 128
_BATCHES_AHEAD = 4
_Prepared = NDArray[np.uint8] | ImageError


class Extractor:
    """The frozen part of a backbone, ready to turn images into features.

    Parameters
    ----------
    backbone : Backbone
    preparation : Preparation
        From image to pixels of one size.
    engine : Engine
        Where and how the forward pass runs.
    """

    def __init__(self, backbone: Backbone, preparation: Preparation, engine: Engine) -> None:
        self.backbone = backbone
        self.preparation = preparation
        self.engine = engine
        self._device = torch.device(engine.device)
        self._module = backbone.module.to(self._device)

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its features: the cache key's second half."""
        return {
            "backbone": self.backbone.name,
            "tensors": self.backbone.tensors_sha256,
            "normalisation": [list(self.backbone.mean), list(self.backbone.std)],
            "preparation": self.preparation.settings(),
            "stage": self.backbone.stage,
            "view": "identity",
            "engine": self.engine.settings(),
            "decoder": f"pillow {PIL.__version__}",
            "architecture": f"timm {importlib.metadata.version('timm')}",
        }

    def compute(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of prepared images.

        The batch is filled up to the engine's batch size, so an image's features do not depend on its company.

        Parameters
        ----------
        pixels : ndarray of shape (n_images, height, width, 3), uint8
            At most one batch.

        Returns
        -------
        ndarray of shape (n_images, feature_width), float32
        """
        n_images = len(pixels)
        if n_images < self.engine.batch_size:
            filling = np.zeros((self.engine.batch_size - n_images, *pixels.shape[1:]), dtype=np.uint8)
            pixels = np.concatenate([pixels, filling])
        with torch.inference_mode(), torch_threads(self.engine.n_threads), full_precision():
            features = self._module(self.backbone.normalise(pixels, self._device))
        return np.ascontiguousarray(features[:n_images].float().cpu().numpy())


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Run a block with fp32 meaning fp32 on CUDA too: no TF32, and always the same algorithms."""
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before


@contextlib.contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Run a block with a fixed number of torch threads, and put the former number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, eq=False)
class FeatureBatch:
    """Features of one batch of a data set.

    Attributes
    ----------
    rows : list of int
        Rows that could be read.
    features : ndarray of shape (len(rows), feature_width), float32
    failed : list of (int, ImageError)
        Rows that could not, and why.
    """

    rows: list[int]
    features: NDArray[np.float32]
    failed: list[tuple[int, ImageError]]


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


def stream_features(
    dataset: ImageDataset, extractor: Extractor, rows: Sequence[int] | None = None
) -> Iterator[FeatureBatch]:
    """Features batch by batch in row order, images decoded by threads a few batches ahead of the forward pass.

    Unreadable images are handed back with their reason and stop nothing. Memory does not grow with the data set.

    Parameters
    ----------
    dataset : ImageDataset
        Where its hashes are known, a file whose content no longer fits is refused.
    extractor : Extractor
    rows : sequence of int, optional
        Default: all.
    """
    rows = range(len(dataset)) if rows is None else rows
    size = extractor.engine.batch_size
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    waiting: deque[list[tuple[int, Future[_Prepared]]]] = deque()
    with ThreadPoolExecutor(max(1, extractor.engine.n_threads)) as pool:
        try:
            for batch in batches:
                waiting.append([(row, pool.submit(_prepare, dataset, row, extractor.preparation)) for row in batch])
                if len(waiting) > _BATCHES_AHEAD:
                    yield _computed(waiting.popleft(), extractor)
            while waiting:
                yield _computed(waiting.popleft(), extractor)
        finally:
            for futures in waiting:
                for _, future in futures:
                    future.cancel()


def _computed(futures: list[tuple[int, Future[_Prepared]]], extractor: Extractor) -> FeatureBatch:
    rows: list[int] = []
    pixels: list[NDArray[np.uint8]] = []
    failed: list[tuple[int, ImageError]] = []
    for row, future in futures:
        result = future.result()
        if isinstance(result, ImageError):
            failed.append((row, result))
        else:
            rows.append(row)
            pixels.append(result)
    if not rows:
        return FeatureBatch(rows, np.zeros((0, extractor.backbone.feature_width), dtype=np.float32), failed)
    return FeatureBatch(rows, extractor.compute(np.stack(pixels)), failed)


def _prepare(dataset: ImageDataset, row: int, preparation: Preparation) -> _Prepared:
    """Pixels of one image, or why it cannot be read; a file must still be the one that was hashed."""
    name = dataset.names[row]
    try:
        if dataset.path(row) is None:
            return dataset.prepared(row, preparation)
        encoded = dataset.encoded(row)
        if dataset.hashes is not None and hash_bytes(encoded) != dataset.hashes[row]:
            return ImageError(name, "the file changed while it was being used; run the command again")
        return preparation.apply(decode(encoded, name, white_level=preparation.white_level))
    except ImageError as error:
        return error


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
