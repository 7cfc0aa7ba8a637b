"""The command printed after a fit, a report or an evaluation is one that works for that very model."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from kinds_of_runs import RECIPES
from made_run import make_run, report, write_json

from headstart.report.text.next_command import next_command

TABLE = {"age": "number", "site": "category"}
ARRAY = {"own": "array"}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, "NEW_IMAGES/"),
        (TABLE, "NEW_IMAGES.csv  # with the columns image, age, site"),
        (ARRAY, "NEW_IMAGES/ --feature-array NEW_ARRAY.npy"),
        ({**TABLE, **ARRAY}, "NEW_IMAGES.csv --feature-array NEW_ARRAY.npy  # with the columns image, age, site"),
    ],
)
def test_images_are_predicted_with_what_stands_beside_them(
    tmp_path: Path, columns: dict[str, str], expected: str
) -> None:
    run = tmp_path / "a run"
    (run / "model").mkdir(parents=True)
    for given in (run, run / "model"):
        assert next_command(given, columns) == f"headstart predict {shlex.quote(str(run / 'model'))} {expected}"
    assert shlex.split(next_command(run, columns), comments=True)[2] == str(run / "model")


def test_recordings_are_watched(tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "signals.json").touch()
    assert next_command(tmp_path / "run", {}) == f"headstart signals watch {tmp_path / 'run'} -i STREAM"
    (tmp_path / "run" / "model").rename(tmp_path / "alone")
    assert next_command(tmp_path / "alone", {}) == f"headstart signals watch {tmp_path / 'alone'} -i STREAM"


def test_cells_are_counted_where_the_run_tells_how_they_are_found(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    (run / "cells.json").touch()
    for given in (run, run / "model"):
        assert next_command(given, {}) == f"headstart cells count {run} NEW_MICROGRAPHS -o counts"
    (run / "model").rename(tmp_path / "alone")
    assert next_command(tmp_path / "alone", {}) == f"headstart predict {tmp_path / 'alone'} NEW_IMAGES/"


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("signals.json", "headstart signals watch run -i STREAM"),
        ("cells.json", "headstart cells count run NEW_MICROGRAPHS -o counts"),
        ("notes.json", "headstart predict run/model IMAGES -o predictions.csv"),
    ],
)
def test_a_report_names_the_same_command(empty_figures: None, tmp_path: Path, file: str, command: str) -> None:
    (tmp_path / "run").mkdir()
    make_run(tmp_path / "run", n=60)
    write_json(tmp_path / "run" / file, RECIPES.get(file, {}))
    text = report(tmp_path / "run").text
    assert command in text
    assert ("headstart predict" in text) == (file == "notes.json")
