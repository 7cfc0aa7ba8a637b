"""Data sets that bring their labels along: tables, data sets of Hugging Face and of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headstart.data.images.source import ImageSource
from headstart.data.memory.collection import Pictures, collected
from headstart.data.memory.columns import columns_of
from headstart.data.memory.form import PictureForm
from headstart.data.memory.mapped import is_mapped, mapped_labels
from headstart.data.memory.repeats import without_repeats
from headstart.data.readers import ReadOptions
from headstart.data.readers.arrays import column_table
from headstart.data.readers.dicom import with_dicom_tags
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError


def has_labels(data: Pictures) -> bool:
    """Whether data in memory are of a kind that brings labels along with its pictures."""
    return columns_of(data) is not None or is_mapped(data)


def labelled_pictures(data: Pictures, options: ReadOptions, form: PictureForm) -> tuple[DatasetTable, ImageSource]:
    """Table and pixels of data in memory, with all that they say of their images; pictures alone have no labels.

    Raises
    ------
    DataError
        When they are no collection of images, or an option says how files are read.
    """
    columns = columns_of(data)
    if columns is not None:
        _refuse(options, ("partition",))
        return columns.dataset(options, form)
    _refuse(options, ("partition", "split_folders", "columns", "root", "votes", "table_columns"))
    found = collected(data, form)
    if not is_mapped(data):
        return with_dicom_tags(*without_repeats(DatasetTable(names=found.names), found.source))
    return _with_labels(column_table(found.names, mapped_labels(data), None, None, None)), found.source


def _with_labels(table: DatasetTable) -> DatasetTable:
    if table.labels is not None:
        return table
    note = "The items of the data set have no labels: they are pictures alone, not pairs of an image and its label."
    return replace(table, notes=(*table.notes, note))


def _refuse(options: ReadOptions, names: tuple[str, ...]) -> None:
    given: dict[str, Any] = {name: getattr(options, name) for name in names}
    named = next((name for name, value in given.items() if value is not None), None)
    if named is not None:
        raise DataError(f"{named} says how files are read, but these data are in memory. Leave it out.")
