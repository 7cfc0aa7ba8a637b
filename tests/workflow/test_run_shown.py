"""A run, its model and its data as a notebook shows them, and the notebook of the documents."""

from __future__ import annotations

import json
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import headstart
from headstart.data.audit.audit import audit_dataset
from headstart.errors import RunError
from headstart.workflow.run import Run

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def test_lines_are_short_and_tables_tell_the_result(run: Any, folders: Path) -> None:
    dataset = headstart.read_dataset(folders)
    model, audit = run.model(), audit_dataset(dataset)
    for one in (run, model, audit, dataset):
        assert len(repr(one)) < 500 and repr(one).startswith("<") and "\n" not in repr(one)
    assert run.headline in run._repr_html_()
    for name in dataset.classes:
        assert name in model._repr_html_() and name in audit._repr_html_() and name in dataset._repr_html_()
    assert dataset._repr_html_().count("<img") == len(dataset.classes)


def test_the_figures_of_the_report_come_by_their_names(run: Any) -> None:
    drawn = {path.stem for path in (run.folder / "figures").glob("*.svg")}
    assert set(run.figures) == drawn and "confusion_counts" in drawn


def test_a_report_is_written_without_any_network(run: Any) -> None:
    code = (
        "import sys; from headstart.workflow.run import rewrite_report; rewrite_report(sys.argv[1], to='md'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, run.folder], check=False).returncode == 0
    (run.folder / "report.md").unlink()


def test_show_opens_the_report_and_nothing_else(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert run.show() == run.report
    assert opened == [run.report.resolve().as_uri()]
    with pytest.raises(RunError, match="headstart report"):
        Run(tmp_path, run.results).show()
    assert len(opened) == 1


def test_a_row_is_a_picture_and_a_slice_a_data_set(folders: Path) -> None:
    dataset = headstart.read_dataset(folders)
    assert isinstance(dataset[0], Image.Image)
    assert dataset[-1].tobytes() == dataset.load(len(dataset) - 1).tobytes()
    assert dataset[::2].names == dataset.names[::2] and dataset[5:2].names == ()
    for row in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError):
            dataset[row]
    assert sum(1 for _ in dataset) == len(dataset)


def test_an_explanation_shows_its_first_figures(run: Any, folders: Path) -> None:
    dataset = headstart.read_dataset(folders)
    shown = headstart.explain(run.model(), dataset[:4])._repr_html_()
    assert shown.count("<img") == 3 and all(name in shown for name in dataset.names[:3])


@pytest.mark.usefixtures("no_figures")
def test_the_notebook_of_the_documents_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elpv_dataset")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec("".join(line for line in cell["source"] if not line.startswith("%")), names)
    assert names["run"].report.is_file() and len(names["run"].predictions) == 150
    assert all(cell["outputs"] for cell in cells)
