"""What a referee would stumble over: scores of other probabilities than the rest, reasons that nobody gave."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from kinds_of_runs import KINDS, RECIPES, made
from made_run import write_json

from headstart.report.context import ReportContext
from headstart.report.document import Section, Text
from headstart.report.sections import SECTIONS
from headstart.results.read import read_run

CALIBRATED = "of probabilities before calibration"


def words_of(context: ReportContext, anchor: str) -> str:
    section = SECTIONS[anchor].build(context, {})
    assert isinstance(section, Section)
    return " ".join(block.text for block in section.blocks if isinstance(block, Text))


@pytest.mark.parametrize("anchor", ["optimism", "search"])
def test_scores_before_calibration_are_told_apart_from_those_after(run: Any, anchor: str) -> None:
    record = read_run(Path(run.folder))
    folds = record.results.decisions.folds
    assert any(fold.calibrator.kind != "none" for fold in folds)
    assert CALIBRATED in words_of(ReportContext(record), anchor)
    older = dataclasses.replace(record, results=record.results.model_copy(update={"decisions": None}))
    assert CALIBRATED not in words_of(ReportContext(older), anchor)


def test_of_windows_the_positive_class_is_what_is_not_normal(tmp_path: Path) -> None:
    """`headstart signals fit` names it for the user, who may have named nothing."""
    folder = made(tmp_path, len, classes=("normal", "leak"))
    assert "leak (the rarer class)" in words_of(ReportContext(read_run(folder)), "question")
    write_json(folder / "signals.json", RECIPES["signals.json"])
    assert "leak (the one that is not normal running)" in words_of(ReportContext(read_run(folder)), "question")


def test_nothing_is_said_of_pretraining_beside_random_weights(run: Any, tmp_path: Path) -> None:
    random = SECTIONS["result"].build(ReportContext(read_run(Path(run.folder))), {})
    assert "so nothing was transferred" in repr(random) and "the pretrained network" not in repr(random)
    trained = SECTIONS["result"].build(ReportContext(read_run(made(tmp_path, len))), {})
    assert "whether the pretrained network helps is left open" in repr(trained)


def test_cells_of_label_images_name_no_settings_of_a_search_for_cells(tmp_path: Path) -> None:
    folder = KINDS["cells of micrographs"](tmp_path)
    found = repr(SECTIONS["cells"].build(ReportContext(read_run(folder)), {}))
    assert "Diameter asked for" in found and "cells of one well" in found
    content = (folder / "cells.json").read_text().replace('"masks": false', '"masks": true')
    (folder / "cells.json").write_text(content)
    given = repr(SECTIONS["cells"].build(ReportContext(read_run(folder)), {}))
    assert "label images given" in given and "Diameter asked for" not in given
