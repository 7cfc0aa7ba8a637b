"""Table columns from a table of their own, beside a folder, an archive or a manifest of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.data.readers.manifest.columns import ManifestColumns
from headstart.data.readers.manifest.read import read_manifest
from headstart.data.readers.table import DatasetTable
from headstart.data.table.request import ColumnRequest
from headstart.errors import DataError, first_few, plural


def with_side_table(table: DatasetTable, path: Path, requests: Sequence[ColumnRequest]) -> DatasetTable:
    """The table of a data set with columns of another table, found by the names of the images.

    Parameters
    ----------
    table : DatasetTable
    path : Path
        CSV or Parquet, with the image's name in the data set in a column ``image``. Other images may be in it; what
        it has no row for is missing, which a note counts.
    requests : sequence of ColumnRequest
        Columns to take.

    Raises
    ------
    DataError
        When no column is asked for, one is not there or cannot be used, or none of the images is in the table.
    """
    if not requests:
        raise DataError(f"{path} is to bring table columns, and none is named. Name them: --table-columns age,site.")
    found = read_manifest(
        path, ManifestColumns(label=None, image_alone=True), table_columns=requests, allow_outside=True
    )
    place = {name: row for row, name in enumerate(found.names)}
    rows = np.array([place.get(name, -1) for name in table.names], dtype=np.int64)
    absent = [name for name, row in zip(table.names, rows.tolist(), strict=True) if row < 0]
    if len(absent) == len(rows):
        raise DataError(
            f"{path} has a row for none of the images. Its column 'image' should hold their names in the data set, "
            f"such as {absent[0]!r}; it holds {first_few(map(repr, found.names), limit=2)}."
        )
    without = plural(len(absent), f"of {len(rows):,} images has", f"of {len(rows):,} images have")
    note = (
        f"{without} no row in {path.name}, such as {first_few(absent, limit=2)}: table columns count as missing there."
    )
    notes = (note,) if absent else ()
    columns = tuple(column.at(rows) for column in found.columns)
    return replace(table, columns=columns, notes=(*table.notes, *notes))
