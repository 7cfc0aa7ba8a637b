"""What the machine has: packages in versions that will do, folders that can be written to."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from headstart.runtime import installation
from headstart.runtime.installation import EXTRAS, REQUIREMENTS, Requirement, load_problem, package_state
from headstart.runtime.machine import folder_state, memory_bytes

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_packages_are_those_of_the_project_file() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    stated = {("", text) for text in project["dependencies"]}
    extras = project["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"dev"}
    stated |= {(extra, text) for extra in EXTRAS for text in extras[extra] if not text.startswith("headstart[")}
    parts = {(extra, *re.match(r"([\w-]+)>=([\d.]+)", text).groups()) for extra, text in stated}  # type: ignore[union-attr]
    assert {(one.extra, one.name, one.at_least) for one in REQUIREMENTS} == parts


def test_a_package_that_is_there_has_no_problem() -> None:
    state = package_state(Requirement("numpy", "numpy", "1.26"))
    assert (state.version, state.problem) == (importlib.metadata.version("numpy"), "")


@pytest.mark.parametrize(
    ("required", "problem"),
    [
        (Requirement("no-such-thing", "no_such_thing", "1"), "no-such-thing is not installed"),
        (Requirement("numpy", "no_such_module", "1"), "numpy is damaged: no files"),
        (Requirement("numpy", "numpy", "999"), "numpy .* is too old; 999 or newer is needed"),
    ],
)
def test_what_is_wrong_with_a_package_in_words(required: Requirement, problem: str) -> None:
    assert re.fullmatch(problem, package_state(required).problem)


def test_damaged_metadata_are_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation.importlib.metadata, "version", lambda name: 1 / 0)
    assert package_state(Requirement("numpy", "numpy", "1")).version is None


def test_why_a_module_does_not_load_on_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brokenthing.py").write_text("raise RuntimeError('operator thing::nms\\n does not exist')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_problem("brokenthing") == "operator thing::nms does not exist"
    assert load_problem("json") == ""


def test_folders_are_tried_and_left_as_they_were(tmp_path: Path) -> None:
    state = folder_state(tmp_path)
    assert state.exists and state.writable and state.problem == "" and (state.free_bytes or 0) > 0
    later = folder_state(tmp_path / "later" / "on")
    assert not later.exists and later.writable
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        state = folder_state(path)
        assert not state.writable and "not a" in state.problem


def test_memory_is_a_number_of_bytes() -> None:
    total, free = memory_bytes()
    assert total is not None and free is not None and 10**8 < free <= total
