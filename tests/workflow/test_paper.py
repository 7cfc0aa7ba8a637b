"""The paper on one page: tiny runs of its applications, what stays when it is called again, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import helpers
import pytest
from click.testing import CliRunner, Result

import headstart
from headstart.cli import main
from headstart.errors import DataError, RunError, StorageError, WeightsError
from headstart.report.text.paper_map import PAPER_PARTS
from headstart.results import RunResults
from headstart.results.models.paper import NotRun, PaperResults
from headstart.workflow.options.cells import CellCropOptions
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.signals import SignalOptions
from headstart.workflow.paper import make as making
from headstart.workflow.paper import runs as planned
from headstart.workflow.paper.data import PaperData
from headstart.workflow.paper.make import Paper
from headstart.workflow.paper.plan import PaperPlan
from headstart.workflow.paper.published import LESION_ACCURACY, LESION_INTERVAL, N_LESIONS, published_tables
from headstart.workflow.paper.runs import planned_runs

MACHINE = FitOptions(threads=1, device="cpu", cache=None, offline=True)
TINY = PaperPlan(
    recordings=6,
    minutes=20,
    strength=2.5,
    micrographs=6,
    counted_micrographs=1,
    seed=7,
    ring_windows=SignalOptions(window="60s", stride="60s", reference="300s", label_rule="any"),
    skab_windows=SignalOptions(window="60s", stride="60s", reference="300s"),
    lesions=helpers.cheap_options(),
    signals=helpers.cheap_options(split="nested:2x2"),
    cells=helpers.cheap_options(split="nested:2x2"),
)


def make(folder: Path, **given: Any) -> Paper:
    with helpers.no_figures():
        return headstart.paper(folder, plan=TINY, options=MACHINE, **given)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Paper:
    """The applications on simulated data; read only."""
    return make(tmp_path_factory.mktemp("paper") / "first")


@pytest.fixture
def copied(paper: Paper, tmp_path: Path) -> Path:
    """The same folder elsewhere, to go on with."""
    return Path(shutil.copytree(paper.folder, tmp_path / "again"))


@pytest.fixture
def real(paper: Paper, tmp_path: Path) -> Path:
    """A folder with recordings where SKAB's are."""
    shutil.copytree(paper.folder / "data" / "ring", tmp_path / "real" / "skab" / "valve1")
    return tmp_path / "real"


def test_the_simulated_applications_are_run_and_the_others_named(paper: Paper) -> None:
    results = PaperResults.read(paper.folder / "paper.json")
    assert results == paper.results
    assert {run.name: run.application for run in results.runs} == {"ring": "signals", "cells": "cells"}
    assert [(one.application, one.command) for one in results.not_run] == [
        ("lesions", "headstart paper -o DIR --data FOLDER"),
        ("signals", "headstart paper -o DIR --data FOLDER"),
    ]
    for run in results.runs:
        assert (paper.folder / run.folder / "report.html").is_file()
        stored = RunResults.read(paper.folder / run.folder / "results.json")
        assert run.metrics == stored.metrics and run.confusion == stored.confusion
        assert sum(map(sum, run.confusion)) == run.n_judged
    for picture in results.pictures:
        assert (paper.folder / picture.file).is_file()
    assert {one.application for one in results.pictures} == {"signals", "cells"}
    assert results.sizes.to_json() == TINY.sizes().to_json()


def test_a_score_of_random_weights_does_not_stand_beside_the_papers(paper: Paper) -> None:
    page = paper.page.read_text(encoding="utf-8")
    assert not any(run.is_transfer for run in paper.results.runs)
    assert page.count("has random weights, which have learned nothing") == 2
    assert "other data (ring)" not in page and "other data (cells)" not in page


