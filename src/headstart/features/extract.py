"""Features of the images of a data set, or of views of them: from the cache, or computed, each image read once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.augment import IDENTITY, View
from headstart.data.dataset import ImageDataset
from headstart.data.images.files import damage_of, note_damage
from headstart.errors import ImageError, InputError, StorageError
from headstart.features.cache import FeatureCache
from headstart.features.cache.read import Columns
from headstart.features.pipeline import stream_views
from headstart.features.protocol import FeatureExtractor, PassExtractor, RowPart
from headstart.features.row_array import RowArray, row_array_or_memory
from headstart.progress import Progress, Silent

ROWS_PER_SHARD: Final = 128
BYTES_PER_SHARD: Final = 1 << 25
_ARRAYS_BY_FOLD: Final = 8  # of features that differ from fold to fold: some folds and the final model
_ROWS_AT_ONCE: Final = 1024


def extract_features(
    dataset: ImageDataset,
    extractor: FeatureExtractor,
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
    fold: str = "",
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
    fold : str
        Name of the outer fold that the features are for, where they differ from fold to fold: progress shows it, and
        already arrays of 32 MB lie in a file, since there are several.

    Returns
    -------
    ndarray of shape (n_images, *row_shape), float32
        One row per image, in data set order; float16 for stage maps. Of 0 features no image is read.

    Raises
    ------
    ImageError
        The first image that cannot be read, or that changed since it was hashed. What was computed is kept.
    """
    if isinstance(extractor, PassExtractor) and extractor.averaged:
        views = extract_views(dataset, extractor, extractor.averaged, cache=cache, progress=progress, fold=fold)
        return _averaged(views, cache or FeatureCache(None))
    if extractor.row_shape == (0,):
        return np.zeros((len(dataset), 0), dtype=extractor.dtype)
    view = extractor.view or IDENTITY
    cache, progress = cache or FeatureCache(None), progress or Silent()
    work = _Extraction(with_content_hashes(dataset), extractor, (view,), cache, progress, several=bool(fold))
    rows: NDArray[Any] = work.run(f"Features ({extractor.label}{_for(fold)})", "images")[0]
    return rows


