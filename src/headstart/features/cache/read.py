"""Rows out of shards: copied into an array, mapped into memory, or merged into fewer files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.cache import cache_files as files
from headstart.features.cache.shard import DamagedShardError, ShardLayout, check_name, read_shard, write_shard
from headstart.features.cache.size_limit import StoredFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALL_BYTES = 1 << 18
_MANY_SMALL = 64
_MERGED_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard whose keys are known.

    Attributes
    ----------
    file : StoredFile
    layout : ShardLayout
    keys : ndarray of shape (n_rows, 32), uint8
    """

    file: StoredFile
    layout: ShardLayout
    keys: NDArray[np.uint8]

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @property
    def used_at(self) -> float:
        """When it was last used, in seconds since the epoch."""
        return self.file.used_at


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of the kept rows that are copied, and where to.

    Attributes
    ----------
    width : int
        Number of columns of a kept row.
    taken, placed : ndarray of int64
        Columns of a kept row, and those of the array that they become.
    """

    width: int
    taken: NDArray[np.int64]
    placed: NDArray[np.int64]


def copy_rows(
    shard: Shard,
    rows: NDArray[np.int64],
    positions: NDArray[np.int64],
    out: NDArray[Any],
    columns: Columns | None = None,
) -> None:
    """Verify a shard and copy some of its rows, or some columns of them, to positions of an array.

    Raises
    ------
    DamagedShardError
        When its bytes are not those that were written, or its rows are of another kind.
    OSError
        When it is gone or cannot be read.
    """
    layout, content = read_shard(shard.path, _room_for(shard.layout.n_bytes))
    _check_kind(shard.path, layout, out.shape[1:] if columns is None else (columns.width,), out.dtype)
    kept = layout.rows(content)[_slice_or_index(rows)]
    if columns is None:
        out[_slice_or_index(positions)] = kept
    else:
        out[np.ix_(positions, columns.placed)] = kept[:, columns.taken]


def _check_kind(path: Path, layout: ShardLayout, row_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if layout.row_shape != row_shape or layout.dtype != dtype:
        raise DamagedShardError(
            f"{path} holds rows of {layout.dtype} {layout.row_shape}; expected {dtype} {row_shape}. "
            "It is removed and its rows are computed again."
        )


class _Room(threading.local):
    """Memory that the reads of one thread share."""

    content: NDArray[np.uint8] | None = None


_ROOM = _Room()


def _room_for(n_bytes: int) -> NDArray[np.uint8]:
    """Memory of this thread for a whole shard; it goes with the thread."""
    if _ROOM.content is None or len(_ROOM.content) < n_bytes:
        _ROOM.content = np.empty(n_bytes, dtype=np.uint8)
    return _ROOM.content


def _slice_or_index(numbers: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Consecutive numbers as a slice, which copies without a detour."""
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first + 1 == len(numbers) and bool((np.diff(numbers) == 1).all()):
        return slice(first, last + 1)
    return numbers


def map_rows(shard: Shard, row_shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows of a shard mapped into memory, read-only, its hash checked once; raises as `copy_rows` does."""
    _check_kind(shard.path, shard.layout, row_shape, dtype)
    content = _mapped(shard.path, shard.layout.n_bytes)
    check_name(shard.path, content)
    rows = shard.layout.rows(content)
    rows.flags.writeable = False
    return rows


def _mapped(path: Path, n_bytes: int) -> NDArray[np.uint8]:
    """A file as an array. torch's map holds no file descriptor, of which a process may have few, unlike Python's."""
    import torch

    if path.stat().st_size != n_bytes:
        raise DamagedShardError(f"{path} changed its size while it was being opened.")
    try:
        content: NDArray[np.uint8] = torch.from_file(str(path), shared=False, size=n_bytes, dtype=torch.uint8).numpy()
    except RuntimeError as error:  # what torch makes of every refusal
        raise OSError(f"{path} cannot be mapped into memory ({error})") from error
    return content


def merge_shards(place: Path, shards: Sequence[Shard]) -> list[Path]:
    """Write the rows of many small shards into few, and remove the small ones; the new files.

    Needs no lock: rows are written before their old files go, and two processes that merge at once at worst keep a
    row twice.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    small = [shard for shard in shards if shard.layout.n_bytes < _SMALL_BYTES]
    if len(small) < _MANY_SMALL:
        return []
    written = []
    for batch in _batches(small):
        loaded = [(shard, whole) for shard in batch if (whole := _whole(shard)) is not None]
        if len(loaded) < 2:
            continue
        keys = np.concatenate([layout.keys(content) for _, (layout, content) in loaded])
        path, _ = write_shard(place, keys, [layout.rows(content) for _, (layout, content) in loaded])
        written.append(path)
        for shard, _ in loaded:
            if shard.path != path:
                files.remove(shard.path)
    return written


def _whole(shard: Shard) -> tuple[ShardLayout, NDArray[np.uint8]] | None:
    """A shard's content, unless it is damaged or gone: then it is left to the next reader."""
    try:
        return read_shard(shard.path)
    except (DamagedShardError, OSError):
        return None


def _batches(shards: Sequence[Shard]) -> list[list[Shard]]:
    """Shards with rows of one kind, together at most about 4 MiB."""
    batches: list[list[Shard]] = []
    filled = 0
    kind = None
    for shard in sorted(shards, key=lambda shard: (shard.layout.row_shape, shard.layout.dtype.str)):
        own = (shard.layout.row_shape, shard.layout.dtype)
        if own != kind or filled + shard.layout.n_bytes > _MERGED_BYTES:
            batches.append([])
            kind, filled = own, 0
        batches[-1].append(shard)
        filled += shard.layout.n_bytes
    return batches
