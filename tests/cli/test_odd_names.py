"""Names with control characters: spelled out where a terminal would obey them, as they are in files and pipes."""

from __future__ import annotations

import ast
import csv
import io
import json
from pathlib import Path

import helpers
import pytest
from click.testing import CliRunner, Result

from headstart import cli
from headstart.cli import main
from headstart.cli.progress import TerminalProgress
from headstart.cli.table import print_table
from headstart.workflow.run import Run

ODD = "clear\x1b[2J\x9b31m\nrough.png,ok"
SPELLED = "clear\\x1b[2J\\x9b31m\\nrough.png,ok.png"


def headstart(*words: object, code: int = 0) -> Result:
    found = CliRunner().invoke(main, [str(word) for word in words])
    assert found.exit_code == code, found.output
    return found


def is_harmless(text: str) -> bool:
    return all(sign.isprintable() or sign == "\n" for sign in text)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with a picture of an odd name, and one that cannot be read."""
    (image,) = helpers.noise(1, seed=9)
    helpers.write_image(tmp_path / "new" / f"{ODD}.png", image)
    (tmp_path / "new" / "bad\x07.png").write_bytes(b"no picture")
    return tmp_path / "new"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda stream: stream.name == "<stdout>")


@pytest.mark.usefixtures("terminal")
def test_rows_on_a_terminal_are_spelled_out_one_a_line(run: Run, odd: Path) -> None:
    shown = headstart("predict", run.folder, odd, "-q", code=1).stdout
    assert is_harmless(shown)
    assert len(shown.splitlines()) == 3
    names = [Path(row["image"]).name for row in csv.DictReader(io.StringIO(shown))]
    assert sorted(names) == sorted([SPELLED, "bad\\x07.png"])


@pytest.mark.usefixtures("terminal")
def test_lines_of_json_on_a_terminal_stay_json(run: Run, odd: Path) -> None:
    shown = headstart("predict", run.folder, odd, "-q", "--json-lines", code=1).stdout
    assert is_harmless(shown)
    assert {Path(json.loads(line)["image"]).name for line in shown.splitlines()} == {f"{ODD}.png", "bad\x07.png"}


def test_files_and_pipes_have_the_names_as_they_are(run: Run, odd: Path, tmp_path: Path) -> None:
    shown = headstart("predict", run.folder, odd, "-q", code=1)
    written = headstart("predict", run.folder, odd, "-q", "-o", tmp_path / "rows\x1b.csv", code=1)
    assert (tmp_path / "rows\x1b.csv").read_text(encoding="utf-8") == shown.stdout
    assert f"{ODD}.png" in {Path(row["image"]).name for row in csv.DictReader(io.StringIO(shown.stdout, newline=""))}
    assert is_harmless(written.stdout) and "rows\\x1b.csv" in written.stdout
    assert is_harmless(written.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("run\x1b[2J",),
        ("fit", "data", "-o", "run", "--thr\x1b[2Jeads", "1"),
        ("fit", "data\x1b[2J", "-o", "run"),
        ("predict", "run\x1b[2J", "a.png"),
        ("report", "run\x1b[2J"),
        ("cache", "info", "--cache", "here\x1b[2J"),
    ],
)
def test_words_of_the_command_line_are_answered_harmlessly(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(main, words)
    assert "\\x1b[2J" in found.output
    assert is_harmless(found.output)


def test_titles_of_progress_are_harmless_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress().task("Features (\x1b[2J, [red])", 1) as advance:
        advance(1)
    shown = capsys.readouterr().err
    assert is_harmless(shown) and "\\x1b[2J, [red]" in shown


COMMANDS = sorted((Path(cli.__file__).parent / "commands").glob("*.py"))


@pytest.mark.parametrize("path", [*COMMANDS, Path(cli.__file__).parent / "output.py"], ids=lambda path: path.stem)
def test_commands_print_by_the_functions_that_spell_out_control_characters(path: Path) -> None:
    raw = {"click.echo", "click.secho", "click.prompt", "click.confirm", "print"}
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    for call in calls:
        if ast.unparse(call.func) in raw:
            assert call.args and ast.unparse(call.args[0]).startswith("printable("), f"{path.name}:{call.lineno}"


def test_a_question_and_a_title_have_no_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder := tmp_path / "odd\x1b[2J").mkdir()
    asked = CliRunner().invoke(main, ["cache", "clear", "--cache", str(folder)], input="n\n")
    assert "odd\\x1b[2J?" in asked.output and is_harmless(asked.output)
    print_table("odd\x1b[2J", ["name"], [["calm"]])
    assert "odd\\x1b[2J" in capsys.readouterr().out