def extract_views(
    dataset: ImageDataset,
    extractor: FeatureExtractor,
    views: Sequence[View],
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
    fold: str = "",
) -> NDArray[Any]:
    """Features of several views of every image, computed once per distinct image and view.

    An image is read once for all its views that are missing. The same view asked for alone, by an extractor that has
    it, is found in the same cache.

    Parameters
    ----------
    dataset : ImageDataset
    extractor : FeatureExtractor
        Its own view does not count, nor do those that its features are averaged over.
    views : sequence of View
        At least one; see `headstart.augment.views`.
    cache : FeatureCache, optional
        Default: nothing is kept.
    progress : Progress, optional
    fold : str
        Name of the outer fold that the features are for, where they differ from fold to fold: progress shows it, and
        already arrays of 32 MB lie in a file, since there are several.

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
    if not views:
        raise InputError("No views were asked for; give at least one, such as headstart.augment.views('flips', 4).")
    for view in views:
        view.check_takes(extractor.preparation.size)
    cache, progress = cache or FeatureCache(None), progress or Silent()
    work = _Extraction(with_content_hashes(dataset), extractor, views, cache, progress, several=bool(fold))
    return work.run(f"Features ({extractor.label}, {len(views)} views{_for(fold)})", "views").swapaxes(0, 1)


def extract_readable(
    dataset: ImageDataset, extractor: FeatureExtractor, views: Sequence[View], cache: FeatureCache
) -> tuple[NDArray[Any], list[tuple[int, ImageError]]]:
    """Features of several views of every image that can be read, and the images that cannot.

    Parameters
    ----------
    dataset : ImageDataset
        With its content hashes.
    extractor : FeatureExtractor
    views : sequence of View
    cache : FeatureCache

    Returns
    -------
    features : ndarray of shape (n_images, n_views, *row_shape)
        As `extract_views` gives them; of an image that cannot be read the row holds no features.
    failed : list of (int, ImageError)
        Rows that could not be read, in order, and why.
    """
    bad: dict[str, ImageError] = {}
    work = _Extraction(dataset, extractor, views, cache, Silent(), failed=bad)
    features = work.run(f"Features ({extractor.label})", "views").swapaxes(0, 1)
    _note_damaged_copies(dataset)
    rows = [(row, bad[digest]) for row, digest in enumerate(work.hashes) if digest in bad]
    return features, [(row, ImageError(dataset.names[row], error.reason)) for row, error in rows]


def _note_damaged_copies(dataset: ImageDataset) -> None:
    """Note what is missing of copies of damaged pictures: only the first of each was decoded."""
    hashes = dataset.hashes or ()
    named = list(zip(hashes, dataset.names, strict=True))
    damaged = {digest: missing for digest, name in named if (missing := damage_of(dataset.pixels, name)) is not None}
    for digest, name in named if damaged else ():
        if digest in damaged:
            note_damage(dataset.pixels, name, damaged[digest])


@dataclass(frozen=True, eq=False)
class _Extraction:
    """Views of the images of one data set, taken from the cache or computed.

    Where `failed` is given, an image that cannot be read is noted there by its content hash, and stops nothing.
    """

    dataset: ImageDataset
    extractor: FeatureExtractor
    views: Sequence[View]
    cache: FeatureCache
    progress: Progress
    several: bool = False
    failed: dict[str, ImageError] | None = None

    @property
    def hashes(self) -> Sequence[str]:
        return self.dataset.hashes or ()

    def run(self, title: str, unit: str) -> NDArray[Any]:
        """Features of shape (n_views, n_images, *row_shape): every view's rows together, as the cache has them."""
        shape = (len(self.views), len(self.dataset), *self.extractor.row_shape)
        rows, note = row_array_or_memory(
            shape, self.extractor.dtype, self.cache.folder, n_arrays=_ARRAYS_BY_FOLD if self.several else 1
        )
        if note:
            self.progress.note(note)
        cached = [self._fill(view, out, rows) for view, out in zip(self.views, rows.array, strict=True)]
        first = [first_rows(self.hashes, ~of_view) for of_view in cached]
        if any(first):
            self._compute(rows, first, title, unit)
        for out, of_view, was_cached in zip(rows.array, first, cached, strict=True):
            for row in np.flatnonzero(~was_cached).tolist():  # copies of an image take the row of the first of them
                if of_view[self.hashes[row]] != row:
                    out[row] = out[of_view[self.hashes[row]]]
        return rows.array

    @cached_property
    def parts(self) -> tuple[RowPart, ...]:
        """Parts that the rows of the forward pass are kept in; none where they are kept whole."""
        return self.extractor.parts() if isinstance(self.extractor, PassExtractor) else ()

    def _fill(self, view: View, out: NDArray[Any], rows: RowArray) -> NDArray[np.bool_]:
        """Copy what the cache has of a view into its array; which rows are whole then."""
        if not self.parts:
            return self.cache.fill(view_settings(self.extractor, view), self.hashes, out, wrote=rows.advise_free)
        whole = np.ones(len(self.hashes), dtype=np.bool_)
        for part in self.parts:
            if len(part.taken):
                columns = Columns(len(part.columns), part.taken, part.placed)
                settings = {**part.settings, "view": view.settings()}
                whole &= self.cache.fill(settings, self.hashes, out, columns=columns, wrote=rows.advise_free)
        return whole

    def _compute(self, rows: RowArray, first: Sequence[dict[str, int]], title: str, unit: str) -> None:
        """Compute what is missing, each image read once for all its views, and store it in the cache."""
        missing: dict[int, list[int]] = {}
        for number, of_view in enumerate(first):
            for row in of_view.values():
                missing.setdefault(row, []).append(number)
        requested = ((row, [self.views[number] for number in missing[row]]) for row in sorted(missing))
        total = sum(len(of_view) for of_view in first)
        extractor, columns = self.extractor, None
        if isinstance(extractor, PassExtractor) and extractor.columns is not None:
            columns, extractor = extractor.columns, extractor.whole()
        with self.progress.task(title, total, unit) as advance, ExitStack() as stack:
            keepers = [self._keepers(view, stack) for view in self.views]
            for batch in stream_views(self.dataset, extractor, requested):
                numbers = np.array([missing[row][place] for row, place in zip(batch.rows, batch.views, strict=True)])
                for number in np.unique(numbers).tolist():
                    at = np.flatnonzero(numbers == number)
                    where, passed = [batch.rows[place] for place in at], batch.features[at]
                    whole = [place for place, row in enumerate(where) if self._is_whole(row)]
                    for keeper in keepers[number]:
                        keeper.keep([where[place] for place in whole], self.hashes, passed[whole])
                    rows.array[number, where] = passed if columns is None else passed[:, columns]
                rows.advise_free(batch.features.nbytes)
                advance(len(batch.rows))
                self._note(batch.failed)

    def _is_whole(self, row: int) -> bool:
        """Whether nothing is missing of an image: the cache answers whoever takes no damaged ones, too."""
        return damage_of(self.dataset.pixels, self.dataset.names[row]) is None

    def _note(self, failed: Sequence[tuple[int, ImageError]]) -> None:
        """Note images that cannot be read, or raise for the first of them."""
        for row, error in failed:
            if self.failed is None:
                raise error
            self.failed[self.hashes[row]] = error

    def _keepers(self, view: View, stack: ExitStack) -> list[_Keeper]:
        """Writers that store the rows of a view in the cache, part by part."""
        if not self.parts:
            settings = view_settings(self.extractor, view)
            return [_Keeper(stack.enter_context(ShardWriter(self.cache, settings, n_writers=len(self.views))))]
        n_writers, found = len(self.views) * len(self.parts), []
        for part in self.parts:
            settings = {**part.settings, "view": view.settings()}
            writer = stack.enter_context(ShardWriter(self.cache, settings, n_writers=n_writers))
            found.append(_Keeper(writer, part.columns, self.cache.kept(settings, self.hashes)))
        return found


