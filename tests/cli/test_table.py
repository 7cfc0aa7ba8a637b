"""Tables and paragraphs fit the terminal without a broken word, and a finished run always reads the same."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from headstart.cli.output import print_run
from headstart.cli.table import fact_lines, print_table, print_text, printable, table_lines, wrapped
from headstart.results.models.run_results import RunResults
from headstart.workflow.job.document import with_transfer
from headstart.workflow.run import Run

COLUMNS = ["name", "parameters", "last used (UTC)", "licence"]
ROWS = [
    ["efficientnet_lite0", "4.65 M", "2026-11-29 19:52", "Apache-2.0 (upstream; the package itself names none)"],
    ["vgg19", "144 M", "-", "bsd-3-clause"],
]
OLDER_RUN = Path(__file__).parents[1] / "results" / "data" / "format1"


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(width: int) -> None:
    lines = table_lines(COLUMNS, ROWS, width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    assert {word for row in (COLUMNS, *ROWS) for cell in row for word in cell.split()} <= set(words)


def test_a_table_that_fits_is_one_table_with_numbers_to_the_right() -> None:
    assert table_lines(["class", "images", "F1"], [["calm", "1,024", "0.9"], ["rough", "9", "-"]], 80) == [
        "class  images   F1",
        "-----  ------  ---",
        "calm    1,024  0.9",
        "rough       9    -",
    ]


def test_headers_are_broken_before_the_table_is() -> None:
    assert table_lines(["a", "sd across folds"], [["x", "0.1"]], 9) == [
        "       sd",
        "   across",
        "a   folds",
        "-  ------",
        "x     0.1",
    ]


def test_a_table_that_is_too_wide_goes_on_below_with_its_names() -> None:
    lines = table_lines(COLUMNS[:3], [row[:3] for row in ROWS], 32)
    assert lines.count("") == 1
    assert [line.split()[0] for line in lines if line and line[0] in "ev"] == ["efficientnet_lite0", "vgg19"] * 2


def test_a_column_that_fits_nowhere_becomes_a_list() -> None:
    lines = table_lines(COLUMNS, ROWS, 60)
    start = next(place for place, line in enumerate(lines) if line.endswith("licence"))
    assert lines[start:] == [
        "name                licence",
        "efficientnet_lite0  Apache-2.0 (upstream; the package itself",
        "                    names none)",
        "vgg19               bsd-3-clause",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert table_lines(["name", "size"], [], 80) == ["name  size", "----  ----"]


def test_wide_signs_and_accents_are_counted_as_they_are_shown() -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    assert table_lines(["a", "b"], [["細胞", "x"], [decomposed, "y"]], 80)[2:] == ["細胞  x", f"{decomposed}     y"]


def test_control_characters_and_newlines_of_names_are_spelled_out() -> None:
    lines = table_lines(["a", "b"], [["red\x1b[31m", "two\nlines"]], 80)
    assert lines[2:] == [r"red\x1b[31m  two\nlines"]
    assert printable("\x07") == r"\x07"


def test_long_words_stay_whole() -> None:
    path = "/data/" + "x" * 50
    assert wrapped(f"Report: {path}", 20) == ["Report:", path]
    assert fact_lines([("report", path)], 24) == [f"report  {path}"]


def test_names_that_leave_no_room_stand_above_their_value() -> None:
    lines = fact_lines([("a name of some length", "yes"), ("b", "no")], 20)
    assert lines == ["a name of some length", "  yes", "b", "  no"]


def test_output_heeds_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    print_table("Networks", COLUMNS, ROWS)
    print_text("Any timm name and hf-hub:OWNER/MODEL work too; their weights come from a file or the hub.")
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 44
    assert "\x1b" not in text
    assert text.isascii()


def printed(results: RunResults, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_run(Run(Path("run"), results))
    return capsys.readouterr().out.splitlines()


def test_a_finished_run_read_again_prints_the_same(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    first = printed(run.results, capsys)
    assert printed(RunResults.read(run.folder / "results.json"), capsys) == first
    assert [line.split("  ")[0] for line in first[3:6]] == ["Accuracy", "Balanced accuracy", "Precision"]


@pytest.mark.parametrize("verdict", ["helps", None])
def test_the_verdict_is_printed_once(
    verdict: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    older = RunResults.read(OLDER_RUN / "results.json")
    assert older.transfer is not None
    results = with_transfer(older, older.transfer.model_copy(update={"verdict": verdict}))
    assert results.transfer is not None
    lines = printed(results, capsys)
    gain = results.transfer.brief.removeprefix("No evidence that transfer helps or hurts: ").split(" against")[0]
    assert sum(gain in line for line in lines) == 1
    assert lines[-3] == results.headline.text
    assert (results.transfer.text in lines) == (verdict is None)
