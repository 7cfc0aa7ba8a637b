"""``--json`` of every verb: one document on stdout and nothing else there, errors too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import helpers
import pytest
from click.testing import CliRunner

from headstart.cli import commands, main
from headstart.cli.answer import Answer
from headstart.errors import DataError
from headstart.workflow.run import Run


def verbs(command: Any = main, name: str = "") -> Iterator[str]:
    """Every verb that does something, those of groups too."""
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield name.strip()
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            yield from verbs(found, f"{name} {below}")


ALL = [verb for verb in verbs() if verb]


def answer(*arguments: object, code: int = 0) -> Any:
    """The document of a command, which is all that stands on stdout."""
    found = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert found.exit_code == code, found.output
    assert found.exception is None or isinstance(found.exception, SystemExit)
    return json.loads(found.stdout)


def test_every_verb_is_there() -> None:
    assert {"check", "fit", "curve", "pretrain", "predict", "evaluate", "compare", "report", "demo"} <= set(ALL)
    assert {"backbones", "backbones list", "backbones show", "backbones rank", "cache info", "cache clear"} <= set(ALL)


@pytest.mark.parametrize("verb", ALL)
def test_every_verb_has_the_option_and_answers_misuse_with_it(verb: str) -> None:
    text = CliRunner().invoke(main, [*verb.split(), "--help-all"]).output
    text = text if "--json" in text else CliRunner().invoke(main, [*verb.split(), "--help"]).output
    assert "--json" in text
    found = answer(*verb.split(), "--no-such-option", "--json", code=2)
    assert found["exit_code"] == 2
    assert "No such option" in found["error"]


def test_misuse_before_the_verb_and_an_unknown_verb_are_answered_too() -> None:
    assert "No such command 'fti'" in answer("fti", "--json", code=2)["error"]
    assert "--nothing" in answer("--nothing", "fit", "--json", code=2)["error"]


def test_an_error_stands_on_stderr_in_words_as_well(tmp_path: Path) -> None:
    arguments = ["check", str(tmp_path / "nowhere"), "--no-features", "--json"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 2
    document = json.loads(found.stdout)
    assert document["error"].startswith(f"{tmp_path / 'nowhere'} does not exist")
    assert document["exit_code"] == 2
    assert f"Error: {document['error']}" in found.stderr


def test_a_file_called_json_is_no_wish_for_json(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["predict", str(tmp_path), "--", "--json"])
    assert found.exit_code == 2
    assert found.stdout == ""


def test_predict(run: Run, folders: Path, tmp_path: Path) -> None:
    bad = helpers.write_text(tmp_path / "notes.txt", "no image")
    found = answer("predict", run.folder, folders / "calm" / "000.png", bad, "--json", "-q", code=1)
    assert found["classes"] == ["calm", "rough"]
    assert (found["output"], found["unreadable"]) == (None, 1)
    good, other = found["predictions"]
    assert (good["status"], sum(good["probabilities"].values())) == ("ok", pytest.approx(1))
    assert (other["image"], other["predicted"]) == (str(bad), None)
    table = tmp_path / "rows.csv"
    written = answer("predict", run.folder, folders / "calm" / "000.png", "-o", table, "--json", "-q")
    assert written == {"classes": ["calm", "rough"], "output": str(table), "unreadable": 0}
    assert table.read_text().startswith("image,status,predicted")


@pytest.mark.usefixtures("empty_figures")
def test_report(run: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.folder, tmp_path / "run"))
    assert answer("report", copy, "--no-images", "-q", "--json") == {"report": str(copy / "report.html")}


def test_cache_verbs(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    place = ["--cache", tmp_path / "cache"]
    assert answer("cache", "info", *place, "--json")["n_rows"] == 0
    assert answer("cache", "prune", *place, "--limit", "1GB", "--json") == {"bytes": 0, "files": 0, "limit": 10**9}
    assert answer("cache", "verify", *place, "--json") == {"damaged": []}
    refused = answer("cache", "clear", *place, "--json", code=2)
    assert "--yes" in refused["error"]
    assert answer("cache", "clear", *place, "--json", "--yes") == {"bytes": 0, "folder": str(tmp_path / "cache")}


def test_the_list_of_backbones_is_the_same_with_its_verb_and_without() -> None:
    assert answer("backbones", "list", "--json") == answer("backbones", "--json")
    plain = [CliRunner().invoke(main, [*words]).stdout for words in (["backbones"], ["backbones", "list"])]
    assert plain[0] == plain[1]


@pytest.fixture
def toy() -> Iterator[None]:
    """A command registered from here, which says nothing of JSON."""

    @commands.register_command(order=15)
    @click.command()
    @click.option("--fail", is_flag=True, help="Fail.")
    @click.option("--interrupt", is_flag=True, help="Be interrupted.")
    def toy(fail: bool, interrupt: bool) -> Answer:
        """Play with a toy."""
        if fail:
            raise DataError("The toy is broken.")
        if interrupt:
            raise KeyboardInterrupt
        return Answer(lambda: {"colour": "red"}, lambda: click.echo("It is red."), exit_code=1)

    yield
    commands.COMMANDS.discard("toy")


@pytest.mark.usefixtures("toy")
def test_a_registered_command_has_it_for_nothing() -> None:
    assert answer("toy", "--json", code=1) == {"colour": "red"}
    found = CliRunner().invoke(main, ["toy"])
    assert (found.stdout, found.exit_code) == ("It is red.\n", 1)
    assert answer("toy", "--fail", "--json", code=2) == {"error": "The toy is broken.", "exit_code": 2}
    assert answer("toy", "--interrupt", "--json", code=130)["exit_code"] == 130
