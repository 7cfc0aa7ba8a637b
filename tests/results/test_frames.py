"""A run's tables as data frames."""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headstart.errors import RunError
from headstart.results.frames import candidate_frame, data_frame, metric_frame, prediction_frame


def without(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    """Hide libraries from what looks for them."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in libraries else find(name))


def test_pandas_first_and_arrow_where_nothing_else_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    columns = {"a": [1, 2], "b": ["x", None], "c": np.array([0.5, 1.5])}
    assert isinstance(data_frame(columns), pandas.DataFrame)
    without(monkeypatch, "pandas", "polars")
    found = data_frame(columns)
    assert isinstance(found, pa.Table)
    assert found.to_pydict() == {"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]}


def test_predictions_are_those_of_the_file(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "pandas", "polars")
    found = prediction_frame(run.record).to_pydict()
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(found) == [name for name in rows[0] if name != "weight"]
    for name in ("image", "label", "predicted"):
        assert found[name] == [row[name] for row in rows]
    for name in (name for name in found if name.startswith("probability:")):
        assert found[name] == [float(row[name]) for row in rows]


def test_metrics_are_those_of_the_results_with_nan_for_undefined(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "pandas", "polars")
    found = metric_frame(run.results).to_pydict()
    wanted = run.results.metrics["balanced_accuracy"]
    place = found["metric"].index("balanced_accuracy")
    assert found["class"][place] is None
    assert (found["value"][place], found["low"][place], found["high"][place]) == (wanted.value, *wanted.ci95)
    assert np.isnan(found["low"][found["metric"].index("ece")])
    assert set(found["class"]) == {None, *run.results.per_class}


def test_candidates_have_the_settings_that_any_has(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without(monkeypatch, "pandas", "polars")
    found = candidate_frame(run.record).to_pydict()
    assert sum(found["chosen"]) >= len(run.results.folds)
    assert set(found["fold"]) >= {fold.fold for fold in run.results.folds}
    assert all(any(value is not None for value in values) for values in found.values())
    lost = replace(run.record, folder=tmp_path)
    with pytest.raises(RunError, match=r"candidates\.parquet is missing"):
        candidate_frame(lost)
