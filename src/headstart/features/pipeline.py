"""From files to features batch by batch: pictures are read by threads that run ahead of the forward passes."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.augment import IDENTITY, View
from headstart.data.dataset import ImageDataset
from headstart.data.images.bounds import decoding_turn
from headstart.data.images.free_memory import PILLOW_BLOCKS
from headstart.data.preparation import Preparation
from headstart.errors import ImageError

if TYPE_CHECKING:
    from headstart.features.protocol import FeatureExtractor

_IMAGES_AHEAD: Final = 32  # as many as the quickest network eats while a shard of features is being written
_BYTES_AHEAD: Final = 64 << 20  # of prepared pixels: a bound for inputs of thousands of pixels a side
_Prepared = list[NDArray[Any]] | ImageError


@dataclass(frozen=True, eq=False)
class FeatureBatch:
    """Features of one batch of a data set.

    Attributes
    ----------
    rows : list of int
        Rows that could be read.
    features : ndarray of shape (len(rows), *row_shape)
        Features of these rows, of the extractor's row shape and type.
    failed : list of (int, ImageError)
        Rows that could not, and why.
    views : list of int
        For each of `rows`, which of the views asked for it is.
    """

    rows: list[int]
    features: NDArray[Any]
    failed: list[tuple[int, ImageError]]
    views: list[int]


def stream_features(
    dataset: ImageDataset, extractor: FeatureExtractor, rows: Sequence[int] | None = None
) -> Iterator[FeatureBatch]:
    """Features batch by batch in row order, pictures read a few batches ahead of the forward passes.

    Unreadable images are handed back with their reason and stop nothing. Memory does not grow with the data set: at
    most one picture in full size for each of the engine's threads, and a bounded number of prepared ones.

    Parameters
    ----------
    dataset : ImageDataset
        Where its hashes are known, an image whose content no longer fits is refused.
    extractor : FeatureExtractor
        Its view is the one computed.
    rows : sequence of int, optional
        Default: all.
    """
    view = (extractor.view or IDENTITY,)
    return stream_views(dataset, extractor, ((row, view) for row in (range(len(dataset)) if rows is None else rows)))


def stream_views(
    dataset: ImageDataset, extractor: FeatureExtractor, requested: Iterable[tuple[int, Sequence[View]]]
) -> Iterator[FeatureBatch]:
    """Like `stream_features`, for several views of each image, which is read once.

    Parameters
    ----------
    dataset : ImageDataset
    extractor : FeatureExtractor
        Its own view does not count.
    requested : iterable of (int, sequence of View)
        Row and the views of it, taken in this order and no sooner than needed.
    """
    engine = extractor.engine
    readers = ThreadPoolExecutor(engine.n_threads, "headstart-read")
    streams = ThreadPoolExecutor(extractor.n_streams, "headstart-stream")
    places = _submitted(readers, dataset, extractor.preparation, requested)
    n_ahead = extractor.n_streams + _batches_ahead(extractor)
    waiting: deque[Future[FeatureBatch]] = deque()
    with PILLOW_BLOCKS:
        try:
            while batch := list(itertools.islice(places, engine.batch_size)):
                waiting.append(streams.submit(_computed, batch, extractor))
                if len(waiting) > n_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            streams.shutdown(wait=False, cancel_futures=True)
            readers.shutdown(cancel_futures=True)  # frees the streams that wait for pictures
            streams.shutdown()


def joined(batches: Iterable[FeatureBatch], n_rows: int) -> Iterator[FeatureBatch]:
    """Batches put together until they hold `n_rows` or more: heads compute a whole block of rows, however few come."""
    waiting: list[FeatureBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(one.rows) for one in waiting) >= n_rows:
            yield _one_batch(waiting)
            waiting = []
    if waiting:
        yield _one_batch(waiting)


def _one_batch(batches: Sequence[FeatureBatch]) -> FeatureBatch:
    return FeatureBatch(
        [row for one in batches for row in one.rows],
        np.concatenate([one.features for one in batches]),
        [bad for one in batches for bad in one.failed],
        [view for one in batches for view in one.views],
    )


def _batches_ahead(extractor: FeatureExtractor) -> int:
    preparation, n_readers = extractor.preparation, extractor.engine.n_threads
    n_bytes = math.prod((*preparation.size, preparation.n_channels, preparation.dtype.itemsize))
    n_images = max(n_readers, min(_BYTES_AHEAD // n_bytes, max(_IMAGES_AHEAD, 2 * n_readers)))
    return -(-n_images // extractor.engine.batch_size)


@dataclass(frozen=True)
class _Place:
    """One image of a batch: which view of which row, and the reading that gives its pixels."""

    row: int
    view: int
    prepared: Future[_Prepared]


def _submitted(
    readers: ThreadPoolExecutor,
    dataset: ImageDataset,
    preparation: Preparation,
    requested: Iterable[tuple[int, Sequence[View]]],
) -> Iterator[_Place]:
    """Places in the order wanted; a row is given to the readers when its first place is asked for."""
    for row, views in requested:
        prepared = readers.submit(_prepare, dataset, row, preparation, views)
        for number in range(len(views)):
            yield _Place(row, number, prepared)


def _computed(places: Sequence[_Place], extractor: FeatureExtractor) -> FeatureBatch:
    taken: list[_Place] = []
    failed: list[tuple[int, ImageError]] = []
    pixels: list[NDArray[Any]] = []
    for place in places:
        prepared = place.prepared.result()
        if not isinstance(prepared, ImageError):
            pixels.append(prepared[place.view])
            taken.append(place)
        elif place.view == 0:  # said once, not for each view
            failed.append((place.row, prepared))
    rows, views = [place.row for place in taken], [place.view for place in taken]
    if not taken:
        return FeatureBatch(rows, np.zeros((0, *extractor.row_shape), dtype=extractor.dtype), failed, views)
    return FeatureBatch(rows, extractor.compute(np.stack(pixels)), failed, views)


def _prepare(dataset: ImageDataset, row: int, preparation: Preparation, views: Sequence[View]) -> _Prepared:
    """Pixels of every view of one image, or why it cannot be read; it must still be the one that was hashed."""
    try:
        return prepared_views(dataset, row, preparation, views)
    except ImageError as error:
        return type(error)(error.name, error.reason)  # made anew: the one raised holds the picture
    except MemoryError:
        reason = "preparing it needs more memory than is free; make the image smaller, or use fewer threads"
        return ImageError(dataset.names[row], reason)


def prepared_views(
    dataset: ImageDataset, row: int, preparation: Preparation, views: Sequence[View]
) -> list[NDArray[Any]]:
    """Pixels (height, width, channels) of every view of one image, as the network takes them; the image is read once.

    Raises
    ------
    ImageError
        When it cannot be read, or has changed.
    """
    pixels, content_hash = read_prepared(dataset, row, preparation)
    made = (pixels if view.is_identity else view.apply(pixels, content_hash) for view in views)
    return [preparation.apply(one) for one in made]


def read_prepared(dataset: ImageDataset, row: int, preparation: Preparation) -> tuple[NDArray[Any], str]:
    """Pixels before views are made, and content hash, of one image; one that no longer fits its hash is refused.

    Raises
    ------
    ImageError
        When it cannot be read, or has changed.
    """
    with decoding_turn():
        return _read_prepared(dataset, row, preparation)


def _read_prepared(dataset: ImageDataset, row: int, preparation: Preparation) -> tuple[NDArray[Any], str]:
    """See `read_prepared`; the file is gone when this function ends, so that its memory can be given to the next."""
    stored = dataset.stored(row)
    content_hash = stored.content_hash()
    if dataset.hashes is not None and content_hash != dataset.hashes[row]:
        raise ImageError(dataset.names[row], stored.changed)
    return preparation.prepare(stored), content_hash
