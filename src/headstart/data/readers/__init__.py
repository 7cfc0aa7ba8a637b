"""Readers: from whatever a user may point at to columns of a data set and a source of their pixels.

A reader is one file, or one folder, beside this one that decorates its function with `register_reader`; nothing else
names it. Every file here is imported as soon as somebody asks which readers there are, for a help text too, so a
reader imports heavy libraries where it uses them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import DataError
from headstart.runtime.registry import Registry

if TYPE_CHECKING:
    from headstart.data.images.source import ImageSource
    from headstart.data.readers.manifest.columns import ManifestColumns
    from headstart.data.readers.table import DatasetTable

__all__ = ["ReadOptions", "Reader", "accepted_data", "find_reader", "readers", "register_reader"]


@dataclass(frozen=True)
class ReadOptions:
    """Options of reading, each of some readers only; None where not given.

    Attributes
    ----------
    columns : ManifestColumns, mapping or None
        Names of a table's columns; see `headstart.data.readers.manifest.columns.ManifestColumns`.
    root : path or None
        Folder that the image paths of a table start from.
    partition : str or None
        One part of an archive alone.
    votes : {"majority", "shares"} or None
        How the labels of several raters are combined.
    table_columns : sequence of str or None
        Further columns of numbers or categories, such as ``age`` or ``site:category``.
    allow_outside : bool
        Let links and paths lead out of the folder; what has neither ignores it.
    split_folders : {"pool", "classes"} or None
        What folders called like the parts of a split, or a column of a table, are where they are not to be the split.
    """

    columns: ManifestColumns | Mapping[str, str] | None = None
    root: str | os.PathLike[str] | None = None
    partition: str | None = None
    votes: str | None = None
    table_columns: Sequence[str] | None = None
    allow_outside: bool = False
    split_folders: str | None = None

    def given(self) -> list[str]:
        """Names of the given options that a reader may lack."""
        return [item.name for item in fields(self) if item.default is None and getattr(self, item.name) is not None]


Read = Callable[[Path, ReadOptions], "tuple[DatasetTable, ImageSource]"]


@dataclass(frozen=True)
class Reader:
    """One kind of data set and how it is read.

    Attributes
    ----------
    name : str
        Key of the registry.
    help : str
        Noun phrase for what a user points at, with its article: ``"a CSV or Parquet manifest"``.
    read : callable
        From path and `ReadOptions` to the table and the pixels of its rows.
    suffixes : tuple of str
        Lower-case ends of the names of files that it reads, such as ``".npz"``.
    recognises : callable or None
        Whether it reads what lies at a path, where suffixes do not tell.
    options : tuple of str
        Options of `ReadOptions` that it heeds.
    """

    name: str
    help: str
    read: Read
    suffixes: tuple[str, ...] = ()
    recognises: Callable[[Path], bool] | None = None
    options: tuple[str, ...] = ()

    def accepts(self, path: Path) -> bool:
        """Whether this reader reads what lies at an existing path."""
        if self.recognises is not None:
            return self.recognises(path)
        return path.is_file() and path.suffix.lower() in self.suffixes

    def check_options(self, path: Path, options: ReadOptions) -> None:
        """Refuse options that this reader would not heed.

        Raises
        ------
        DataError
            Naming the first of them.
        """
        for name in options.given():
            if name not in self.options and name == "table_columns":
                raise DataError(
                    f"{path} is read as {self.help}, which holds no table columns. Name a table of the images that has "
                    "them by --table, or list the images in a CSV or Parquet manifest."
                )
            if name not in self.options and name == "split_folders":
                raise DataError(
                    f"{path} is read as {self.help}, which has no split folders. Leave --split-folders out."
                )
            if name not in self.options:
                raise DataError(f"{path} is read as {self.help}, for which there is no option {name!r}; leave it out.")


_READERS: Registry[Reader] = Registry("reader", __name__, order=lambda reader: Registry.place(__name__, reader.read))


def register_reader(
    name: str,
    *,
    help: str,
    suffixes: tuple[str, ...] = (),
    recognises: Callable[[Path], bool] | None = None,
    options: tuple[str, ...] = (),
) -> Callable[[Read], Read]:
    """Decorator that makes a function the reader of one kind of data set; see `Reader` for the parameters.

    Raises
    ------
    ValueError
        When another reader has the name or one of the suffixes.
    """

    def register(read: Read) -> Read:
        taken = [known.name for known in _READERS.so_far() if {*known.suffixes} & {*suffixes}]
        if taken:
            raise ValueError(f"The reader {name!r} takes a suffix of the reader {taken[0]!r}. Choose another.")
        _READERS.add(name, Reader(name, help, read, suffixes, recognises, options))
        return read

    return register


def readers() -> tuple[Reader, ...]:
    """Every reader: those of this folder in order of their files, then those registered elsewhere."""
    return tuple(_READERS.values())


def find_reader(path: Path) -> Reader:
    """Reader of what lies at `path`.

    Raises
    ------
    DataError
        When nothing lies there, or no reader takes it.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; give {accepted_data()}.")
    for reader in readers():
        if reader.accepts(path):
            return reader
    suffixes = ", ".join(suffix for reader in readers() for suffix in reader.suffixes)
    raise DataError(
        f"{path} is neither a folder nor a file headstart reads as a data set ({suffixes}). For one picture there is "
        "`headstart predict`."
    )


def accepted_data() -> str:
    """Everything that can be read as a data set, in words for a help text.

    >>> accepted_data()
    'a folder of class folders, a CSV or Parquet manifest, or a .npz archive'
    """
    *most, last = [reader.help for reader in readers()]
    return f"{', '.join(most)}, or {last}"