@dataclass(frozen=True, eq=False)
class _Keeper:
    """Stores one part of the rows of one view: those columns, of rows that are not kept yet."""

    writer: ShardWriter
    columns: NDArray[np.int64] | None = None
    kept: NDArray[np.bool_] | None = None

    def keep(self, where: Sequence[int], hashes: Sequence[str], passed: NDArray[Any]) -> None:
        """Store rows that the forward pass gave for the images of some numbers."""
        if self.columns is None or self.kept is None:
            self.writer.add([hashes[row] for row in where], passed)
            return
        new = np.flatnonzero(~self.kept[list(where)])
        if len(new):
            self.writer.add([hashes[where[place]] for place in new.tolist()], passed[np.ix_(new, self.columns)])


def _averaged(views: NDArray[Any], cache: FeatureCache) -> NDArray[np.float32]:
    """Mean over the views of every image, (n_images, n_features), from (n_images, n_views, n_features)."""
    rows, _ = row_array_or_memory((len(views), views.shape[2]), views.dtype, cache.folder)
    for start in range(0, len(views), _ROWS_AT_ONCE):
        rows.array[start : start + _ROWS_AT_ONCE] = mean_of_views(views[start : start + _ROWS_AT_ONCE])
        rows.advise_free(rows.array[start : start + _ROWS_AT_ONCE].nbytes)
    return rows.array


def mean_of_views(views: NDArray[Any]) -> NDArray[np.float32]:
    """Mean over axis 1, added up view by view in float64: a row does not depend on the others of the call."""
    total = np.zeros((len(views), *views.shape[2:]))
    for number in range(views.shape[1]):
        total += views[:, number]
    return np.asarray(total / views.shape[1], dtype=np.float32)


def _for(fold: str) -> str:
    return f", {fold}" if fold else ""


def view_settings(extractor: FeatureExtractor, view: View) -> dict[str, Any]:
    """Settings that the features of a view depend on beside the image: the second half of the cache key."""
    return {**extractor.settings(), "view": view.settings()}


def n_cached(dataset: ImageDataset, extractor: FeatureExtractor, cache: FeatureCache, view: View = IDENTITY) -> int:
    """Number of images whose features, or those of a view, the cache already has, by their content hashes alone."""
    if extractor.row_shape == (0,):
        return len(dataset)
    hashes = with_content_hashes(dataset).hashes or ()
    parts = extractor.parts() if isinstance(extractor, PassExtractor) else ()
    needed = [{**part.settings, "view": view.settings()} for part in parts if len(part.taken)]
    kept = [cache.kept(settings, hashes) for settings in needed or [view_settings(extractor, view)]]
    return int(np.logical_and.reduce(kept).sum())


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
        Number of writers that collect at once: they share the memory.
    required : bool
        Stop with `StorageError` when the cache keeps nothing, instead of going on.
    """

    def __init__(
        self, cache: FeatureCache, settings: dict[str, Any], *, n_writers: int = 1, required: bool = False
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._max_bytes = BYTES_PER_SHARD // n_writers
        self._required = required
        self._digests: list[str] = []
        self._rows: list[NDArray[Any]] = []
        self._n_bytes = 0

    def add(self, digests: Sequence[str], rows: NDArray[Any]) -> None:
        """Keep some rows, now or with later ones: in shards of about 128 rows, or 32 MiB where rows are large."""
        self._digests += digests
        self._rows.append(rows)
        self._n_bytes += rows.nbytes
        if len(self._digests) >= ROWS_PER_SHARD or self._n_bytes >= self._max_bytes:
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
