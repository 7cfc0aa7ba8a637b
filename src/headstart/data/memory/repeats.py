"""Images that a caller lists more than once: rows that agree are one, rows that do not are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.source import ImageSource
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError, first_few, plural


def without_repeats(table: DatasetTable, source: ImageSource) -> tuple[DatasetTable, ImageSource]:
    """Table and source without rows that repeat another exactly, and a note of them.

    Raises
    ------
    DataError
        When rows of one image differ in label, group, weight, fold, or another column.
    """
    place: dict[str, int] = {}
    first = np.array([place.setdefault(name, row) for row, name in enumerate(table.names)], dtype=np.int64)
    rows = np.flatnonzero(first == np.arange(len(first)))
    if len(rows) == len(first):
        return table, source
    for kind, values in _columns(table).items():
        differing = [row for row in range(len(first)) if not _are_equal(values[row], values[first[row]])]
        if differing:
            listed = first_few(dict.fromkeys(table.names[row] for row in differing))
            images = plural(len(differing), "image is", "images are")
            raise DataError(
                f"{images} listed more than once, with different {kind}: {listed}. Keep one row for each image."
            )
    repeated, several = "row repeats another exactly and was dropped", "rows repeat another exactly and were dropped"
    note = f"{plural(len(first) - len(rows), repeated, several)}."
    return _taken(table, rows, note), source.take(rows)


def _columns(table: DatasetTable) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any] | None] = {
        "labels": None if table.labels is None else table.labels.codes,
        "groups": None if table.groups is None else table.groups.codes,
        "weights": table.weights,
        "folds": table.folds,
        "soft labels": table.soft,
        "ratings": None if table.ratings is None else table.ratings.codes,
        **{f"values of {column.name!r}": column.values for column in table.columns},
    }
    return {kind: values for kind, values in found.items() if values is not None}


def _are_equal(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"))


def _taken(table: DatasetTable, rows: NDArray[np.int64], note: str) -> DatasetTable:
    return replace(
        table,
        names=[table.names[row] for row in rows.tolist()],
        labels=None if table.labels is None else table.labels.take(rows),
        groups=None if table.groups is None else table.groups.take(rows),
        weights=None if table.weights is None else table.weights[rows],
        folds=None if table.folds is None else table.folds[rows],
        soft=None if table.soft is None else table.soft[rows],
        ratings=None if table.ratings is None else table.ratings.take(rows),
        columns=tuple(column.take(rows) for column in table.columns),
        notes=(*table.notes, note),
    )
