"""Stage maps: the output of one stage for every image and view, on disk, read by rows as training asks for them."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.augment import IDENTITY, View
from headstart.data.dataset import ImageDataset
from headstart.errors import InputError, StorageError
from headstart.features.cache import FeatureCache
from headstart.features.cache.size_limit import free_bytes, size_in_words
from headstart.features.extract import ShardWriter, first_rows, with_content_hashes
from headstart.features.pipeline import stream_views
from headstart.progress import Progress, Silent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headstart.features.extractor import Extractor

_SPARE_BYTES: Final = 10**9  # left free on the disk for everything else
_ROUNDS: Final = 3  # another process may remove what was computed before it is opened
_PREFIX: Final = "headstart-maps-"
_ABANDONED_S: Final = 7 * 86_400.0


class StageMaps:
    """Output of one stage for every image and view, float16, memory-mapped.

    Made by `extract_maps`. Every file was checked against its hash when it was opened; reading rows checks nothing
    more and holds no file open. The maps stay readable while this object lives, whatever becomes of the cache.

    Parameters
    ----------
    maps : sequence of ndarray of shape (any, *row_shape), float16
        Memory maps.
    place : ndarray of shape (n_images, n_views, 2), int64
        For every image and view the number of its map, and the row there.
    row_shape : tuple of int
        Shape of one stage map: (channels, height, width), or (tokens, width).
    viewed : bool
        Whether views were asked for, and `shape` has an axis for them.

    Attributes
    ----------
    shape : tuple of int
        (n_images, *row_shape), or (n_images, n_views, *row_shape) where views were asked for.
    dtype : numpy dtype
        float16.
    """

    def __init__(
        self, maps: Sequence[NDArray[Any]], place: NDArray[np.int64], row_shape: tuple[int, ...], *, viewed: bool
    ) -> None:
        self._maps = list(maps)
        self._place = place
        self.row_shape = row_shape
        self.dtype = np.dtype(np.float16)
        self.shape = (len(place), *(place.shape[1:2] if viewed else ()), *row_shape)
        self._viewed = viewed

    def __len__(self) -> int:
        return len(self._place)

    def __repr__(self) -> str:
        return f"<StageMaps: {self.shape}, float16, {self.nbytes / 1e6:,.1f} MB on disk>"

    @property
    def n_views(self) -> int:
        """Views of every image; 1 where none were asked for."""
        return int(self._place.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes that all rows would take in memory."""
        return self.estimate_bytes(self.row_shape, len(self), self.n_views)

    @staticmethod
    def estimate_bytes(row_shape: Sequence[int], n_images: int, n_views: int = 1) -> int:
        """Bytes that stage maps take on disk, known before anything is computed.

        Examples
        --------
        >>> StageMaps.estimate_bytes((512, 14, 14), 1_000, n_views=4)
        802816000
        """
        return math.prod(row_shape) * 2 * n_images * n_views

    def __getitem__(self, rows: int | slice | ArrayLike) -> NDArray[np.float16]:
        """Maps of some images, with all of their views: a copy of shape (n_rows, *shape[1:]), or shape[1:] for one."""
        if not isinstance(rows, int | slice):
            rows = np.asarray(rows) if np.size(rows) else np.empty(0, dtype=np.int64)
        taken = self._gather(self._place[rows])
        return taken if self._viewed else taken.reshape(*taken.shape[: -len(self.row_shape) - 1], *self.row_shape)

    def take(self, rows: ArrayLike, views: int | ArrayLike) -> NDArray[np.float16]:
        """One view of each of some images: those of an epoch, say.

        Parameters
        ----------
        rows : array-like of int of shape (n,)
        views : int, or array-like of int of shape (n,)
            Which view, 0 to n_views - 1.

        Returns
        -------
        ndarray of shape (n, *row_shape), float16
        """
        return self._gather(self._place[np.asarray(rows), np.asarray(views)])

    def _gather(self, place: NDArray[np.int64]) -> NDArray[np.float16]:
        """Maps at places of shape (..., 2), file after file."""
        flat = place.reshape(-1, 2)
        found = np.empty((len(flat), *self.row_shape), dtype=np.float16)
        for number in np.unique(flat[:, 0]).tolist():
            chosen = np.flatnonzero(flat[:, 0] == number)
            found[chosen] = self._maps[number][flat[chosen, 1]]
        return found.reshape(*place.shape[:-1], *self.row_shape)


