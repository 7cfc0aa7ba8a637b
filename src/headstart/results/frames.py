"""A run's tables as data frames: of pandas or polars where one of them is installed, else Arrow tables."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results.candidates_table import CANDIDATES_FILE, read_candidates

if TYPE_CHECKING:
    from headstart.results.models.estimates import EstimateFacts
    from headstart.results.models.run_results import RunResults
    from headstart.results.read import RunRecord


def data_frame(columns: Mapping[str, Any]) -> Any:
    """Columns of one length as a data frame.

    Parameters
    ----------
    columns : mapping of str to sequence or ndarray

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table
        The first of them whose library is installed, in this order.
    """
    for library in ("pandas", "polars"):
        if importlib.util.find_spec(library) is not None:
            return importlib.import_module(library).DataFrame(dict(columns))
    return importlib.import_module("pyarrow").table(dict(columns))


def prediction_frame(record: RunRecord) -> Any:
    """Out-of-fold predictions, one row per image and repeat.

    Returns
    -------
    data frame
        Columns ``image``, ``label``, ``predicted``, ``probability:CLASS`` of every class, ``repeat``, ``fold``, and
        where the run has them ``set`` (the prediction set, names), ``weight`` and ``group``.
    """
    found, classes = record.predictions, record.classes
    columns: dict[str, Any] = {
        "image": found.images,
        "label": [classes[code] for code in found.labels.tolist()],
        "predicted": [classes[code] for code in found.predicted.tolist()],
        **{f"probability:{name}": found.probabilities[:, code] for code, name in enumerate(classes)},
        "repeat": found.repeat,
        "fold": found.fold,
    }
    extra = {"set": found.sets, "weight": found.weights, "group": found.groups}
    return data_frame(columns | {name: values for name, values in extra.items() if values is not None})


def metric_frame(results: RunResults) -> Any:
    """Scores with their intervals, of all classes together first and then of each class against the others.

    Returns
    -------
    data frame
        Columns ``metric``, ``class`` (None for all together), ``value``, ``low`` and ``high`` (95 % interval),
        ``fold_sd``; nan where a score is undefined.
    """
    rows: list[tuple[str, str | None, EstimateFacts]] = [(name, None, one) for name, one in results.metrics.items()]
    rows += [(name, label, one) for label, found in results.per_class.items() for name, one in found.metrics.items()]
    numbers = [list(_numbers(one)) for _, _, one in rows]
    columns: dict[str, Any] = {
        "metric": [name for name, _, _ in rows],
        "class": [label for _, label, _ in rows],
    }
    for place, name in enumerate(("value", "low", "high", "fold_sd")):
        columns[name] = [row[place] for row in numbers]
    return data_frame(columns)


def _numbers(one: EstimateFacts) -> Iterator[float]:
    low, high = one.ci95 or (None, None)
    for value in (one.value, low, high, one.fold_sd):
        yield float("nan") if value is None else value


def candidate_frame(record: RunRecord) -> Any:
    """Every candidate of every outer fold: its settings, inner scores, rank, and whether it was chosen.

    Returns
    -------
    data frame
        Columns of ``candidates.parquet``; of settings those that any candidate has.

    Raises
    ------
    RunError
        When the file is missing or damaged.
    """
    found = read_candidates(record.folder / CANDIDATES_FILE)
    return data_frame({name: values for name, values in found.columns.items() if not _is_empty(values)})


def _is_empty(values: Any) -> bool:
    """Whether a column has a value in no row."""
    if values.dtype == object:
        return all(value is None for value in values.tolist())
    return bool(values.dtype.kind == "f" and np.isnan(values).all())
