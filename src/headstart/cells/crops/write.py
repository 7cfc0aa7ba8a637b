"""Single cells as files: one picture each, and a manifest with class, group and measurements."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.cells.crops.dataset import SEPARATOR
from headstart.runtime.csv_cells import csv_bytes
from headstart.storage import write_bytes

if TYPE_CHECKING:
    from headstart.data import ImageDataset

CROPS, MANIFEST = "crops", "cells.csv"
_DIGITS: Final = 5


def write_crops(dataset: ImageDataset, folder: Path) -> None:
    """Write every crop as a PNG and the manifest ``cells.csv`` beside them, which `fit` reads.

    Parameters
    ----------
    dataset : ImageDataset
        As `headstart.cells.crops.dataset.crop_dataset` makes it.
    folder : Path
    """
    labels = dataset.label_names()
    groups = [] if dataset.groups is None else [dataset.group_names[code] for code in dataset.groups.tolist()]
    has = [*(["label"] if labels else []), *(["group"] if groups else [])]
    rows: list[list[Any]] = [["image", *has, *(column.name for column in dataset.columns)]]
    for row, name in enumerate(dataset.names):
        picture = io.BytesIO()
        dataset.load(row).save(picture, format="PNG")
        path = crop_path(name)
        write_bytes(folder / path, picture.getvalue())
        known = [column[row] for column in (labels, groups) if column]
        rows.append([path, *known, *(f"{column.values[row]:.6g}" for column in dataset.columns)])
    write_bytes(folder / MANIFEST, csv_bytes(rows))


def crop_path(name: str) -> str:
    """Path of the picture of a crop.

    >>> crop_path("plate1/B07.tif#12")
    'crops/plate1/B07/00012.png'
    """
    micrograph, _, cell = name.rpartition(SEPARATOR)
    return f"{crop_folder(micrograph)}/{int(cell):0{_DIGITS}d}.png"


def crop_folder(micrograph: str) -> str:
    """Folder of the crops of a micrograph.

    >>> crop_folder("plate1/B07.tif")
    'crops/plate1/B07'
    """
    return f"{CROPS}/{Path(micrograph).with_suffix('').as_posix()}"
