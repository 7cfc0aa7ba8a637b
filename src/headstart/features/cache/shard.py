"""One file of the cache, a shard: content hashes and rows in the safetensors layout, named by the hash of its bytes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from headstart.errors import StorageError
from headstart.storage import parsed_json, replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIX: Final = ".safetensors"
NAME_LENGTH: Final = 40
KEY_BYTES: Final = 32
_NAME: Final = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}{re.escape(SUFFIX)}")
_MAX_HEADER: Final = 1 << 16
_HEAD: Final = 8192  # holds the header and the keys of a usual shard, so that one read gets both
_TYPES: Final[dict[str, np.dtype[Any]]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "F64": np.dtype("<f8")}


class DamagedShardError(StorageError):
    """A file of the cache is not what was written."""


@dataclass(frozen=True)
class ShardLayout:
    """Places of keys and rows in a shard.

    Attributes
    ----------
    n_rows : int
    row_shape : tuple of int
    dtype : numpy dtype
        ``float32``, ``float16`` or ``float64``.
    keys_at, rows_at : int
        Offsets in bytes from the start of the file.
    n_bytes : int
        Size of the file.
    """

    n_rows: int
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    keys_at: int
    rows_at: int
    n_bytes: int

    def keys(self, content: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Content hashes of shape (n_rows, 32) in the bytes of the whole file."""
        return content[self.keys_at : self.keys_at + self.n_rows * KEY_BYTES].reshape(self.n_rows, KEY_BYTES)

    def rows(self, content: NDArray[np.uint8]) -> NDArray[Any]:
        """Rows of shape (n_rows, *row_shape) in the bytes of the whole file; nothing is copied."""
        n_bytes = self.n_rows * math.prod(self.row_shape) * self.dtype.itemsize
        flat = content[self.rows_at : self.rows_at + n_bytes]
        return flat.view(self.dtype).reshape(self.n_rows, *self.row_shape)


def is_shard_name(name: str) -> bool:
    """Whether a file of this name is a finished shard: anything else in the folder is not the cache's to touch."""
    return _NAME.fullmatch(name) is not None


def write_shard(place: Path, keys: NDArray[np.uint8], rows: Sequence[NDArray[Any]]) -> tuple[Path, int]:
    """Write a shard whole or not at all.

    It is not forced onto the disk: what a power failure spoils, the hash in the name finds.

    Parameters
    ----------
    place : Path
        Folder of the settings.
    keys : ndarray of shape (n_rows, 32), uint8
    rows : sequence of ndarray of shape (any, *row_shape)
        float32, float16 or float64; together n_rows rows.

    Returns
    -------
    path : Path
    n_bytes : int

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    pieces = [memoryview(_header(len(keys), rows[0])), _bytes_of(keys), *(_bytes_of(part) for part in rows)]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    path = place / f"{digest.hexdigest()[:NAME_LENGTH]}{SUFFIX}"
    with replacing(path, durable=False) as handle:
        for piece in pieces:
            handle.write(piece)
    return path, sum(piece.nbytes for piece in pieces)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _header(n_rows: int, rows: NDArray[Any]) -> bytes:
    name = next(name for name, dtype in _TYPES.items() if dtype == rows.dtype)
    n_keys = n_rows * KEY_BYTES
    n_values = n_rows * math.prod(rows.shape[1:]) * rows.dtype.itemsize
    facts = {
        "features": {"dtype": name, "shape": [n_rows, *rows.shape[1:]], "data_offsets": [n_keys, n_keys + n_values]},
        "keys": {"dtype": "U8", "shape": [n_rows, KEY_BYTES], "data_offsets": [0, n_keys]},
    }
    text = json.dumps(facts, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_head(path: Path) -> tuple[ShardLayout, NDArray[np.uint8]]:
    """ShardLayout and keys of a shard, without its rows and without checking the hash.

    Raises
    ------
    DamagedShardError
        When this is no shard.
    OSError
        When the file is gone or cannot be read.
    """
    with path.open("rb", buffering=0) as handle:
        head = handle.read(_HEAD)
        layout = _parse(path, head, os.fstat(handle.fileno()).st_size, handle)
        n_keys = layout.n_rows * KEY_BYTES
        if layout.keys_at + n_keys <= len(head):
            raw = head[layout.keys_at : layout.keys_at + n_keys]
        else:
            handle.seek(layout.keys_at)
            raw = handle.read(n_keys)
    if len(raw) != n_keys:
        raise _damaged(path, "its keys are cut off")
    return layout, np.frombuffer(raw, dtype=np.uint8).reshape(layout.n_rows, KEY_BYTES)


def read_shard(path: Path, room: NDArray[np.uint8] | None = None) -> tuple[ShardLayout, NDArray[np.uint8]]:
    """ShardLayout and bytes of a whole shard, its hash checked.

    Parameters
    ----------
    path : Path
    room : ndarray of uint8, optional
        Memory to read into where it is large enough: new memory costs as much as reading.

    Raises
    ------
    DamagedShardError
        When the bytes are not those that were written.
    OSError
        When the file is gone or cannot be read.
    """
    with path.open("rb", buffering=0) as handle:
        size = os.fstat(handle.fileno()).st_size
        content = np.empty(size, dtype=np.uint8) if room is None or len(room) < size else room[:size]
        n_read, view = 0, content.data
        while n_read < size and (more := handle.readinto(view[n_read:])):
            n_read += more
        check_name(path, content[:n_read])
        return _parse(path, content[:_HEAD].tobytes(), size, handle), content


def check_name(path: Path, content: NDArray[np.uint8]) -> None:
    """Raise `DamagedShardError` when the name of a shard is not the hash of its bytes."""
    if hashlib.sha256(content.data).hexdigest()[:NAME_LENGTH] != path.name.removesuffix(SUFFIX):
        raise _damaged(path, "its name is not the hash of its content")


def _parse(path: Path, head: bytes, size: int, handle: BinaryIO | Any) -> ShardLayout:
    """ShardLayout from the first bytes of a file of `size` bytes; nothing in them is believed."""
    length = int.from_bytes(head[:8], "little")
    if len(head) < 8 or length > min(_MAX_HEADER, size - 8):
        raise _damaged(path, "its header has an impossible length")
    if 8 + length > len(head):
        handle.seek(0)
        head = handle.read(8 + length)
    try:
        facts = parsed_json(head[8 : 8 + length])
        keys, features = facts["keys"], facts["features"]
        n_rows, *row_shape = (int(number) for number in features["shape"])
        dtype = _TYPES[features["dtype"]]
        (keys_at, keys_end), (rows_at, rows_end) = keys["data_offsets"], features["data_offsets"]
        start = 8 + length
        layout = ShardLayout(n_rows, tuple(row_shape), dtype, start + int(keys_at), start + int(rows_at), size)
        fits = (
            min(n_rows, *row_shape, int(keys_at), int(rows_at)) >= 0
            and keys["dtype"] == "U8"
            and keys["shape"] == [n_rows, KEY_BYTES]
            and keys_end - keys_at == n_rows * KEY_BYTES
            and rows_end - rows_at == n_rows * math.prod(row_shape) * dtype.itemsize
            and max(keys_end, rows_end) == size - start
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(path, "its header cannot be read") from error
    if not fits:
        raise _damaged(path, "its header does not fit its size")
    return layout


def _damaged(path: Path, reason: str) -> DamagedShardError:
    return DamagedShardError(f"{path} is damaged: {reason}. It is removed and its rows are computed again.")
