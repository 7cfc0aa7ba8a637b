"""Reader of NumPy archives: the layout of MedMNIST, or plain ``images`` and ``labels``."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from headstart.data.categorical import Categorical, encode_texts
from headstart.data.readers import ReadOptions, register_reader
from headstart.data.readers.table import DatasetTable
from headstart.data.table.column import TableColumn, table_columns
from headstart.data.table.request import ColumnRequest, check_requests, requested_columns
from headstart.errors import DataError, InputError, unknown_name

if TYPE_CHECKING:
    from headstart.data.images.source import ImageSource

PARTITIONS: Final = ("train", "val", "test")
MAX_ARRAY_BYTES: Final = 8 << 30
_IMAGE_KEYS: Final = ("images", "x", "X")
_LABEL_KEYS: Final = ("labels", "y")


@register_reader("archive", help="a .npz archive", suffixes=(".npz",), options=("partition", "table_columns"))
def open_npz(path: Path, options: ReadOptions) -> tuple[DatasetTable, ImageSource]:
    """Table of the images of an archive, and their arrays; the options are those of `read_npz`."""
    from headstart.data.images.arrays import ArrayPixels

    requests = requested_columns(options.table_columns or ())
    table, images = read_npz(path, partition=options.partition, requests=requests)
    try:
        scale = _scale(path) if images.dtype.kind == "f" else None
        return table, ArrayPixels.of(images, channels=_channel_names(path), scale=scale)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _channel_names(path: Path) -> list[str] | None:
    """Names of the channels in the entry ``channels`` of an archive, where that is a list of texts."""
    with zipfile.ZipFile(path) as archive:
        names = _read_array(path, archive, "channels") if "channels.npy" in archive.namelist() else np.zeros(0)
    return [str(name) for name in names.tolist()] if names.ndim == 1 and names.dtype.kind == "U" else None


def _scale(path: Path) -> list[float] | None:
    """Values of black and of white in the entry ``scale`` of an archive, where it has one."""
    with zipfile.ZipFile(path) as archive:
        scale = _read_array(path, archive, "scale") if "scale.npy" in archive.namelist() else None
    if scale is None:
        return None
    if scale.shape != (2,) or scale.dtype.kind not in "iuf":
        raise DataError(f"its scale has shape {scale.shape} and type {scale.dtype}; expected two numbers.")
    return [float(value) for value in scale]


def read_npz(
    path: Path, *, partition: str | None = None, requests: Sequence[ColumnRequest] = ()
) -> tuple[DatasetTable, NDArray[Any]]:
    """Table and images of an archive.

    Parameters
    ----------
    path : Path
        Archive with ``train_images``, ``train_labels``, ``val_...``, ``test_...`` (MedMNIST), or ``images`` and
        ``labels`` (``x`` and ``y`` do as well).
    partition : {"train", "val", "test"}, optional
        One part alone; by default all are pooled.
    requests : sequence of ColumnRequest
        Entries with one number or text for each image: ``age``, or ``train_age`` and so on beside ``train_images``.

    Returns
    -------
    table : DatasetTable
    images : ndarray of shape (n_images, height, width[, channels])

    Raises
    ------
    DataError
        When the archive is missing, damaged, declares more than 8 GiB, or its arrays do not fit.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; give a NumPy archive (.npz).")
    if partition is not None and partition not in PARTITIONS:
        raise DataError(unknown_name("partition", partition, PARTITIONS))
    try:
        return _read(path, partition, requests)
    except InputError:
        raise
    except Exception as error:  # whatever the library raises, the file is what it cannot read
        raise DataError(f"{path} is damaged or no NumPy archive ({error}).") from error


