"""``predictions.csv`` read and checked: whatever cannot stand there is named by its column and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import plural
from headstart.metrics.validation import MAX_PROBABILITY, MAX_SUM_ERROR
from headstart.results.damage import damaged, read_text
from headstart.results.models.split import RunSplit
from headstart.runtime.csv_cells import restored
from headstart.storage import parsed_json


@dataclass(frozen=True)
class PredictionTable:
    """The out-of-fold predictions, one row per image and repeat.

    Parameters
    ----------
    images : list of str
        Image names, n rows.
    labels, predicted : ndarray of shape (n,), int64
        Class codes.
    probabilities : ndarray of shape (n, n_classes), float64
    repeat, fold : ndarray of shape (n,), int64
    weights : ndarray of shape (n,), float64, or None
    groups : list of str, or None
    sets : list of list of str, or None
        Classes in the prediction set of every row; None where the run made no sets.
    """

    images: list[str]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    weights: NDArray[np.float64] | None
    groups: list[str] | None
    sets: list[list[str]] | None = None


def read_predictions(path: Path, classes: Sequence[str], split: RunSplit) -> PredictionTable:
    """Read the out-of-fold predictions of a run.

    Parameters
    ----------
    path : Path
    classes : sequence of str
        Class names in the order of the codes.
    split : RunSplit
        The images, repeats and folds that may stand in the table.

    Raises
    ------
    RunError
        When the file is missing or damaged; the message names the column and the line, the header being line 1.
    """
    table = _read_table(path)
    shown = [f"probability:{name}" for name in classes]
    missing = [column for column in ("image", "label", "predicted", *shown, "repeat", "fold") if column not in table]
    if missing:
        damaged(path, f"it has no column {', '.join(repr(column) for column in missing)}")
    if not table["image"]:
        damaged(path, "it holds no rows")
    cells = _Cells(path, table)
    found = PredictionTable(
        images=list(map(restored, table["image"])),
        labels=cells.codes("label", classes, "none of the classes in results.json"),
        predicted=cells.codes("predicted", classes, "none of the classes in results.json"),
        probabilities=_probabilities(cells, shown),
        repeat=cells.whole_numbers("repeat"),
        fold=cells.whole_numbers("fold"),
        weights=_weights(cells) if "weight" in table else None,
        groups=list(map(restored, table["group"])) if "group" in table else None,
        sets=cells.sets("set", classes) if "set" in table else None,
    )
    _check_against_split(cells, found, split)
    return found


def _read_table(path: Path) -> dict[str, list[str]]:
    """Columns of a CSV file by name."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except csv.Error as error:
        damaged(path, f"it is not a valid CSV table ({error})")
    if not rows:
        damaged(path, "it is empty")
    header, *body = rows
    for line, row in enumerate(body, start=2):
        if len(row) != len(header):
            damaged(path, f"row {line} has {plural(len(row), 'cell')} where the header has {len(header)}")
    columns = zip(*body, strict=True) if body else ([] for _ in header)
    return {name: list(column) for name, column in zip(header, columns, strict=True)}


@dataclass(frozen=True)
class _Cells:
    """Cells of a table, turned column by column into what they stand for."""

    path: Path
    table: dict[str, list[str]]

    def refuse_first(self, column: str, wrong: NDArray[np.bool_], reason: str) -> None:
        """Refuse the file when a cell of the column is wrong; the first one is shown before the reason."""
        if wrong.any():
            row = int(wrong.argmax())
            cell = f"{self.table[column][row]!r:.60}" if self.table[column][row] else "nothing"
            damaged(self.path, f"column {column!r} on line {row + 2} holds {cell}, {reason}")

    def codes(self, column: str, names: Sequence[str], which_is: str) -> NDArray[np.int64]:
        """Position of every cell among the names."""
        index = {name: code for code, name in enumerate(names)}
        codes = np.array([index.get(restored(cell), -1) for cell in self.table[column]], dtype=np.int64)
        self.refuse_first(column, codes < 0, f"which is {which_is}")
        return codes

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Every cell as a finite number."""
        values = self._converted(column, np.float64, "which is not a number")
        self.refuse_first(column, ~np.isfinite(values), "which is not a finite number")
        return values

    def whole_numbers(self, column: str) -> NDArray[np.int64]:
        """Every cell as the number of a repeat or fold."""
        return self._converted(column, np.int64, f"which is not a number of a {column}")

    def sets(self, column: str, classes: Sequence[str]) -> list[list[str]]:
        """Every cell as a prediction set: a JSON list of class names."""
        found = [_set_of(cell, frozenset(classes)) for cell in self.table[column]]
        self.refuse_first(column, np.array([one is None for one in found]), "which is no JSON list of classes")
        return [one for one in found if one is not None]

    def _converted(self, column: str, dtype: type[Any], reason: str) -> NDArray[Any]:
        cells = np.array(self.table[column], dtype=object)  # as Python reads them: a third of the time of NumPy's text
        try:
            return cells.astype(dtype)
        except (ValueError, OverflowError):
            wrong = [not _converts(cell, dtype) for cell in cells]
            self.refuse_first(column, np.array(wrong), reason)
            raise


def _set_of(cell: str, classes: frozenset[str]) -> list[str] | None:
    """The names of a JSON list of classes; None where the cell is anything else."""
    try:
        names = parsed_json(cell)
    except ValueError:
        return None
    is_set = isinstance(names, list) and all(isinstance(name, str) and name in classes for name in names)
    return names if is_set else None


def _converts(cell: str, dtype: type[Any]) -> bool:
    try:
        np.array([cell], dtype=object).astype(dtype)
    except (ValueError, OverflowError):
        return False
    return True


def _probabilities(cells: _Cells, columns: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities of all classes, shape (n, n_classes), as `headstart.metrics` takes them."""
    probabilities = np.column_stack([cells.numbers(column) for column in columns])
    for column, values in zip(columns, probabilities.T, strict=True):
        cells.refuse_first(column, (values < 0) | (values > MAX_PROBABILITY), "which is no probability from 0 to 1")
    sums = probabilities.sum(axis=1)
    wrong = np.abs(sums - 1) > MAX_SUM_ERROR
    if wrong.any():
        row = int(wrong.argmax())
        where = f"columns {columns[0]!r} to {columns[-1]!r} on line {row + 2}"
        damaged(cells.path, f"{where} sum to {sums[row]:.4g}, but the probabilities of all classes sum to 1")
    return probabilities


def _weights(cells: _Cells) -> NDArray[np.float64]:
    weights = cells.numbers("weight")
    cells.refuse_first("weight", weights < 0, "but a weight is not negative")
    return weights


def _check_against_split(cells: _Cells, found: PredictionTable, split: RunSplit) -> None:
    """Refuse an image, repeat or fold that is not of the split, and an image judged twice in one repeat."""
    image = cells.codes("image", split.images, "none of the images in split.json")
    outside = (found.repeat < 0) | (found.repeat >= split.repeats)
    cells.refuse_first("repeat", outside, f"but the repeats in split.json are 0 to {split.repeats - 1}")
    tested_in = np.array(split.outer)[found.repeat, image]  # (repeats, n_images) at every row
    wrong = (found.fold != tested_in) | (found.fold < 0)
    cells.refuse_first("fold", wrong, "which is not the fold that split.json tests this image in")
    first = np.unique(found.repeat * len(split.images) + image, return_index=True)[1]
    again = np.ones(len(image), dtype=bool)
    again[first] = False
    cells.refuse_first("image", again, "which an earlier line holds for the same repeat")
