"""Feature arrays from files: `.npy` in the order of the data set, or `.npz` with the images' names."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from headstart.data.table.array_column import ArrayColumn, array_column, check_layout
from headstart.errors import DataError, InputError, first_few

NAMES: Final = "names"
VALUES: Final = "values"
MAX_NAME_BYTES: Final = 1 << 30


def read_feature_array(path: Path, names: Sequence[str]) -> ArrayColumn:
    """Feature array of a file, rows in the order of the images.

    Parameters
    ----------
    path : Path
        ``.npy`` of shape (n_images, n_columns) in the order of `names`; or ``.npz`` with ``names`` (of images, in any
        order, others among them) and ``values`` of shape (n_names, n_columns). The file's name without its ending
        is the name of the array. Nothing is unpickled.
    names : sequence of str
        Names of the images, in the data set's order.

    Raises
    ------
    DataError
        When the file is missing, damaged, or of another kind, its shape or type do not fit, an image is not in it, or
        a number is not finite.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; give a feature array, .npy or .npz.")
    read = {".npy": _read_npy, ".npz": _read_npz}.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"{path} is no feature array: expected a file .npy or .npz, as numpy.save and numpy.savez write."
        )
    try:
        values = read(path, names)
    except InputError:
        raise
    except Exception as error:  # whatever the library raises, the file is what it cannot read
        raise DataError(f"{path} is damaged or no NumPy file ({error}). Save it again.") from error
    return array_column(values, len(names), name=path.stem, source=str(path))


def _read_npy(path: Path, names: Sequence[str]) -> NDArray[Any]:
    with path.open("rb") as handle:
        shape, dtype = _header(handle)
        check_layout(shape, dtype, len(names), source=str(path))
        handle.seek(0)
        return _array(handle)


def _read_npz(path: Path, names: Sequence[str]) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        keys = sorted(name.removesuffix(".npy") for name in archive.namelist())
        if not {NAMES, VALUES}.issubset(keys):
            raise DataError(
                f"{path} holds {first_few(keys) or 'nothing'}; expected the entries names (of the images) and values, "
                "as numpy.savez(path, names=names, values=values) writes them."
            )
        own = _names(path, archive)
        with archive.open(f"{VALUES}.npy") as handle:
            check_layout(*_header(handle), len(own), source=f"{path}: values, beside {len(own):,} names,")
        rows = _rows(path, own, names)
        with archive.open(f"{VALUES}.npy") as handle:
            return _array(handle)[rows]


def _names(path: Path, archive: zipfile.ZipFile) -> list[str]:
    with archive.open(f"{NAMES}.npy") as handle:
        shape, dtype = _header(handle)
    if dtype.kind != "U" or len(shape) != 1 or shape[0] * dtype.itemsize > MAX_NAME_BYTES:
        raise DataError(
            f"{path}: names has shape {shape} and type {dtype}; expected a text for each row of values. Save "
            "numpy.array(names, dtype=str); Python objects are never unpickled."
        )
    with archive.open(f"{NAMES}.npy") as handle:
        return [str(name) for name in _array(handle).tolist()]


def _rows(path: Path, own: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Row of the file for every image."""
    place = {name: row for row, name in enumerate(own)}
    if len(place) < len(own):
        twice = next(name for row, name in enumerate(own) if place[name] != row)
        raise DataError(f"{path}: names has {twice!r} twice; expected each image once.")
    absent = [name for name in names if name not in place]
    if absent:
        raise DataError(
            f"{path} has no row for {len(absent):,} of {len(names):,} images, such as {absent[0]!r}; its names are "
            f"such as {first_few(map(repr, own), limit=2)}. Name them as the data set does, and give every image a row."
        )
    return np.array([place[name] for name in names], dtype=np.int64)


def _header(handle: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy_format.read_magic(handle)
    read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read_header(handle)
    return tuple(int(side) for side in shape), dtype


def _array(handle: IO[bytes]) -> NDArray[Any]:
    array: NDArray[Any] = npy_format.read_array(handle, allow_pickle=False)
    return array
