"""A simulated assay as files: micrographs, masks, a table of cells and one of wells."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from headstart.cells.simulation.assay import CLASSES, PIXEL_UM, SimulatedAssay
from headstart.errors import InputError
from headstart.progress import Progress
from headstart.runtime.csv_cells import csv_bytes
from headstart.storage import write_bytes

MICROGRAPHS, MASKS, CELLS, WELLS = "micrographs", "masks", "cells.csv", "wells.csv"
_README = (
    "Simulated: these micrographs of living and dead cells were drawn by `headstart cells simulate` and show no real "
    "cell. micrographs/ holds the pictures, masks/ the exact label images, cells.csv the class of every cell (y and x "
    "of its centroid in pixels), wells.csv the dose of every well.\n"
)


def write_assay(assay: SimulatedAssay, folder: Path, progress: Progress) -> int:
    """Write an assay into a new folder; the number of its cells.

    Raises
    ------
    InputError
        When the folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; name a new folder.")
    cells: list[tuple[Any, ...]] = []
    with progress.task("Simulating", assay.n_micrographs, "micrographs") as done:
        for number in range(assay.n_micrographs):
            field, name = assay.field(number), assay.name(number)
            write_bytes(folder / MICROGRAPHS / name, tiff_bytes(field.image, PIXEL_UM))
            write_bytes(folder / MASKS / name.replace(".tif", "_mask.tif"), tiff_bytes(field.labels.astype(np.uint16)))
            cells += [(name, *row) for row in _rows(field.labels, field.dead)]
            done(1)
    wells = {assay.well(number): assay.dose_um(number) for number in range(assay.n_micrographs)}
    write_bytes(folder / CELLS, csv_bytes([("image", "cell", "y", "x", "class"), *cells]))
    write_bytes(folder / WELLS, csv_bytes([("well", "dose_um"), *sorted(wells.items())]))
    write_bytes(folder / "README.txt", _README.encode())
    return len(cells)


def _rows(labels: Any, dead: Any) -> list[tuple[int, float, float, str]]:
    n_cells = len(dead)
    areas = np.bincount(labels.ravel(), minlength=n_cells + 1)[1:]
    rows, columns = np.indices(labels.shape)
    y = np.bincount(labels.ravel(), rows.ravel(), minlength=n_cells + 1)[1:] / areas
    x = np.bincount(labels.ravel(), columns.ravel(), minlength=n_cells + 1)[1:] / areas
    return [
        (cell + 1, round(float(y[cell]), 2), round(float(x[cell]), 2), CLASSES[int(dead[cell])])
        for cell in range(n_cells)
    ]


def tiff_bytes(image: Any, pixel_um: float | None = None) -> bytes:
    """A plane as an OME-TIFF with the size of a pixel, or a plain TIFF without; the same bytes for the same plane."""
    import tifffile

    handle = io.BytesIO()
    if pixel_um is None:
        tifffile.imwrite(handle, image, metadata=None, software="")
        return handle.getvalue()
    about = {
        "axes": "YX",
        "PhysicalSizeX": pixel_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel_um,
        "PhysicalSizeYUnit": "µm",
        "UUID": "urn:uuid:00000000-0000-0000-0000-000000000000",
    }
    tifffile.imwrite(handle, image, ome=True, metadata=about, software="")
    return handle.getvalue()
