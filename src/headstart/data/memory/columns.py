"""Tables and data sets with named columns: frames of pandas and polars, tables of Arrow, data sets of Hugging Face.

None of these libraries is imported: each is known by what it can do.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.data.images.files import FilePixels
from headstart.data.images.source import ImageSource
from headstart.data.memory.form import PictureForm
from headstart.data.memory.pictures import is_path
from headstart.data.memory.source import Items, PictureSource, check_rows
from headstart.data.readers import ReadOptions
from headstart.data.readers.dicom import with_dicom_tags
from headstart.data.readers.manifest.columns import ManifestColumns
from headstart.data.readers.manifest.read import manifest_table
from headstart.data.readers.manifest.tabular import checked_types
from headstart.data.readers.table import DatasetTable
from headstart.data.table.request import requested_columns
from headstart.errors import DataError


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns by name.

    Attributes
    ----------
    kind : str
        What they are columns of, in messages.
    names : list of str
    values : callable
        From a name to the values of that column, in a list.
    items : callable
        From a name to the pictures of that column, each read when it is asked for where that can be.
    image, label : str or None
        Columns that the library itself says hold pictures or classes.
    """

    kind: str
    names: list[str]
    values: Callable[[str], list[Any]]
    items: Callable[[str], Items]
    image: str | None = None
    label: str | None = None

    def pictures(self, form: PictureForm) -> Items:
        """The pictures alone.

        Raises
        ------
        DataError
            When it cannot be told which column holds them.
        """
        name = self._image_column(None)
        if name is None:
            raise DataError(
                f"{form.argument} is {self.kind} with the columns {', '.join(self.names[:8])}, none of them called "
                "'image'. Rename one, or choose the column that holds the paths."
            )
        return self.items(name)

    def dataset(self, options: ReadOptions, form: PictureForm) -> tuple[DatasetTable, ImageSource]:
        """Table and pixels, by the rules of a manifest.

        Raises
        ------
        DataError
            See `headstart.data.readers.manifest.read.read_manifest`.
        """
        columns = self._roles(options)
        items = self.items(columns.image) if columns.image in self.names else []
        are_files = isinstance(items, list) and all(value is None or is_path(value) for value in items)

        def read(names: Sequence[str]) -> pa.Table:
            return self._arrow(names, {} if are_files else {columns.image: [f"{row:06d}" for row in range(len(items))]})

        table = manifest_table(
            Path(self.kind),
            self.names,
            read,
            columns,
            table_columns=requested_columns(options.table_columns or ()),
            allow_outside=True,
            votes=options.votes or "majority",
            split_folders=options.split_folders,
        )
        if are_files:
            root = Path.cwd() if options.root is None else Path(options.root).resolve()
            return with_dicom_tags(table, FilePixels(root, confined=False, damage=form.damage))
        check_rows(items, form)
        return table, PictureSource(items, form)  # rows that are numbers are all different, so none was dropped

    def _roles(self, options: ReadOptions) -> ManifestColumns:
        """Roles of the columns: as the caller says, else as the library does, else by their usual names."""
        given = ManifestColumns.of(options.columns)
        image = self._image_column(given.image)
        label = given.label
        if label == "label" and label not in self.names and self.label is not None:
            label = self.label
        return replace(given, image=image or given.image, label=label)

    def _image_column(self, given: str | None) -> str | None:
        if given not in (None, "image"):
            return given
        if "image" in self.names:
            return "image"
        return self.image or (self.names[0] if len(self.names) == 1 else None)

    def _arrow(self, names: Sequence[str], known: dict[str, list[str]]) -> pa.Table:
        arrays = {}
        for name in names:
            values = known.get(name) or self.values(name)
            texts = [os.fspath(value) if isinstance(value, os.PathLike) else value for value in values]
            try:
                arrays[name] = pa.array(texts, from_pandas=True)
            except Exception as error:  # whatever Arrow raises for values of several kinds
                reason = str(error).splitlines()[0][:200]
                raise DataError(
                    f"{self.kind}: column {name!r} mixes kinds of values ({reason}). Make all of them text."
                ) from error
        return checked_types(Path(self.kind), pa.table(arrays))


def columns_of(value: Any) -> Columns | None:
    """The columns of a table or of a data set of Hugging Face; None for anything else.

    Raises
    ------
    DataError
        When a data frame has several columns of one name.
    """
    if hasattr(value, "column_names") and hasattr(value, "features") and hasattr(value, "__len__"):
        return _of_hugging_face(value)
    if hasattr(value, "column_names") and hasattr(value, "to_pylist"):
        return _of_frame("the table", list(value.column_names), lambda name: value.column(name).to_pylist())
    if hasattr(value, "columns") and hasattr(value, "shape") and hasattr(value, "__getitem__"):
        labels = {str(label): label for label in value.columns}
        if len(labels) < len(value.columns):
            twice = next(name for name, count in Counter(map(str, value.columns)).items() if count > 1)
            raise DataError(f"the data frame has several columns called {twice!r}. Rename or drop all but one.")
        return _of_frame("the data frame", list(labels), lambda name: _listed(value[labels[name]]))
    return None


def _of_frame(kind: str, names: list[str], values: Callable[[str], list[Any]]) -> Columns:
    return Columns(kind, names, values, items=values)


def _listed(column: Any) -> list[Any]:
    return list(column.to_list() if hasattr(column, "to_list") else column.tolist())


def _of_hugging_face(dataset: Any) -> Columns:
    """Columns of a data set whose pictures lie on disk; formats and transforms that were set on it are not applied."""
    features = dict(dataset.features or {})
    plain = dataset.with_format(None) if hasattr(dataset, "with_format") else dataset
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]

    def values(name: str) -> list[Any]:
        return _class_names(list(plain[name]), features.get(name), name)

    def items(name: str) -> Items:
        return values(name) if kinds.get(name) == "Value" else _StoredColumn.of(plain, name, features.get(name))

    return Columns(
        "the data set",
        list(dataset.column_names),
        values,
        items,
        image=images[0] if len(images) == 1 else None,
        label=labels[0] if len(labels) == 1 else None,
    )


def _class_names(values: list[Any], feature: Any, column: str) -> list[Any]:
    """Values of a column, with the names of its classes for their numbers."""
    names = getattr(feature, "names", None)
    if not isinstance(names, list | tuple):
        return values
    beyond = [row for row, value in enumerate(values) if value is None or not 0 <= value < len(names)]
    if beyond:
        row = beyond[0]
        raise DataError(
            f"the data set: column {column!r} has the label {values[row]} in row {row}, which is none of its "
            f"{len(names)} classes: its images are not labelled. Choose a labelled part, or leave these rows out."
        )
    return [names[value] for value in values]


@dataclass(frozen=True, eq=False)
class _StoredColumn:
    """Pictures of a column as they are stored, bytes or path, each read when it is asked for."""

    dataset: Any
    name: str

    @classmethod
    def of(cls, dataset: Any, name: str, feature: Any) -> _StoredColumn:
        """The column alone; its pictures are left undecoded where the library decodes them itself."""
        alone = dataset.select_columns([name]) if hasattr(dataset, "select_columns") else dataset
        if getattr(feature, "decode", False) is True and hasattr(alone, "cast_column"):
            alone = alone.cast_column(name, type(feature)(decode=False))
        return cls(alone, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> Any:
        return self.dataset[row][self.name]
