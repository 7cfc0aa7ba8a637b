"""The walks of docs/architecture.md are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from headstart.decisions import OperatingPoint
from headstart.results.models.decisions import OperatingPointFacts

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "headstart"


def test_an_operating_point_passes_seven_files_from_command_line_to_report() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walk = re.findall(r"^\d\. `([\w/]+\.py)`", page.split("## The way of one option")[1], flags=re.MULTILINE)
    named = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.name != "__init__.py" and re.search(r"operating[ _-]?point", path.read_text(encoding="utf-8"), re.I)
    }
    assert len(walk) == 7
    assert named == {*walk, "workflow/evaluate.py"}, "a test set is judged beside the way of a fit"


def test_results_hold_every_field_of_an_operating_point() -> None:
    assert [field.name for field in fields(OperatingPoint)] == list(OperatingPointFacts.model_fields)
