"""Where a run came from: names without folders, the command, the day; nothing invented where the run does not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.errors import HeadstartError, RunError
from headstart.results.origin import RunOrigin, cell_recipe, read_origin, signal_recipe
from headstart.study.execution.run_folder import claimed
from headstart.study.execution.run_request import RunRequest


def origin(folder: Path, **content: Any) -> RunOrigin:
    (folder / "run.json").write_text(json.dumps({"identity": {}} | content), encoding="utf-8")
    return read_origin(folder)


def test_a_run_tells_its_data_its_command_and_its_day(tmp_path: Path) -> None:
    found = origin(
        tmp_path,
        source={"data": {"root": "/home/ana/secret/solar cells", "confined": True}},
        request={"command_line": ["headstart", "fit", "/home/ana/secret/solar cells", "--seed", "1"], "config": {}},
        begun="2026-11-30T11:32:05+00:00",
    )
    assert found == RunOrigin(
        data="solar cells", command="headstart fit 'solar cells' --seed 1", begun="2026-11-30 11:32 UTC"
    )


def test_a_folder_called_data_is_named_with_the_one_around_it(tmp_path: Path) -> None:
    assert origin(tmp_path, source={"data": {"root": "/lib/elpv_dataset/data"}}).data == "elpv_dataset/data"
    assert origin(tmp_path, source={"data": {"recordings": "/home/ana/ring"}}).data == "ring"


@pytest.mark.parametrize("content", [{}, {"begun": "yesterday", "source": {"data": 3}, "request": {}}])
def test_what_a_run_does_not_say_is_not_made_up(tmp_path: Path, content: dict[str, Any]) -> None:
    assert read_origin(tmp_path) == RunOrigin()
    assert origin(tmp_path, **content) == RunOrigin()


@pytest.mark.parametrize(
    ("words", "groups"),
    [
        (["--group-from", "(p[0-9]+)_"], "the paths of the files, by the expression (p[0-9]+)_"),
        (["--group-from=(p)_", "--seed", "1"], "the paths of the files, by the expression (p)_"),
        (["--group-column", "patient"], "the column 'patient' of the table"),
        (["--seed", "1"], ""),
    ],
)
def test_a_run_tells_what_its_groups_were_taken_from(tmp_path: Path, words: list[str], groups: str) -> None:
    request = {"command_line": ["headstart", "fit", "data", *words], "config": {}}
    assert origin(tmp_path, request=request).groups == groups


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("signals.json", "[]", "it holds no JSON object"),
        ("signals.json", "{}", "cannot be used: recipe is missing"),
        ("signals.json", '{"recipe": {"version": 1}}', "is damaged .*; fit the model again"),
        ("cells.json", "{", "cannot be used"),
        ("cells.json", '{"finding": {}}', "recipe is missing"),
    ],
)
def test_a_damaged_recipe_of_the_images_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(HeadstartError, match=rf"{name}.*{said}"):
        signal_recipe(tmp_path)
        cell_recipe(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="begun should be text"):
        origin(tmp_path, begun=3)


def test_the_day_is_that_on_which_the_run_was_begun(tmp_path: Path) -> None:
    request = RunRequest(("headstart", "fit", "a"))
    with claimed(tmp_path, {"seed": 0}, {"data": "a"}, images=True, request=request):
        first = json.loads((tmp_path / "run.json").read_text())["begun"]
        content = json.loads((tmp_path / "run.json").read_text()) | {"begun": "2020-01-01T00:00:00+00:00"}
        (tmp_path / "run.json").write_text(json.dumps(content))
    assert first.startswith("20") and first.endswith("+00:00")
    with claimed(tmp_path, {"seed": 0}, {"data": "a"}, images=False):
        assert read_origin(tmp_path).begun == "2020-01-01 00:00 UTC"
