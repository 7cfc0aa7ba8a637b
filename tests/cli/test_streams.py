"""What commands print: letters that a stream lacks, and control characters whoever wrote them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from headstart.cli.answer import print_json, refuse
from headstart.cli.progress import TerminalProgress
from headstart.cli.streams import STDERR, StandardOutput, prepare_streams
from headstart.errors import StorageError


def narrow(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Standard output of the code page of a Windows console that is redirected."""
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding="cp1252", write_through=True))
    return kept


def test_letters_that_a_stream_lacks_are_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = narrow(monkeypatch)
    prepare_streams()
    click.echo("class \N{CJK UNIFIED IDEOGRAPH-65E5}, caf\xe9")
    assert kept.getvalue() == b"class \\u65e5, caf\xe9\n"


def test_json_stays_json_on_such_a_stream_and_holds_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    value = {"names": ["\N{GRINNING FACE}", "a\x1b[2Jb", "c\x9bd", "e\udcfff", "g\u2028h"]}
    print_json(value)
    shown = capsys.readouterr().out
    assert json.loads(shown) == value
    assert all(sign.isprintable() or sign == "\n" for sign in shown)
    kept = narrow(monkeypatch)
    prepare_streams()
    print_json(value)
    assert json.loads(kept.getvalue().decode("cp1252")) == value


def test_errors_and_notes_show_control_characters_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit):
        refuse(click.Context(click.Command("x")), "column \x1b[31m is\nbad \udc80", 2)
    TerminalProgress(quiet=True).note("file \x1b]0;title\x07")
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "column \\x1b[31m is\nbad \\udc80" in shown


needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


@needs_full_device
@pytest.mark.parametrize("buffering", [-1, 1])
def test_a_full_standard_output_is_an_error_in_words_and_takes_no_more(buffering: int) -> None:
    with open("/dev/full", "w", buffering=buffering) as full:
        output = StandardOutput(full)
        with pytest.raises(StorageError, match="Cannot write standard output: the disk is full"):
            for _ in range(2):
                output.write("scores\n")
                output.flush()
        output.write("more")
        output.flush()
    with open("/dev/full", "w") as full, pytest.raises(StorageError, match="the disk is full"):
        StandardOutput(full).buffer.write(b"x" * (1 << 20))


@needs_full_device
def test_what_standard_error_refuses_ends_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        progress = TerminalProgress()
        progress.note("a note")
        with progress.task("Audit", 2, "images") as advance:
            advance(2)
        with pytest.raises(OSError, match="No space left"):
            os.write(full.fileno(), b"refused, as all of the above was")
        monkeypatch.undo()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), full.fileno())
    monkeypatch.setattr(sys, "stderr", None)
    STDERR.write("nobody hears it")
    STDERR.flush()
    TerminalProgress().note("nor this")


@needs_full_device
@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        (">/dev/full", 1, "Error: Cannot write standard output: the disk is full"),
        (">&- 2>&-", 0, ""),
    ],
)
def test_help_ends_in_words_whatever_the_streams(streams: str, code: int, said: str) -> None:
    command = f'"{sys.executable}" -m headstart --help {streams}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_a_stream_that_was_closed_lends_its_number_to_no_file(tmp_path: Path) -> None:
    code = (
        "from headstart.cli.streams import prepare_streams; prepare_streams(); import os, sys; "
        f"print('lost'); number = os.open({str(tmp_path / 'result')!r}, os.O_CREAT); os._exit(number)"
    )
    done = subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{code}" >&- 2>&-'], capture_output=True, check=False)
    assert done.returncode > 2
    assert (tmp_path / "result").read_bytes() == b""