def extract_maps(
    dataset: ImageDataset,
    extractor: Extractor,
    *,
    views: Sequence[View] | None = None,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> StageMaps:
    """Stage maps of every image, computed once per distinct image and view, kept in the cache.

    Parameters
    ----------
    dataset : ImageDataset
        With its content hashes where they are known.
    extractor : Extractor
        Made with a stage.
    views : sequence of View, optional
        Default: every image as it is (or in the extractor's own view), and no axis for views.
    cache : FeatureCache, optional
        Default: a folder for temporary files, which goes with the maps.
    progress : Progress, optional

    Raises
    ------
    InputError
        When the extractor has no stage, or `views` is empty.
    StorageError
        When the disk or the cache's limit has no room for the maps, or the folder cannot be written. Said before
        anything is computed where it can be known; `StageMaps.estimate_bytes` tells the size.
    ImageError
        The first image that cannot be read. What was computed is kept.
    """
    if extractor.stage is None:
        raise InputError("Stage maps need an extractor with a stage, such as Extractor(..., stage='layer3').")
    chosen = (extractor.view or IDENTITY,) if views is None else tuple(views)
    if not chosen:
        raise InputError("No views were given. Leave `views` out for the images as they are.")
    for view in chosen:
        view.check_takes(extractor.preparation.size)
    work = _Work(with_content_hashes(dataset), extractor, chosen, progress or Silent())
    if cache is not None and cache.folder is not None:
        return work.run(cache, viewed=views is not None)
    folder = _temporary_folder()
    maps = None
    try:
        maps = work.run(FeatureCache(folder, progress=progress), viewed=views is not None)
    finally:
        if maps is None:
            shutil.rmtree(folder, ignore_errors=True)
    weakref.finalize(maps, shutil.rmtree, folder, ignore_errors=True)
    return maps


class _Work:
    """Stage maps to compute: of which images, in which views, by which extractor."""

    def __init__(
        self, dataset: ImageDataset, extractor: Extractor, views: tuple[View, ...], progress: Progress
    ) -> None:
        self.dataset = dataset
        self.hashes: tuple[str, ...] = dataset.hashes or ()
        self.extractor = extractor
        self.views = views
        self.settings = [{**extractor.settings(), "view": view.settings()} for view in views]
        self.progress = progress

    def run(self, cache: FeatureCache, *, viewed: bool) -> StageMaps:
        """Compute what is missing, then open everything; again for what another process removed meanwhile."""
        kept = [cache.kept(settings, self.hashes) for settings in self.settings]
        self._check_room(cache, sum(len(first_rows(self.hashes, ~mask)) for mask in kept))
        for _ in range(_ROUNDS):
            self._compute(cache, kept)
            maps, place = self._open(cache)
            kept = [place[:, number, 0] >= 0 for number in range(len(self.views))]
            if all(mask.all() for mask in kept):
                return StageMaps(maps, place, self.extractor.row_shape, viewed=viewed)
        raise StorageError(
            f"Stage maps in {cache.folder} vanish as fast as they are computed: other runs share this cache and its "
            "limit is too small for all. Raise --cache-limit, or give this run a cache of its own with --cache."
        )

    def _check_room(self, cache: FeatureCache, n_missing: int) -> None:
        """Refuse before hours of work what the disk or the limit cannot hold; `n_missing` maps are to be computed."""
        if not n_missing:
            return
        row_shape = self.extractor.row_shape
        whole = StageMaps.estimate_bytes(row_shape, len(set(self.hashes)), len(self.views))
        new, free = StageMaps.estimate_bytes(row_shape, n_missing), free_bytes(cache.folder)
        remedy = "Choose a later stage, fewer views or a smaller input size"
        if new + _SPARE_BYTES > free:
            raise StorageError(
                f"The stage maps need {size_in_words(new)} more in {cache.folder}, where {size_in_words(free)} are "
                f"free (1 GB stays free). {remedy}, or name a folder on a larger disk with --cache."
            )
        if whole > cache.limit.n_bytes:
            raise StorageError(
                f"The stage maps take {size_in_words(whole)}, more than the cache's limit of "
                f"{size_in_words(cache.limit.n_bytes)}. {remedy}, or raise --cache-limit."
            )

    def _compute(self, cache: FeatureCache, kept: Sequence[NDArray[np.bool_]]) -> None:
        missing = self._missing(kept)
        total = sum(len(numbers) for _, numbers in missing)
        if not total:
            return
        title = f"Stage maps ({self.extractor.backbone.name}, {self.extractor.stage})"
        pairs = ((row, [self.views[number] for number in numbers]) for row, numbers in missing)
        numbers_of = dict(missing)
        with self.progress.task(title, total, "views") as advance, contextlib.ExitStack() as stack:
            writers = [
                stack.enter_context(ShardWriter(cache, settings, n_writers=len(self.views), required=True))
                for settings in self.settings
            ]
            for batch in stream_views(self.dataset, self.extractor, pairs):
                numbers = [numbers_of[row][view] for row, view in zip(batch.rows, batch.views, strict=True)]
                for number in sorted(set(numbers)):
                    chosen = [place for place, other in enumerate(numbers) if other == number]
                    digests = [self.hashes[batch.rows[place]] for place in chosen]
                    writers[number].add(digests, batch.features[chosen])
                advance(len(batch.rows))
                if batch.failed:
                    raise batch.failed[0][1]

    def _missing(self, kept: Sequence[NDArray[np.bool_]]) -> list[tuple[int, list[int]]]:
        """Rows in data set order, each with the numbers of the views that are missing; copies of an image once."""
        missing: dict[int, list[int]] = {}
        for number, mask in enumerate(kept):
            for row in first_rows(self.hashes, ~mask).values():
                missing.setdefault(row, []).append(number)
        return sorted(missing.items())

    def _open(self, cache: FeatureCache) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
        maps: list[NDArray[Any]] = []
        place = np.empty((len(self.hashes), len(self.views), 2), dtype=np.int64)
        for number, settings in enumerate(self.settings):
            found, shard, row = cache.open_rows(settings, self.hashes, self.extractor.row_shape, self.extractor.dtype)
            place[:, number, 0] = np.where(shard < 0, -1, shard + len(maps))
            place[:, number, 1] = row
            maps += found
        return maps, place


def _temporary_folder() -> Path:
    """A new folder for temporary files; those that killed processes left a week ago go."""
    for path in _abandoned(Path(tempfile.gettempdir())):
        shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


def _abandoned(folder: Path) -> Iterator[Path]:
    for path in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # gone since it was listed
            if path.stat().st_mtime < time.time() - _ABANDONED_S:
                yield path
