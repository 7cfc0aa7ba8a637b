"""Looking after a cache folder: what it holds, whether it is whole, and removing what is not needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from headstart.errors import StorageError
from headstart.features.cache import cache_files as files
from headstart.features.cache.info import CacheInfo, survey_place
from headstart.features.cache.shard import DamagedShardError, read_shard
from headstart.features.cache.size_limit import CacheLimit, StoredFile, default_limit, to_evict
from headstart.progress import Progress, Silent
from headstart.storage import storage_error

_NETWORKS: Final = "networks"
_OTHER: Final = ("weights", _NETWORKS, "speeds")
"""Folders beside the features: added weights, converted networks, measured speeds of engines."""


class CacheUpkeep:
    """A cache folder seen from outside; see `headstart.features.cache.FeatureCache` for the parameters."""

    def __init__(self, folder: Path | None, *, limit: CacheLimit | None, progress: Progress | None) -> None:
        self.folder = folder
        self._limit = limit
        self._progress = progress or Silent()
        self._n_bytes: int | None = None

    @property
    def limit(self) -> CacheLimit:
        """The limit in force."""
        if self._limit is None:
            self._limit = default_limit(self.folder, self._n_bytes or 0)
        return self._limit

    def info(self) -> CacheInfo:
        """Count what the cache holds, setting by setting, and what else headstart keeps in its folder.

        Raises
        ------
        StorageError
            When the folder may not be read.
        """
        with self._readable():
            found = [] if self.folder is None else [survey_place(place) for place in files.places(self.folder)]
        settings = sorted((one for one in found if one is not None), key=lambda one: one.last_used, reverse=True)
        n_bytes = sum(setting.n_bytes for setting in settings)
        self._n_bytes = n_bytes
        return CacheInfo(str(self.folder), self.limit.n_bytes, tuple(settings), n_bytes, self._other())

    def _other(self) -> dict[str, int]:
        sizes = {} if self.folder is None else {name: files.tree_bytes(self.folder / name) for name in _OTHER}
        return {name: size for name, size in sizes.items() if size}

    def verify(self) -> list[Path]:
        """Check every shard against its name; damaged ones are removed and returned.

        Raises
        ------
        StorageError
            When the folder may not be read or changed.
        """
        with self._readable():
            stored = [] if self.folder is None else files.all_shards(self.folder)
        damaged = []
        with self._progress.task("Verify", len(stored), "files") as advance:
            for file in stored:
                try:
                    with self._readable(), suppress(FileNotFoundError):  # removed since it was listed
                        read_shard(file.path)
                except DamagedShardError as error:
                    self._drop_damaged(file.path, error)
                    damaged.append(file.path)
                advance(1)
        return damaged

    def prune(self, n_bytes: int | None = None) -> tuple[int, int]:
        """Remove the least recently used shards until the rest fits.

        Parameters
        ----------
        n_bytes : int, optional
            What may stay. Default: the limit.

        Returns
        -------
        n_files, n_bytes : int
            How many files were removed, and how large they were.

        Raises
        ------
        StorageError
            When the folder may not be read or changed.
        """
        with self._readable():
            stored = [] if self.folder is None else files.all_shards(self.folder)
            for place in [] if self.folder is None else files.places(self.folder):
                files.remove_abandoned(place)
        self._n_bytes = sum(file.n_bytes for file in stored)
        chosen = to_evict(stored, self.limit.n_bytes if n_bytes is None else n_bytes)
        freed = self._remove(chosen)
        self._n_bytes -= freed
        return len(chosen), freed

    def clear(self) -> int:
        """Remove all that can be made again: features, stage maps, converted networks.

        Weights that were added stay, so do measured speeds, by which the next run chooses the same engine as the last,
        and every file that is not headstart's.

        Returns
        -------
        int
            Bytes freed.

        Raises
        ------
        StorageError
            When the folder may not be read or changed.
        """
        with self._readable():
            made = [] if self.folder is None else [*files.places(self.folder), self.folder / _NETWORKS]
            freed = sum(files.empty(place) for place in made)
        self._n_bytes = 0
        return freed

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """The system's refusal to read the folder, in words."""
        try:
            yield
        except OSError as error:
            raise storage_error(self.folder or Path(), error, action="read") from error

    def _remove(self, chosen: Sequence[StoredFile]) -> int:
        """Remove files and the places they leave empty; bytes freed."""
        for file in chosen:
            files.remove(file.path)
        for place in sorted({file.path.parent for file in chosen}):
            files.drop_if_empty(place)
        return sum(file.n_bytes for file in chosen)

    def _drop_damaged(self, path: Path, error: DamagedShardError) -> None:
        self._progress.note(f"A damaged file of the cache: {error}")
        try:
            files.remove(path)
        except StorageError as refusal:
            self._progress.note(str(refusal))
