"""What commands print: letters that a stream lacks, and control characters whoever wrote them."""

from __future__ import annotations

import io
import json
import sys

import click
import pytest

from headstart.cli.answer import print_json, refuse
from headstart.cli.main import spell_out_foreign_letters
from headstart.cli.progress import TerminalProgress


def narrow(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Standard output of the code page of a Windows console that is redirected."""
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding="cp1252", write_through=True))
    return kept


def test_letters_that_a_stream_lacks_are_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = narrow(monkeypatch)
    spell_out_foreign_letters()
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
    spell_out_foreign_letters()
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
