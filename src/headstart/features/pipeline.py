"""From files to features batch by batch: decoding runs ahead of the forward pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data.dataset import ImageDataset
from headstart.data.decode import decode
from headstart.data.preparation import Preparation
from headstart.errors import ImageError
from headstart.features.extractor import Extractor
from headstart.storage import hash_bytes

_BATCHES_AHEAD = 4
_Prepared = NDArray[np.uint8] | ImageError


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
