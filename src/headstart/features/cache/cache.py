"""`FeatureCache`: rows kept on disk, safe under `kill -9`, several processes at once, and damaged files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import StorageError
from headstart.features.cache import cache_files as files
from headstart.features.cache.lookup import as_keys, find
from headstart.features.cache.maintenance import CacheUpkeep
from headstart.features.cache.read import Columns, Shard, copy_rows, map_rows, merge_shards
from headstart.features.cache.shard import DamagedShardError, read_head
from headstart.features.cache.size_limit import LOW_WATER, CacheLimit, size_in_words, to_evict
from headstart.features.cache.write import write_rows
from headstart.progress import Progress
from headstart.storage import storage_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READERS = 4  # threads that read and verify; hashing runs beside Python
_PASSES = 3  # another process may merge or remove shards while they are read


class FeatureCache(CacheUpkeep):
    """Features and stage maps on disk, by the content of the image and everything that shapes them.

    Each file (a *shard*) holds the rows of some images and is named by the hash of its own bytes. It is written to a
    temporary name and renamed, so a shard is whole or absent, and two processes never write to one file. A shard whose
    bytes do not match its name is dropped and its rows are computed again; one that another process removed meanwhile
    counts as not kept.

    Parameters
    ----------
    folder : Path or None
        Root of the cache; None keeps nothing.
    limit : CacheLimit, optional
        Once the shards take more, the least recently used are removed, but never what this object used or stored.
        Default: ``$HEADSTART_CACHE_LIMIT``, else 20 GB or half of the room there is, whichever is less.
    progress : Progress, optional
        Told once when the folder cannot be read or written: the work then goes on without keeping anything.

    Attributes
    ----------
    folder : Path or None
    read_s, write_s : float
        Seconds spent so far on reading and on writing.
    refusal : StorageError or None
        Why nothing is kept any more.
    """

    def __init__(
        self, folder: Path | None, *, limit: CacheLimit | None = None, progress: Progress | None = None
    ) -> None:
        super().__init__(folder, limit=limit, progress=progress)
        self.read_s = self.write_s = 0.0
        self.refusal: StorageError | None = None
        self._usable = folder is not None
        self._used: set[Path] = set()
        self._tidied: set[Path] = set()
        self._said_full = False

    def fill(
        self,
        settings: dict[str, Any],
        hashes: Sequence[str],
        out: NDArray[Any],
        *,
        columns: Columns | None = None,
        wrote: Callable[[int], None] = lambda n_bytes: None,
    ) -> NDArray[np.bool_]:
        """Copy the rows that are kept into an array.

        Parameters
        ----------
        settings : dict
            Everything beside the image that shapes its rows.
        hashes : sequence of str
            Content hashes (hexadecimal SHA-256), repeated ones allowed.
        out : ndarray of shape (len(hashes), *row_shape), float32, float16 or float64
            Written where a row is kept.
        columns : Columns, optional
            Columns that are copied. Default: whole rows.
        wrote : callable, optional
            Called with the number of bytes written, shard after shard.

        Returns
        -------
        ndarray of shape (len(hashes),), bool
            Which rows were kept.
        """
        with self._timed("read_s"):
            keys = as_keys(hashes)
            filled = np.zeros(len(keys), dtype=np.bool_)

            def copy(shard: Shard, rows: NDArray[np.int64], positions: NDArray[np.int64]) -> int:
                copy_rows(shard, rows, positions, out, columns)
                return len(positions) * out[:1].nbytes

            for _ in range(_PASSES):
                shards = self._shards(settings)
                if not self._fill_from(shards, keys, filled, copy, wrote):
                    break
            self._merge_small(settings, shards)
        return filled

    def kept(self, settings: dict[str, Any], hashes: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the images are kept, by their keys alone: no row is read and nothing is verified."""
        found = np.zeros(len(hashes), dtype=np.bool_)
        with self._timed("read_s"):
            for hit in find(as_keys(hashes), [shard.keys for shard in self._shards(settings)]):
                found[hit.positions] = True
        return found

    def open_rows(
        self, settings: dict[str, Any], hashes: Sequence[str], row_shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> tuple[list[NDArray[Any]], NDArray[np.int64], NDArray[np.int64]]:
        """Memory maps of the shards that hold some rows, each verified once, now.

        What is open stays readable, even when another process removes the file.

        Parameters
        ----------
        settings, hashes
            As in `fill`.
        row_shape : tuple of int
        dtype : numpy dtype
            Shape of a row; a shard with others is damaged.

        Returns
        -------
        maps : list of ndarray of shape (n_rows, *row_shape)
            Read-only.
        shard : ndarray of shape (len(hashes),), int64
            Number of the map that holds the row, -1 where the row is not kept.
        row : ndarray of shape (len(hashes),), int64
            Row of that map.
        """
        with self._timed("read_s"):
            shards = self._shards(settings)
            number = np.full(len(hashes), -1, dtype=np.int64)
            row = np.zeros(len(hashes), dtype=np.int64)
            maps: list[NDArray[Any]] = []
            for hit in find(as_keys(hashes), [shard.keys for shard in shards]):
                with self._passing_over(shards[hit.shard].path):
                    mapped = map_rows(shards[hit.shard], row_shape, dtype)
                    self._mark_used(shards[hit.shard])
                    number[hit.positions], row[hit.positions] = len(maps), hit.rows
                    maps.append(mapped)
        return maps, number, row

    def _fill_from(
        self,
        shards: list[Shard],
        keys: NDArray[np.uint8],
        filled: NDArray[np.bool_],
        copy: Callable[[Shard, NDArray[np.int64], NDArray[np.int64]], int],
        wrote: Callable[[int], None],
    ) -> bool:
        """Fill what is not filled yet; whether a shard failed, so that another look is worth it."""
        missing = np.flatnonzero(~filled)
        hits = find(keys[missing], [shard.keys for shard in shards])
        failed = False

        with ThreadPoolExecutor(min(_READERS, max(1, len(hits)))) as pool:
            copies = [pool.submit(copy, shards[hit.shard], hit.rows, missing[hit.positions]) for hit in hits]
            for hit, copied in zip(hits, copies, strict=True):
                with self._passing_over(shards[hit.shard].path) as whole:
                    n_bytes = copied.result()
                if whole:
                    self._mark_used(shards[hit.shard])
                    filled[missing[hit.positions]] = True
                    wrote(n_bytes)
                failed |= not whole
        return failed

    @contextmanager
    def _passing_over(self, path: Path) -> Iterator[list[bool]]:
        """Read a shard: a damaged one is dropped, one that is gone or unreadable passed over; empty list if so."""
        whole = [True]
        try:
            yield whole
        except DamagedShardError as error:
            whole.clear()
            self._drop_damaged(path, error)
        except FileNotFoundError:
            whole.clear()  # merged or removed by another process since it was listed
        except OSError as error:
            whole.clear()
            self._progress.note(f"A file of the cache cannot be read, its rows are computed again: {error}")

    def _mark_used(self, shard: Shard) -> None:
        self._used.add(shard.path)
        files.touch(shard.path, shard.used_at)

    def _shards(self, settings: dict[str, Any]) -> list[Shard]:
        """Shards of these settings with their keys, the damaged ones dropped."""
        if self.folder is None or not self._usable:
            return []
        found: list[Shard] = []
        try:
            stored = files.shards(files.place_of(self.folder, settings))
        except OSError as error:
            self._give_up(storage_error(self.folder, error, action="read"))
            return []
        for file in stored:
            with self._passing_over(file.path):
                found.append(Shard(file, *read_head(file.path)))
        return found

    def store(
        self, settings: dict[str, Any], digests: Sequence[str], rows: NDArray[Any] | Sequence[NDArray[Any]]
    ) -> bool:
        """Keep the rows of some images.

        Parameters
        ----------
        settings : dict
            As in `fill`.
        digests : sequence of str
            Content hashes, one per row.
        rows : ndarray of shape (n_images, *row_shape), or sequence of such
            float32, float16 or float64.

        Returns
        -------
        bool
            Whether they were kept; where the disk refuses, that is said once and nothing is kept from then on.
        """
        if self.folder is None or not self._usable or not digests:
            return False
        place = files.place_of(self.folder, settings)
        with self._timed("write_s"):
            try:
                self._tidy(place)
                parts = [rows] if isinstance(rows, np.ndarray) else rows
                path, n_bytes = write_rows(place, settings, as_keys(digests), parts)
            except StorageError as error:
                self._give_up(error)
                return False
            except OSError as error:  # a folder that may not even be looked into
                self._give_up(storage_error(place, error))
                return False
            self._used.add(path)
            self._keep_within_limit(n_bytes)
        return True

    def _tidy(self, place: Path) -> None:
        """Remove, once, what killed processes left in a place."""
        if place not in self._tidied:
            self._tidied.add(place)
            with suppress(StorageError):  # another user's, on a folder that both write to
                files.remove_abandoned(place)

    def _give_up(self, error: StorageError) -> None:
        if self._usable:
            self._usable, self.refusal = False, error
            self._progress.note(f"Features are not kept: {error} The work goes on without the cache.")

    def _keep_within_limit(self, n_new: int) -> None:
        """Evict once the shards known to be there pass the limit; counted anew only then."""
        self._n_bytes = None if self._n_bytes is None else self._n_bytes + n_new
        if self._n_bytes is not None and self._n_bytes <= self.limit.n_bytes:
            return
        try:
            stored = files.all_shards(self.folder) if self.folder is not None else []
            self._n_bytes = sum(file.n_bytes for file in stored)
            if self._n_bytes <= self.limit.n_bytes:
                return
            before = time.time() - self.limit.grace_s
            target = round(self.limit.n_bytes * LOW_WATER)
            self._n_bytes -= self._remove(to_evict(stored, target, in_use=self._used, before=before))
        except (StorageError, OSError) as error:
            self._progress.note(f"The cache could not be brought within its limit: {error}")
            return
        self._say_if_full()

    def _say_if_full(self) -> None:
        over = self._n_bytes is not None and self._n_bytes > self.limit.n_bytes
        if over and not self._said_full:
            self._said_full = True
            self._progress.note(
                f"The cache {self.folder} holds {size_in_words(self._n_bytes or 0)}, more than its limit of "
                f"{size_in_words(self.limit.n_bytes)}: runs in progress need all of it. Raise --cache-limit, or run "
                "`headstart cache prune` later."
            )

    def _merge_small(self, settings: dict[str, Any], shards: list[Shard]) -> None:
        """Many small shards, left by many small calls, become one."""
        if self.folder is None or not self._usable:
            return
        try:
            self._used.update(merge_shards(files.place_of(self.folder, settings), shards))
        except StorageError as error:
            self._progress.note(f"Small files of the cache could not be merged: {error}")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + max(0.0, time.perf_counter() - start))
