"""What a segmentation leaves: label images, a table of all cells, a preview."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.cells.micrographs.plate import plate_position
from headstart.cells.segmentation.preview import MAX_PICTURES, outlined, preview_sheet
from headstart.errors import InputError
from headstart.runtime.csv_cells import csv_bytes
from headstart.storage import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.cells.cell_table import CellTable
    from headstart.cells.micrographs.segmented import SegmentedMicrograph

LABELS, TABLE, PREVIEW = "labels", "cells.csv", "preview.png"
_FIRST = ("image", "plate", "well", "field", "cell", "y", "x")


class SegmentationWriter:
    """Writer of one micrograph after another.

    Parameters
    ----------
    folder : Path
    channel : str, optional
        That the preview shows. Default: the first.

    Attributes
    ----------
    n_cells : int
    notes : list of str
        What is doubtful, with the name of the micrograph.
    """

    def __init__(self, folder: Path, channel: str | None = None) -> None:
        self.n_cells = 0
        self.notes: list[str] = []
        self._folder, self._channel = folder, channel
        self._rows: list[list[Any]] = []
        self._columns: tuple[str, ...] = ()
        self._pictures: list[NDArray[np.uint8]] = []

    def add(self, one: SegmentedMicrograph) -> None:
        """Write the label image of a micrograph and keep its rows of the table."""
        labels = one.segmentation.labels
        write_bytes(self._folder / label_path(one.name), label_bytes(labels))
        self._columns = self._columns or tuple(one.table.columns)
        self._rows += cell_rows(one.name, one.table, self._columns)
        self.n_cells += len(one.table)
        self.notes += [f"{one.name}: {note}" for note in one.segmentation.notes]
        if len(self._pictures) < MAX_PICTURES:
            self._pictures.append(outlined(one.micrograph.channel(self._channel), labels))

    def close(self) -> None:
        """Write table and preview."""
        from PIL import Image

        write_bytes(self._folder / TABLE, csv_bytes([(*_FIRST, *self._columns), *self._rows]))
        sheet = io.BytesIO()
        Image.fromarray(preview_sheet(self._pictures)).save(sheet, format="PNG")
        write_bytes(self._folder / PREVIEW, sheet.getvalue())


def cell_rows(name: str, table: CellTable, columns: tuple[str, ...]) -> list[list[Any]]:
    """Rows of the table: micrograph, plate, well, field, cell, centroid and measurements; empty where there is none."""
    where = plate_position(name)
    first = [name, where.plate, where.well, where.field]
    values = [table.columns.get(column) for column in columns]
    return [
        [
            *first,
            int(table.label[row]),
            f"{table.y[row]:.2f}",
            f"{table.x[row]:.2f}",
            *("" if column is None else f"{column[row]:.6g}" for column in values),
        ]
        for row in range(len(table))
    ]


def label_path(name: str) -> str:
    """Path of the label image of a micrograph.

    >>> label_path("plate1/B07.ome.tif")
    'labels/plate1/B07_labels.tif'
    """
    path = PurePosixPath(name)
    stem = path.name.removesuffix(path.suffix).removesuffix(".ome")
    return str(PurePosixPath(LABELS, path.parent, f"{stem}_labels.tif"))


def check_apart(names: Iterable[str], path_of: Callable[[str], str]) -> None:
    """Refuse micrographs of which one would be written over the other: ``a.tif`` and ``a.png``.

    Raises
    ------
    InputError
    """
    owner: dict[str, str] = {}
    for name in names:
        other = owner.setdefault(path_of(name), name)
        if other != name:
            raise InputError(f"{other} and {name} would both be written as {path_of(name)}; rename one of them.")


def label_bytes(labels: NDArray[np.int32]) -> bytes:
    """A label image as a compressed TIFF of 16 bits, or 32 where there are more than 65,535 cells."""
    import tifffile

    handle = io.BytesIO()
    kind = np.uint16 if labels.max(initial=0) <= 65_535 else np.uint32
    tifffile.imwrite(handle, labels.astype(kind), compression="zlib", metadata=None, software="")
    return handle.getvalue()
