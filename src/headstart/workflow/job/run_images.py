"""The pictures of a finished run, found again where its data lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.data import ImageDataset
from headstart.data.images.files import FilePixels
from headstart.data.readers.table import DatasetTable
from headstart.signals.dataset import read as read_windows
from headstart.signals.place import reading_of
from headstart.workflow.options.data import DataSource


def reopen_pictures(source: dict[str, Any] | None, names: Sequence[str]) -> ImageDataset:
    """The pictures of a run, for its report.

    Parameters
    ----------
    source : dict or None
        Where `open_data` found them.
    names : sequence of str
        Names of the images.

    Raises
    ------
    RunError
        When the run does not say where its pictures lie.
    DataError
        When they are no longer there.
    """
    files = FilePixels.at(source)
    if files is not None:
        return ImageDataset.from_table(DatasetTable(names=names), files)
    recordings = reading_of(source)
    if recordings is not None:
        path, reading = recordings
        return read_windows(path, **reading)
    return DataSource.from_json(source).open()
