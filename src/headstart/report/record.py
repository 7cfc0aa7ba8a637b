"""What a finished run left behind, read and checked before anything is drawn from it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from headstart.errors import RunError

FORMAT = 1
_NUMBER = (int, float)
_OPTIONAL_NUMBER = (int, float, type(None))
_OPTIONAL_TEXT = (str, type(None))

# What the report relies on; "[]" stands for every item of a list, "{}" for every value of an object.
_RESULTS_SCHEMA: dict[str, tuple[type, ...]] = {
    "headstart": (str,),
    "headline.metric": (str,),
    "headline.value": _NUMBER,
    "headline.text": (str,),
    "task.classes": (list,),
    "task.classes[]": (str,),
    "task.positive": _OPTIONAL_TEXT,
    "task.n_images": (int,),
    "task.class_counts": (dict,),
    "task.class_counts{}": _NUMBER,
    "task.weighted": (bool,),
    "protocol.scheme": (str,),
    "protocol.repeats": (int,),
    "protocol.choose_by": (str,),
    "protocol.seed": (int,),
    "protocol.split_hash": (str,),
    "protocol.interval.method": (str,),
    "protocol.interval.speaks_of": (str,),
    "protocol.interval.reference": (str,),
    "backbone.name": (str,),
    "backbone.weights": (dict,),
    "metrics{}": (dict,),
    "metrics{}.value": _OPTIONAL_NUMBER,
    "per_class{}": (dict,),
    "per_class{}.support": _NUMBER,
    "confusion[]": (list,),
    "confusion[][]": _NUMBER,
    "folds[]": (dict,),
    "folds[].repeat": (int,),
    "folds[].fold": (int,),
    "folds[].n_train": (int,),
    "folds[].n_test": (int,),
    "folds[].inner_log_loss": _OPTIONAL_NUMBER,
    "folds[].chosen.label": (str,),
    "folds[].metrics{}": _OPTIONAL_NUMBER,
    "candidates[]": (dict,),
    "candidates[].kind": (str,),
    "candidates[].label": (str,),
    "candidates[].settings": (dict,),
    "candidates[].inner_log_loss": _OPTIONAL_NUMBER,
    "candidates[].times_chosen": (int,),
    "optimism": (dict,),
    "audit": (dict,),
    "final_model.label": (str,),
    "warnings[]": (str,),
}
_SPLIT_SCHEMA: dict[str, tuple[type, ...]] = {
    "hash": (str,),
    "images": (list,),
    "images[]": (str,),
    "groups": (list, type(None)),
    "notes": (list,),
    "notes[]": (str,),
}
_TIMINGS_SCHEMA: dict[str, tuple[type, ...]] = {"seconds": (dict,), "seconds{}": _OPTIONAL_NUMBER, "versions": (dict,)}


@dataclass(frozen=True)
class Predictions:
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
    """A run as it lies on disk; `results`, `split` and `timings` are the parsed JSON files."""

    folder: Path
    results: dict[str, Any]
    predictions: Predictions
    split: dict[str, Any]
    timings: dict[str, Any]

    @property
    def n_judged(self) -> int:
        """Number of images that were judged; fewer than the data set holds after a holdout split."""
        return len(set(self.predictions.images))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in their order."""
        return tuple(self.results["task"]["classes"])

    @property
    def positive(self) -> int | None:
        """Code of the positive class of a two-class task, else None."""
        name = self.results["task"]["positive"]
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
    results = _read_json(run / "results.json", _RESULTS_SCHEMA)
    _check_task(run / "results.json", results)
    split = _read_json(run / "split.json", _SPLIT_SCHEMA)
    if split["hash"] != results["protocol"]["split_hash"]:
        _damaged(run / "split.json", "its hash is not the one results.json names, so it belongs to another run")
    timings = _read_json(run / "timings.json", _TIMINGS_SCHEMA)
    predictions = _read_predictions(run / "predictions.csv", results["task"]["classes"])
    return RunRecord(run, results, predictions, split, timings)


