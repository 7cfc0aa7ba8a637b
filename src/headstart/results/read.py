"""What a finished run left behind, read and checked before anything is drawn from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import RunError
from headstart.results.damage import damaged, read_text
from headstart.results.models.run_results import RunResults
from headstart.results.models.split import RunSplit
from headstart.results.models.timings import RunTimings


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
    """

    images: list[str]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    weights: NDArray[np.float64] | None
    groups: list[str] | None


@dataclass(frozen=True)
class RunRecord:
    """A run as it lies on disk.

    Attributes
    ----------
    folder : Path
    results : RunResults
        ``results.json``, typed and brought up to date.
    predictions : PredictionTable
    split : RunSplit
        ``split.json``.
    timings : RunTimings
        ``timings.json``.
    """

    folder: Path
    results: RunResults
    predictions: PredictionTable
    split: RunSplit
    timings: RunTimings

    @property
    def n_judged(self) -> int:
        """Number of images that were judged; fewer than the data set holds after a holdout split."""
        return len(set(self.predictions.images))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in their order."""
        return tuple(self.results.task.classes)

    @property
    def positive(self) -> int | None:
        """Code of the positive class of a two-class task, else None."""
        name = self.results.task.positive
        return None if name is None else self.classes.index(name)


def read_run(run: Path) -> RunRecord:
    """Read ``results.json``, ``predictions.csv``, ``split.json`` and ``timings.json`` of a run.

    Raises
    ------
    RunError
        When the folder is no run, or a file is missing, damaged, from a newer version or of another run;
        the message names the file and the remedy.
    """
    if not run.is_dir():
        raise RunError(f"{run} is not a folder. Give the folder that `headstart fit DATA -o RUN` wrote.")
    results = RunResults.read(run / RunResults.file_name)
    split = RunSplit.read(run / RunSplit.file_name)
    if split.hash != results.protocol.split_hash:
        damaged(run / RunSplit.file_name, "its hash is not the one results.json names, so it belongs to another run")
    timings = RunTimings.read(run / RunTimings.file_name)
    predictions = _read_predictions(run / "predictions.csv", results.task.classes)
    return RunRecord(run, results, predictions, split, timings)


def _read_predictions(path: Path, classes: Sequence[str]) -> PredictionTable:
    table = _read_table(path)
    needed = ["image", "label", "predicted", *(f"probability:{name}" for name in classes), "repeat", "fold"]
    missing = [column for column in needed if column not in table]
    if missing:
        damaged(path, f"it has no column {', '.join(repr(column) for column in missing)}")
    if not table["image"]:
        damaged(path, "it holds no rows")
    weights = _numbers(path, table, ["weight"], np.float64)[:, 0] if "weight" in table else None
    return PredictionTable(
        images=table["image"],
        labels=_codes(path, "label", table["label"], classes),
        predicted=_codes(path, "predicted", table["predicted"], classes),
        probabilities=_numbers(path, table, needed[3 : 3 + len(classes)], np.float64),
        repeat=_numbers(path, table, ["repeat"], np.int64)[:, 0],
        fold=_numbers(path, table, ["fold"], np.int64)[:, 0],
        weights=weights,
        groups=table.get("group"),
    )


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
            damaged(path, f"row {line} has {len(row)} cells where the header has {len(header)}")
    columns = zip(*body, strict=True) if body else ([] for _ in header)
    return {name: list(column) for name, column in zip(header, columns, strict=True)}


def _codes(path: Path, column: str, values: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    index = {name: code for code, name in enumerate(classes)}
    unknown = sorted(set(values) - set(index))
    if unknown:
        damaged(path, f"column {column!r} holds {unknown[0]!r}, which is none of the classes in results.json")
    return np.array([index[value] for value in values], dtype=np.int64)


def _numbers(path: Path, table: Mapping[str, list[str]], columns: Sequence[str], dtype: type[Any]) -> NDArray[Any]:
    """Columns as numbers, shape (n, len(columns)); every one finite."""
    try:
        values = np.column_stack([np.array(table[column]).astype(dtype) for column in columns])
    except (ValueError, OverflowError) as error:
        damaged(path, f"column {columns[0]!r} holds something that is not a number ({error})")
    if not np.all(np.isfinite(values)):
        damaged(path, f"column {columns[0]!r} or one like it holds a value that is not finite")
    return values
