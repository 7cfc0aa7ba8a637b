"""Features of several views of every image: each view from the cache where it has them, each image read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.augment import View
from headstart.data.dataset import ImageDataset
from headstart.errors import InputError
from headstart.features.cache import FeatureCache
from headstart.features.extract import ShardWriter, first_rows, with_content_hashes
from headstart.features.extractor import Extractor
from headstart.features.pipeline import stream_views
from headstart.features.row_array import row_array_or_memory
from headstart.progress import Progress, Silent


def extract_views(
    dataset: ImageDataset,
    extractor: Extractor,
    views: Sequence[View],
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Features of several views of every image, computed once per distinct image and view.

    An image is read once for all its views that are missing. The same view asked for alone, by an extractor that has
    it, is found in the same cache.

    Parameters
    ----------
    dataset : ImageDataset
    extractor : Extractor
        Its own view does not count.
    views : sequence of View
        At least one; see `headstart.augment.views`.
    cache : FeatureCache, optional
        Default: nothing is kept.
    progress : Progress, optional

    Returns
    -------
    ndarray of shape (n_images, n_views, *row_shape), float32
        In data set order; float16 for stage maps. Beyond 256 MB it lies in a file, which is gone when the array is.

    Raises
    ------
    InputError
        Without views, or when one does not take the preparation's size; said before anything is read.
    ImageError
        The first image that cannot be read, or that changed since it was hashed. What was computed is kept.
    """
    _check(views, extractor)
    cache, progress = cache or FeatureCache(None), progress or Silent()
    hashed = with_content_hashes(dataset)
    hashes = hashed.hashes or ()
    shape = (len(views), len(dataset), *extractor.row_shape)  # every view's rows together, as the cache has them
    rows, note = row_array_or_memory(shape, extractor.dtype, cache.folder)
    if note:
        progress.note(note)
    settings = [view_settings(extractor, view) for view in views]
    kept = [cache.fill(one, hashes, out, wrote=rows.forget) for one, out in zip(settings, rows.array, strict=True)]
    first = [first_rows(hashes, ~of_view) for of_view in kept]
    n_missing = sum(len(of_view) for of_view in first)
    if n_missing:
        title = f"Features ({extractor.backbone.name}, {len(views)} views)"
        with progress.task(title, n_missing, "views") as advance, ExitStack() as stack:
            shards = [stack.enter_context(ShardWriter(cache, one, n_writers=len(views))) for one in settings]
            for row, number, features in _computed(hashed, extractor, views, first):
                rows.array[number, row] = features
                rows.forget(features.nbytes)
                shards[number].add([hashes[row]], features[None])
                advance(1)
    for out, of_view, was_kept in zip(rows.array, first, kept, strict=True):
        _copy_repeated(out, hashes, of_view, was_kept)
    return rows.array.swapaxes(0, 1)


def _check(views: Sequence[View], extractor: Extractor) -> None:
    """Refuse what cannot be computed, before anything is read."""
    if not views:
        raise InputError("No views were asked for; give at least one, such as headstart.augment.views('flips', 4).")
    for view in views:
        view.check_takes(extractor.preparation.size)


def _copy_repeated(
    rows: NDArray[Any], hashes: Sequence[str], first: dict[str, int], was_kept: NDArray[np.bool_]
) -> None:
    """Give copies of an image the row that was computed for the first of them."""
    for row in np.flatnonzero(~was_kept).tolist():
        rows[row] = rows[first[hashes[row]]]


def view_settings(extractor: Extractor, view: View) -> dict[str, Any]:
    """What shapes the rows of a view beside the image: the cache key's second half."""
    return {**extractor.settings(), "view": view.settings()}


def _computed(
    dataset: ImageDataset, extractor: Extractor, views: Sequence[View], first: Sequence[dict[str, int]]
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Row, number of the view and features of what is missing."""
    missing: dict[int, list[int]] = {}
    for number, of_view in enumerate(first):
        for row in of_view.values():
            missing.setdefault(row, []).append(number)
    wanted = ((row, [views[number] for number in missing[row]]) for row in sorted(missing))
    for batch in stream_views(dataset, extractor, wanted):
        for row, position, features in zip(batch.rows, batch.views, batch.features, strict=True):
            yield row, missing[row][position], features
        if batch.failed:
            raise batch.failed[0][1]