def _damaged(path: Path, reason: str) -> NoReturn:
    raise RunError(
        f"{path} cannot be used: {reason}. Run `headstart fit DATA -o {path.parent}` again with the same options; "
        "a run that was interrupted goes on where it stopped."
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        _damaged(path, "the file is missing, so the run is incomplete")
    except UnicodeDecodeError:
        _damaged(path, "it is not UTF-8 text")
    except OSError as error:
        _damaged(path, f"it cannot be read ({error.strerror})")


def _read_json(path: Path, schema: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    text = _read_text(path)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _damaged(path, f"it is not valid JSON ({error})")
    if not isinstance(value, dict):
        _damaged(path, "it holds no JSON object")
    _check_format(path, value)
    for dotted, types in schema.items():
        for where, item in _reach(path, value, dotted):
            _check_type(path, where, item, types)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_format(path: Path, value: Mapping[str, Any]) -> None:
    found = value.get("format", FORMAT)
    if found != FORMAT:
        raise RunError(
            f"{path} has format {found!r}, but this headstart reads format {FORMAT}. "
            "Install the version of headstart that wrote the run, or run `headstart fit` again into a new folder."
        )


def _check_type(path: Path, where: str, item: object, types: tuple[type, ...]) -> None:
    if not isinstance(item, types) or (isinstance(item, bool) and bool not in types):
        expected = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)
        _damaged(path, f"{where} should be {expected} but is {type(item).__name__}")


def _reach(path: Path, value: Any, dotted: str) -> Iterator[tuple[str, Any]]:
    """Every (address, item) that a schema path such as ``folds[].chosen.label`` stands for."""
    found = [("", value)]
    for step in dotted.replace("[]", ".[]").replace("{}", ".{}").split("."):
        found = [pair for where, item in found for pair in _children(path, where, item, step)]
    yield from found


def _children(path: Path, where: str, item: Any, step: str) -> list[tuple[str, Any]]:
    if step == "[]":
        _check_type(path, where, item, (list,))
        return [(f"{where}[{i}]", child) for i, child in enumerate(item)]
    _check_type(path, where or "the file", item, (dict,))
    if step == "{}":
        return [(f"{where}.{key}", child) for key, child in item.items()]
    address = f"{where}.{step}".lstrip(".")
    if step not in item:
        _damaged(path, f"{address} is missing")
    return [(address, item[step])]


def _check_task(path: Path, results: Mapping[str, Any]) -> None:
    classes = results["task"]["classes"]
    shape = [len(row) for row in results["confusion"]]
    if len(classes) < 2 or len(set(classes)) != len(classes):
        _damaged(path, "task.classes should list two or more different names")
    if shape != [len(classes)] * len(classes):
        _damaged(path, f"confusion should be {len(classes)} x {len(classes)}")
    if results["task"]["positive"] not in (None, *classes):
        _damaged(path, f"task.positive {results['task']['positive']!r} is none of the classes")
    for key in ("per_class", "task.class_counts"):
        table = results[key] if key == "per_class" else results["task"]["class_counts"]
        if set(table) != set(classes):
            _damaged(path, f"{key} should have one entry for every class")
    if not results["folds"]:
        _damaged(path, "folds is empty")


def _read_predictions(path: Path, classes: Sequence[str]) -> Predictions:
    table = _read_table(path)
    needed = ["image", "label", "predicted", *(f"probability:{name}" for name in classes), "repeat", "fold"]
    missing = [column for column in needed if column not in table]
    if missing:
        _damaged(path, f"it has no column {', '.join(repr(column) for column in missing)}")
    if not table["image"]:
        _damaged(path, "it holds no rows")
    weights = _numbers(path, table, ["weight"], np.float64)[:, 0] if "weight" in table else None
    return Predictions(
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
        rows = list(csv.reader(io.StringIO(_read_text(path), newline=""), strict=True))
    except csv.Error as error:
        _damaged(path, f"it is not a valid CSV table ({error})")
    if not rows:
        _damaged(path, "it is empty")
    header, *body = rows
    for line, row in enumerate(body, start=2):
        if len(row) != len(header):
            _damaged(path, f"row {line} has {len(row)} cells where the header has {len(header)}")
    columns = zip(*body, strict=True) if body else ([] for _ in header)
    return {name: list(column) for name, column in zip(header, columns, strict=True)}


def _codes(path: Path, column: str, values: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    index = {name: code for code, name in enumerate(classes)}
    unknown = sorted(set(values) - set(index))
    if unknown:
        _damaged(path, f"column {column!r} holds {unknown[0]!r}, which is none of the classes in results.json")
    return np.array([index[value] for value in values], dtype=np.int64)


def _numbers(path: Path, table: Mapping[str, list[str]], columns: Sequence[str], dtype: type[Any]) -> NDArray[Any]:
    """Columns as numbers, shape (n, len(columns)); every one finite."""
    try:
        values = np.column_stack([np.array(table[column]).astype(dtype) for column in columns])
    except (ValueError, OverflowError) as error:
        _damaged(path, f"column {columns[0]!r} holds something that is not a number ({error})")
    if not np.all(np.isfinite(values)):
        _damaged(path, f"column {columns[0]!r} or one like it holds a value that is not finite")
    return values
