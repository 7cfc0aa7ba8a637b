"""A clean folder of lesions: images, the table ``lesions.csv``, and what was left out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.lesions.reading.data import DESCRIBING, LesionData
from headstart.lesions.reading.table import IMPORT, TABLE
from headstart.progress import Progress, Silent
from headstart.runtime.csv_cells import csv_bytes
from headstart.storage import storage_error, write_bytes, write_json

if TYPE_CHECKING:
    from headstart.lesions.reading.data import Lesion

IMAGES, LEFT_OUT = "images", "left_out.csv"
_HEADER: Final = ("image", "label", "group", "thickness_mm", *DESCRIBING)


def write_lesions(data: LesionData, folder: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Write a folder that `read_lesions`, and `headstart.fit` with its table, read as these lesions.

    Images are linked where the disk allows it (a second name of the same file), else copied.

    Parameters
    ----------
    data : LesionData
    folder : Path
        Empty.
    progress : Progress, optional

    Returns
    -------
    dict
        Counts and notes, as ``import.json`` has them.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    names = _names([one.image for one in data.lesions])
    with (progress or Silent()).task("Importing", len(names), "images") as done:
        for one, name in zip(data.lesions, names, strict=True):
            _link_or_copy(data.root / one.image, folder / name)
            done(1)
    write_bytes(folder / TABLE, csv_bytes([_HEADER, *map(_row, names, data.lesions)]))
    write_bytes(folder / LEFT_OUT, csv_bytes([("image", "reason"), *data.left_out]))
    account = {**data.counts(), "order": list(data.classes) if data.is_ordered else [], "notes": list(data.notes)}
    write_json(folder / IMPORT, account)
    return account


def _names(paths: Sequence[str]) -> list[str]:
    """Name of every image in the new folder: that of its file, its whole path where two files have one name."""
    files = [path.rpartition("/")[2] for path in paths]
    several = {name for name in files if files.count(name) > 1} if len(set(files)) < len(files) else set()
    return [f"{IMAGES}/{path if name in several else name}" for path, name in zip(paths, files, strict=True)]


def _row(name: str, one: Lesion) -> Sequence[str]:
    return (name, one.label, one.group, one.thickness, *(one.about[role] for role in DESCRIBING))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source.resolve(), target)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(source, target)
    except OSError as error:
        raise storage_error(target, error) from error
