"""Collections of pictures: which kind a caller gives, and the names and the source of its pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.data.images.files import FilePixels
from headstart.data.images.source import ImageSource
from headstart.data.memory.arrays import pictures_of_array
from headstart.data.memory.columns import columns_of
from headstart.data.memory.form import PictureForm
from headstart.data.memory.mapped import MappedItems, is_mapped
from headstart.data.memory.pictures import is_path
from headstart.data.memory.source import Items, PictureSource, check_rows
from headstart.data.memory.tensors import array_of, is_tensor
from headstart.errors import DataError, first_few

Pictures = Any
"""Kinds that `collected` takes. Most are classes of libraries that need not be there, so no type can name them."""


@dataclass(frozen=True, eq=False)
class Collected:
    """Pictures of a collection.

    Attributes
    ----------
    names : list of str
        Name of every row: its path, or its number. A path that was given twice stands there twice.
    source : ImageSource
        Pixels of the rows.
    """

    names: list[str]
    source: ImageSource


def collected(pictures: Pictures, form: PictureForm, *, n_rows: int | None = None) -> Collected:
    """Names and source of the pictures that a caller gives; what can be read later is not read yet.

    Parameters
    ----------
    pictures : path, Pillow image, array, tensor, sequence of these, data set of torch or Hugging Face, or table
    form : PictureForm
    n_rows : int, optional
        Number of pictures where the caller knows it.

    Raises
    ------
    DataError
        When it is none of these, or some row is none, naming the argument, the row and the remedy.
    """
    if is_tensor(pictures):
        return _of_tensor(pictures, form, n_rows)
    if isinstance(pictures, np.ndarray) and pictures.dtype.kind not in "OUS":
        return _of_array(pictures, form, n_rows)
    return _of_rows(_rows_of(pictures, form), form)


def _rows_of(pictures: Pictures, form: PictureForm) -> Items:
    """The rows of whatever is no array."""
    columns = columns_of(pictures)
    if columns is not None:
        return columns.pictures(form)
    if is_path(pictures):
        return [_single_file(pictures, form)]
    if isinstance(pictures, Image.Image | bytes | bytearray):
        return [pictures]
    return MappedItems(pictures) if is_mapped(pictures) else _listed(pictures, form)


def _single_file(path: Any, form: PictureForm) -> Any:
    if not Path(path).is_file():
        found = "a folder" if Path(path).is_dir() else "no file"
        raise DataError(
            f"{form.argument} is a single {type(path).__name__}, {os.fspath(path)!r:.200}, and {found} lies there. "
            f"{form.expected}; a folder goes in as ImageDataset.from_folder(path)."
        )
    return path


def _of_tensor(tensor: Any, form: PictureForm, n_rows: int | None) -> Collected:
    try:
        array = array_of(tensor, is_one=False, max_channels=form.max_channels)
    except ValueError as error:
        raise DataError(f"{form.argument} is {error}. {form.expected}.") from error
    return _of_array(array[None] if tensor.ndim == 3 else array, form, n_rows)


def _of_array(array: NDArray[Any], form: PictureForm, n_rows: int | None) -> Collected:
    source = pictures_of_array(array, form, n_rows)
    return Collected(_numbered(len(source.rows)), source)


def _listed(pictures: Any, form: PictureForm) -> Items:
    """The rows of a list, an array of objects, a column of a table, or whatever has a length and rows."""
    if type(pictures).__module__.startswith("scipy.sparse"):
        raise DataError(f"Sparse data not supported: {form.argument} is a {type(pictures).__name__}. {form.expected}.")
    if isinstance(pictures, Mapping):
        first, names = next(iter(pictures), ""), first_few(map(repr, pictures))
        raise DataError(f"{form.argument} is a mapping of {names}. Choose one of them: {form.argument}[{first!r}].")
    if isinstance(pictures, np.ndarray):
        if pictures.ndim == 2 and pictures.shape[1] == 1:
            pictures = pictures[:, 0]
        if pictures.ndim != 1:
            raise DataError(
                f"{form.argument} is a table of shape {pictures.shape}. {form.expected}; choose the column that holds "
                "the paths."
            )
    plain = next(
        (getattr(pictures, name) for name in ("tolist", "to_list", "to_pylist") if hasattr(pictures, name)), None
    )
    rows = plain() if callable(plain) else pictures
    if not hasattr(rows, "__len__") or not hasattr(rows, "__getitem__"):
        raise DataError(f"{form.argument} is a single {type(pictures).__name__}{_remedy(pictures)}. {form.expected}.")
    return rows  # type: ignore[no-any-return]  # it has a length and rows, as was just seen


def _remedy(pictures: Any) -> str:
    if hasattr(pictures, "dataset"):  # torch's DataLoader
        return ", which gives pictures in batches; give its data set: loader.dataset"
    if isinstance(pictures, Iterable):
        return ", whose pictures can be read once alone; give a list or a data set that has a length"
    return ""


def _of_rows(rows: Items, form: PictureForm) -> Collected:
    if (
        isinstance(rows, list | tuple)
        and rows
        and isinstance(rows[0], int | float | complex | list | tuple | np.number)
    ):
        return _of_array(_array_of_lists(rows, form), form, None)
    check_rows(rows, form)
    paths = [os.fspath(value) for value in rows if is_path(value)] if isinstance(rows, list | tuple) else []
    if len(paths) == len(rows):
        return Collected([Path(path).as_posix() for path in paths], FilePixels(Path.cwd(), confined=False))
    return Collected(_numbered(len(rows)), PictureSource(rows, form))


def _array_of_lists(rows: Sequence[Any], form: PictureForm) -> NDArray[Any]:
    try:
        return np.asarray(rows)
    except (ValueError, TypeError) as error:
        raise DataError(f"{form.argument} cannot be made one array ({error!s:.200}). {form.expected}.") from error


def _numbered(n_rows: int) -> list[str]:
    return [f"{row:06d}" for row in range(n_rows)]