def _read(path: Path, partition: str | None, requests: Sequence[ColumnRequest]) -> tuple[DatasetTable, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        keys = {name.removesuffix(".npy") for name in archive.namelist()}
        parts = [part for part in PARTITIONS if f"{part}_images" in keys]
        if partition is not None and partition not in parts:
            raise DataError(f"{path} has no part {partition!r}; it holds {', '.join(sorted(keys)[:20])}.")
        if not parts:
            table, pixels = _read_plain(path, archive, keys)
            return _with_columns(path, archive, table, [""], requests), pixels
        chosen = parts if partition is None else [partition]
        arrays = [_read_part(path, archive, f"{part}_images", f"{part}_labels", keys) for part in chosen]
        table, pixels = _pooled(path, chosen, arrays)
        prefixes = [f"{part}_" for part in chosen]
        return _with_columns(path, archive, table, prefixes, requests), pixels


def _read_plain(path: Path, archive: zipfile.ZipFile, keys: set[str]) -> tuple[DatasetTable, NDArray[Any]]:
    images = next((key for key in _IMAGE_KEYS if key in keys), None)
    labels = next((key for key in _LABEL_KEYS if key in keys), None)
    if images is None or labels is None:
        raise DataError(
            f"{path} holds {', '.join(sorted(keys)[:20]) or 'nothing'}; expected train_images and train_labels (and "
            "val_, test_), as MedMNIST has them, or images and labels."
        )
    pixels, classes = _read_part(path, archive, images, labels, keys)
    return DatasetTable(names=[f"{row:06d}" for row in range(len(pixels))], labels=_categorical([classes])), pixels


def _pooled(
    path: Path, parts: Sequence[str], arrays: list[tuple[NDArray[Any], NDArray[Any]]]
) -> tuple[DatasetTable, NDArray[Any]]:
    shapes = {pixels.shape[1:] for pixels, _ in arrays}
    if len(shapes) > 1:
        raise DataError(f"{path}: the parts hold images of different shapes, {sorted(shapes)}; choose one part.")
    names = [f"{part}/{row:06d}" for part, (pixels, _) in zip(parts, arrays, strict=True) for row in range(len(pixels))]
    sizes = ", ".join(f"{part} {len(pixels):,}" for part, (pixels, _) in zip(parts, arrays, strict=True))
    note = (
        f"The file's own parts ({sizes}) were pooled and will be split anew; choose one part to keep them apart."
        if len(parts) > 1
        else f"Of {path.name} the part {sizes} was read."
    )
    images = arrays[0][0] if len(arrays) == 1 else np.concatenate([pixels for pixels, _ in arrays])
    return DatasetTable(names=names, labels=_categorical([labels for _, labels in arrays]), notes=(note,)), images


def _read_part(
    path: Path, archive: zipfile.ZipFile, images: str, labels: str, keys: set[str]
) -> tuple[NDArray[Any], NDArray[Any]]:
    if labels not in keys:
        raise DataError(f"{path} has {images} but no {labels}; add the labels to the archive.")
    pixels, classes = _read_array(path, archive, images), _read_array(path, archive, labels)
    if classes.ndim == 2 and classes.shape[1] == 1:
        classes = classes[:, 0]
    if classes.ndim != 1:
        raise DataError(
            f"{path}: {labels} has shape {classes.shape}; expected one class per image, shape (n,) or (n, 1)."
        )
    if pixels.ndim == 0 or len(pixels) != len(classes):
        raise DataError(f"{path}: {images} has shape {pixels.shape}, but there are {len(classes):,} {labels}.")
    if classes.dtype.kind == "f" and not np.all(np.isfinite(classes) & (classes == np.rint(classes))):
        raise DataError(f"{path}: {labels} holds NaN or fractions; expected whole numbers or text.")
    return pixels, classes.astype(np.int64) if classes.dtype.kind == "f" else classes


def _with_columns(
    path: Path,
    archive: zipfile.ZipFile,
    table: DatasetTable,
    prefixes: Sequence[str],
    requests: Sequence[ColumnRequest],
) -> DatasetTable:
    """The table with entries of the archive as further columns, the parts of each one after another."""
    keys = {name.removesuffix(".npy") for name in archive.namelist()}
    entries = sorted(key.removeprefix(prefixes[0]) for key in keys if key.startswith(prefixes[0]))
    roles = {next((key for key in _IMAGE_KEYS if key in entries), ""): "image"}
    roles[next((key for key in _LABEL_KEYS if key in entries), "")] = "label"
    check_requests(requests, entries, roles, source=f"{path}: ")
    columns = []
    for request in requests:
        named = [f"{prefix}{request.name}" for prefix in prefixes]
        if not keys.issuperset(named):
            absent = next(name for name in named if name not in keys)
            raise DataError(f"{path} has no {absent}; every part needs the table column {request.name!r}.")
        values = np.concatenate([_one_for_each(path, name, _read_array(path, archive, name)) for name in named])
        columns.append(TableColumn.of(request.name, values, kind=request.kind, source=f"{path}: "))
    return replace(table, columns=table_columns(columns, len(table.names)))


def _one_for_each(path: Path, key: str, values: NDArray[Any]) -> NDArray[Any]:
    """Values of shape (n,), from (n,) or (n, 1)."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{path}: {key} has shape {values.shape}; expected one value for each image, shape (n,).")
    return values


def _read_array(path: Path, archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    """One array; its declared size is checked before anything is unpacked, and nothing is unpickled."""
    member = f"{key}.npy"
    with archive.open(member) as handle:
        version = npy_format.read_magic(handle)
        read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, _, dtype = read_header(handle)
    if dtype.hasobject:
        raise DataError(f"{path}: {key} holds Python objects, which are never unpickled; save it as numbers or text.")
    n_bytes = int(np.prod([int(side) for side in shape], dtype=object)) * dtype.itemsize if shape else dtype.itemsize
    if n_bytes > MAX_ARRAY_BYTES:
        raise DataError(
            f"{path}: {key} unpacks to {n_bytes / 2**30:,.1f} GiB, more than the {MAX_ARRAY_BYTES >> 30} GiB held in "
            "memory; write the images to files and list them in a CSV manifest."
        )
    if n_bytes > archive.getinfo(member).file_size:
        raise DataError(f"{path}: {key} declares more data than the archive holds; it is damaged.")
    with archive.open(member) as handle:
        array: NDArray[Any] = npy_format.read_array(handle, allow_pickle=False)
    return array


def _categorical(parts: list[NDArray[Any]]) -> Categorical:
    return encode_texts([str(label) for labels in parts for label in labels.tolist()])