def test_what_is_finished_is_kept_and_bytes_are_the_same(
    paper: Paper, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed in the cells, while it wrote another folder of data: the ring is kept, and all ends alike."""
    for name in ("results.json", "report.html"):
        (copied / "runs" / "cells" / name).unlink()
    (copied / "paper.json").unlink()
    (copied / "data" / ".plate.half.tmp" / "masks").mkdir(parents=True)
    monkeypatch.setattr(planned, "fit_signals", lambda *given, **named: pytest.fail("the ring is fitted again"))
    made = make(copied)
    assert (copied / "paper.json").read_bytes() == (paper.folder / "paper.json").read_bytes()
    assert made.page.read_bytes() == paper.page.read_bytes()
    assert not (copied / "data" / ".plate.half.tmp").exists()


def test_real_data_are_added_to_what_is_there(
    paper: Paper, copied: Path, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SKAB through the fit of recordings, PH2 with a fit of its own, of which it is seen what it is asked for."""
    for place, pixels in enumerate(helpers.noise(3)):
        helpers.write_image(real / "ph2" / "images" / f"{place}.png", pixels)
    grades = enumerate(("common_nevus", "atypical_nevus", "melanoma"))
    rows = [{"image": f"images/{place}.png", "diagnosis": name} for place, name in grades]
    helpers.write_table(real / "ph2" / "labels.csv", rows)
    asked: list[tuple[Any, ...]] = []

    def fit_lesions(*given: Any, progress: Any) -> Any:
        asked.append(given)
        return headstart.workflow.Run(given[1], paper_run)

    paper_run = RunResults.read(paper.folder / "runs" / "cells" / "results.json")
    monkeypatch.setattr(planned, "fit_lesions", fit_lesions)
    made = make(copied, data=real)
    assert [run.name for run in made.results.runs] == ["ph2", "ring", "skab", "cells"]
    assert made.results.not_run == ()
    assert made.results.pictures[0].file == "lesions.png" and (copied / "lesions.png").is_file()
    ((data, folder, options, fit_options),) = asked
    assert (data, folder) == (real / "ph2", copied / "runs" / "ph2")
    assert options.classes == ("common_nevus", "atypical_nevus", "melanoma")
    assert fit_options.threads == 1 and fit_options.offline


def test_the_papers_networks_are_run_where_their_weights_are(
    paper: Paper, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(*there: str) -> list[Any]:
        monkeypatch.setattr(planned, "find_local", lambda entry: entry.name if entry.base_name in there else None)
        return [*planned_runs(PaperPlan(), PaperData(ph2=real), real, full=True)][4:]

    none = listed()
    assert all(isinstance(one, NotRun) for one in none)
    assert [one.command for one in none] == [
        "headstart backbones fetch vgg19 --to WEIGHTS && headstart backbones add WEIGHTS",
        "headstart backbones fetch vgg19 --to WEIGHTS && headstart backbones add WEIGHTS",
        "headstart backbones fetch vgg19 resnet50 xception densenet121 --to WEIGHTS && headstart backbones add WEIGHTS",
    ]
    lesions, ring, lacking, cells = listed("vgg19", "densenet121")
    assert "resnet50, xception" in lacking.reason
    for one in (lesions, ring, cells):
        assert (one.options.grid, one.options.search) == ("paper", "halving")
    assert (lesions.options.backbone, ring.options.backbone) == ("vgg19", "vgg19")
    assert cells.options.backbone == "vgg19,densenet121"
    assert cells.command.startswith("headstart cells fit DIR/data/assay/micrographs --classes")


def parse(words: list[str]) -> None:
    """Parse a command as the command line does; what it names need not be there."""
    command: Any = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words:
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, name
        context = click.Context(found, info_name=name, parent=context)
        command = found
    command.make_context(str(command.name), words, parent=context.parent)


def test_commands_that_the_page_shows_are_those_of_the_command_line(real: Path) -> None:
    found = [*planned_runs(PaperPlan(), PaperData(ph2=real, skab=real), real, full=False)]
    assert all(one.command.endswith(f"-o runs/{one.name}") for one in found)
    for command in (*(one.command for one in found), *(one.command for one in PAPER_PARTS)):
        headstart_, *words = command.split()
        assert headstart_ == "headstart"
        parse(words)
    with pytest.raises(click.UsageError):
        parse(["fit", "DATA", "-o", "RUN", "--stratgy", "fine-tune"])


# What is refused ------------------------------------------------------------------------------------------------------


def call(*arguments: object, plan: PaperPlan = TINY) -> Result:
    with pytest.MonkeyPatch.context() as patch, helpers.no_figures():
        patch.setattr(making, "PaperPlan", lambda: plan)
        return CliRunner().invoke(main, ["paper", *map(str, arguments), "--threads", "1", "--no-cache", "-q"])


def test_data_that_hold_neither_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for data, words in ((tmp_path / "gone", "is no folder"), (tmp_path / "empty", "holds neither ph2/")):
        with pytest.raises(DataError, match=words):
            make(tmp_path / "paper", data=data)
        found = call("-o", tmp_path / "paper", "--data", data)
        assert found.exit_code == 2 and words in found.stderr
    (tmp_path / "broken" / "skab" / "valve1").mkdir(parents=True)
    helpers.write_text(tmp_path / "broken" / "skab" / "valve1" / "0.csv", "a;b\nx;y\n")
    found = call("-o", tmp_path / "paper", "--data", tmp_path / "broken", "--json")
    assert found.exit_code == 2 and "0.csv" in json.loads(found.stdout)["error"]
    with pytest.raises(RunError, match="inside"):
        make(tmp_path / "broken" / "paper", data=tmp_path / "broken")
    assert not (tmp_path / "paper").exists()


def test_a_folder_of_something_else_is_refused(paper: Paper, tmp_path: Path) -> None:
    helpers.write_text(tmp_path / "notes.txt", "mine")
    for folder, words in (
        (tmp_path, "already holds files that are no headstart run"),
        (tmp_path / "notes.txt", "is a file"),
    ):
        found = call("-o", folder)
        assert found.exit_code == 2 and words in found.stderr, found.stderr
    with pytest.raises(RunError, match=r"paper\.seed is 7 there, 4 here"):
        headstart.paper(paper.folder, plan=replace(TINY, seed=4), options=MACHINE)
    with pytest.raises(RunError, match="holds another run"):
        make(paper.folder / "runs" / "cells")
    with pytest.raises(StorageError, match="a part of this path is a file"):
        make(tmp_path / "notes.txt" / "paper")


def test_missing_weights_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.backbones.weights.locate.find_local", lambda entry: None)
    with pytest.raises(WeightsError, match="efficientnet_lite0"):
        headstart.paper(tmp_path / "paper", options=MACHINE)
    assert not (tmp_path / "paper").exists()


def test_the_command_answers_with_its_document(paper: Paper, copied: Path) -> None:
    found = call("-o", copied, "--json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout) == paper.results.to_json()
    shown = call("-o", copied)
    assert shown.exit_code == 0
    assert "0.872 (0.824 to 0.908)" in shown.stdout and "Not run: PH2" in shown.stdout
    assert shown.stdout.splitlines()[-1] == f"Wrote {copied / 'paper.html'}"


# The paper's figures --------------------------------------------------------------------------------------------------


def test_published_figures_agree_with_each_other() -> None:
    by_number = {table.number: table for table in published_tables()}
    assert sorted(by_number) == [1, 2, 3, 4]
    assert by_number[2].metrics == {"accuracy": 0.912, "recall": 0.848, "specificity": 0.976}
    z, n, share = 1.959964, N_LESIONS, LESION_ACCURACY
    middle, reach = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    assert (
        pytest.approx(((middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)), abs=5e-4)
        == LESION_INTERVAL
    )


def test_classes_of_cells_are_read_where_the_assay_writes_them(paper: Paper) -> None:
    table = paper.folder / "data" / "assay" / "cells.csv"
    assert CellCropOptions(classes=str(table)).classes == str(table)
    assert table.is_file()
