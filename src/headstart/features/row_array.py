"""The array that rows are gathered in: in memory while small, in a file that leaves nothing behind when large."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.errors import StorageError
from headstart.storage import storage_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGE_BYTES: Final = 256 * 10**6
"""Arrays larger than this lie in a file."""
_FREE_EVERY: Final = 64 * 10**6
_BLOCK: Final = 1 << 24


class RowArray:
    """An array of rows to be written piece by piece.

    Attributes
    ----------
    array : ndarray of shape (n_rows, *row_shape)
    """

    def __init__(self, array: NDArray[Any], file: mmap.mmap | None = None) -> None:
        self.array = array
        self._file = file
        self._written = 0

    def advise_free(self, n_bytes: int) -> None:
        """Note that so many bytes were written; the system may take their pages out of this process's memory."""
        self._written += n_bytes
        if self._file is not None and self._written >= _FREE_EVERY and hasattr(self._file, "madvise"):
            self._file.madvise(mmap.MADV_DONTNEED)  # of a shared file: what was written stays in it
            self._written = 0


def new_row_array(shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path | None, *, n_arrays: int = 1) -> RowArray:
    """Room for rows, in memory up to 256 MB, in a file without a name beyond.

    The file has no name in its folder (on Windows it is deleted when closed), so nothing is left behind even by
    ``kill -9``; its room on the disk is taken at once, so that a full disk is met here and not while writing.

    Parameters
    ----------
    shape : tuple of int
        (n_rows, *row_shape).
    dtype : numpy dtype
    folder : Path or None
        Where the file lies. Default: the system's folder for temporary files.
    n_arrays : int
        About how many such arrays there are at once: they share what lies in memory.

    Raises
    ------
    StorageError
        When the disk has no room for a large array.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes <= LARGE_BYTES // n_arrays:
        return RowArray(np.empty(shape, dtype=dtype))
    place = Path(tempfile.gettempdir()) if folder is None else folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as handle:
            _reserve(handle.fileno(), n_bytes)
            file = mmap.mmap(handle.fileno(), n_bytes)
    except OSError as error:
        raise storage_error(place, error) from error
    return RowArray(np.frombuffer(file, dtype=dtype).reshape(shape), file)


def row_array_or_memory(
    shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path | None, *, n_arrays: int = 1
) -> tuple[RowArray, str | None]:
    """Room for rows as `new_row_array` gives it, but in memory where the disk refuses, with a note that says so."""
    try:
        return new_row_array(shape, dtype, folder, n_arrays=n_arrays), None
    except StorageError as error:
        return RowArray(np.empty(shape, dtype=dtype)), f"{error} The features are held in memory instead."


def _reserve(descriptor: int, n_bytes: int) -> None:
    """Take the room of a file on the disk; a hole would end in a bus error when the disk is full."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, n_bytes)
        return
    for start in range(0, n_bytes, _BLOCK):
        os.write(descriptor, bytes(min(_BLOCK, n_bytes - start)))
