"""A table that registers itself is written by a fit and asked for by a complete run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import helpers
import pytest

from headstart import fit
from headstart.progress import Silent
from headstart.results.exports import EXPORTS, ExportContext, exports_of, register_export
from headstart.workflow.run import finished_results


@pytest.fixture
def toy() -> Iterator[str]:
    @register_export("toy.csv")
    def content(context: ExportContext) -> bytes:
        return ",".join(context.study.oof.classes).encode()

    yield "toy.csv"
    EXPORTS.discard("toy.csv")


@pytest.mark.usefixtures("no_figures")
def test_a_toy_table_is_written_by_a_fit(folders: Path, tmp_path: Path, toy: str) -> None:
    options = helpers.cheap_options(split="nested:2x2")
    fit(folders, tmp_path / "run", options)
    assert (tmp_path / "run" / toy).read_text() == "calm,rough"
    assert finished_results(tmp_path / "run", options, Silent()) is not None
    (tmp_path / "run" / toy).unlink()
    assert finished_results(tmp_path / "run", options, Silent()) is None


def test_a_name_is_registered_once(toy: str) -> None:
    with pytest.raises(ValueError, match=r"There is a table 'toy.csv' already"):
        register_export(toy)(lambda context: b"")


def test_baselines_are_left_only_where_they_were_judged() -> None:
    every = [one.file_name for one in exports_of(baselines=True)]
    assert every == ["baselines.csv", "candidates.parquet", "label_issues.csv", "predictions.csv"]
    assert [one.file_name for one in exports_of(baselines=False)] == every[1:]
