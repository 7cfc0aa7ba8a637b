"""A run that is incomplete or damaged is refused, and the message names the file and the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_run import change_results, make_run

from headstart.errors import RunError
from headstart.report import write_report
from headstart.workflow.compare import compare


@pytest.mark.parametrize("name", ["results.json", "predictions.csv", "split.json", "timings.json"])
def test_missing_or_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    make_run(tmp_path, n=40)
    whole = (tmp_path / name).read_bytes()
    for damaged in (None, b"", whole[: len(whole) // 2], b"\xff\xfe\x00", b"[]", b"[" * 100_000):
        (tmp_path / name).unlink(missing_ok=True)
        if damaged is not None:
            (tmp_path / name).write_bytes(damaged)
        with pytest.raises(RunError, match=r"headstart fit DATA -o") as caught:
            write_report(tmp_path)
        assert str(tmp_path / name) in str(caught.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("folds"), "folds is missing"),
        (lambda r: r.update(folds=[]), "folds is empty"),
        (lambda r: r["folds"][1].pop("chosen"), r"folds\[1\].chosen is missing"),
        (
            lambda r: r["metrics"]["accuracy"].update(value="high"),
            "metrics.accuracy.value should be a number but is text",
        ),
        (lambda r: r["task"].update(weighted=1), "task.weighted should be true or false but is a number"),
        (lambda r: r["task"].update(classes=["a", "a"]), "different names"),
        (lambda r: r["task"].update(positive="nobody"), "none of the classes"),
        (lambda r: r["confusion"].pop(), "confusion should be 2 x 2"),
        (lambda r: r["per_class"].pop("defective"), "per_class should have one entry for every class"),
        (lambda r: r["engine"]["tried"][0].pop("within"), r"engine.tried\[0\].within is missing"),
        (lambda r: r["protocol"].update(split_hash="0" * 64), "belongs to another run"),
        (lambda r: r.update(format=3), "has format 3, but this headstart reads format 2"),
    ],
)
def test_damaged_results_say_where(tmp_path: Path, change: Any, words: str) -> None:
    make_run(tmp_path, n=40)
    change_results(tmp_path, change)
    with pytest.raises(RunError, match=words):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("probability:defective", "p", "no column 'probability:defective'"),
        (",functional,", ",fine,", "'fine', which is none of the classes"),
        (",0,3", ",0", "cells where the header has"),
        (",0,3", ",0,nan", "not a number"),
        (",0,3", ",0,3.5", "not a number"),
        (",0,3", ",0,-3", r"predictions.csv .*column 'fold' on line \d+ holds '-3'"),
        ("cells/cell0000.png", "", r"predictions.csv .*column 'image' on line 2 holds nothing"),
        (",functional,0", ",functional,7", r"predictions.csv .*column 'probability:functional' on line \d+ holds '7\."),
    ],
)
def test_damaged_predictions_say_where(tmp_path: Path, old: str, new: str, words: str) -> None:
    make_run(tmp_path, n=40)
    table = (tmp_path / "predictions.csv").read_text()
    assert old in table
    (tmp_path / "predictions.csv").write_text(table.replace(old, new, 1))
    with pytest.raises(RunError, match=words):
        write_report(tmp_path)
    with pytest.raises(RunError, match=words):
        compare(tmp_path, tmp_path)


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a folder"):
        write_report(tmp_path / "nowhere")
