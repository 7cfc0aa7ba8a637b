"""The report as Markdown and as PDF."""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from made_run import HOSTILE, FakeImages, Page, make_run

from headstart.cli.main import main
from headstart.errors import InputError, RunError
from headstart.report import write_report
from headstart.report.document import Bullets, ReportTable, Section, Text, Verbatim
from headstart.report.markdown import render_markdown
from headstart.report.pdf import BROWSER_VARIABLE, find_browser


def test_markdown_holds_the_sections_of_the_page_and_links_figures_that_are_there(
    two: tuple[Path, Page, FakeImages], tmp_path: Path
) -> None:
    images: Any = FakeImages(tuple(make_run(tmp_path / "cells")))
    path = write_report(tmp_path / "cells", dataset=images, to="md")
    assert images.loaded == []
    assert path == tmp_path / "cells" / "report.md" and not (tmp_path / "cells" / "report.html").exists()
    text = path.read_text(encoding="utf-8")
    titles = {re.sub(r"\\(.)", r"\1", line[3:]) for line in text.splitlines() if line.startswith("## ")}
    assert titles and all(title in two[1].text for title in titles)
    linked = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert len(linked) >= 5 and all((path.parent / name).is_file() for name in linked)
    assert "data:image" not in text


def test_names_are_text_in_markdown_too(hostile: tuple[Path, Page]) -> None:
    path = write_report(hostile[0], images=False, to="md")
    text = path.read_text(encoding="utf-8")
    path.unlink()
    assert HOSTILE not in text and "\\<script\\>alert(" in text


def test_every_table_has_as_many_cells_in_each_row() -> None:
    table = ReportTable("A | B", ("name", "n|m"), (("1. one", "2\n3"), ("a`b", "\\")))
    text = render_markdown("- a title", [Section("a", "Part", (table,))], version="1")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {3}
    assert text.startswith("# \\- a title\n") and "| 1\\. one | 2 3 |" in rows and rows[1] == "| :-- | --: |"


def test_code_stays_in_its_fence_and_what_looks_like_a_list_is_none() -> None:
    blocks = (Verbatim("a\n```\nb", "Code"), Bullets(("- x", "+")), Text("12) y", "warning"))
    text = render_markdown("t", [Section("a", "Part", blocks)], version="1")
    assert "````\na\n```\nb\n````" in text
    assert "- \\- x\n- \\+\n" in text and "> **Note:** 12\\) y" in text


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands in for a browser: it writes what it was asked for to a file of the folder."""
    program = tmp_path / "browser"
    program.write_text(
        "#!/bin/sh\n"
        f'printf "%s\\n" "$@" > "{tmp_path}/asked"\n'
        'for one in "$@"; do case "$one" in --print-to-pdf=*) printf "%s" "$CONTENT" > "${one#*=}";; esac; done\n'
        'echo "it said so" >&2; exit "${CODE:-0}"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(BROWSER_VARIABLE, str(program))
    monkeypatch.setenv("CONTENT", "%PDF-1.4 page")
    return program


def test_a_pdf_is_printed_from_the_page_without_any_host(browser: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "a run")
    path = write_report(tmp_path / "a run", to="pdf")
    assert path.read_bytes() == b"%PDF-1.4 page"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[-1] == (tmp_path / "a run" / "report.html").as_uri()
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in asked
    assert ("--no-sandbox" in asked) == (os.geteuid() == 0)


@pytest.mark.parametrize("wrong", [{"CODE": "3"}, {"CONTENT": ""}])
def test_a_browser_that_prints_nothing_leaves_no_file(
    wrong: dict[str, str], browser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "run")
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=r"did not print .*it said so.*print it"):
        write_report(tmp_path / "run", to="pdf")
    assert not (tmp_path / "run" / "report.pdf").exists()


def test_without_a_browser_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "run")
    monkeypatch.setenv(BROWSER_VARIABLE, str(tmp_path / "no-browser"))
    with pytest.raises(InputError, match="names no program"):
        find_browser()
    monkeypatch.delenv(BROWSER_VARIABLE)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"apt install chromium.*report\.html"):
        write_report(tmp_path / "run", to="pdf")
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed (apt.txt)")
def test_chromium_prints_every_section(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    make_run(tmp_path / "cells")
    content = write_report(tmp_path / "cells", to="pdf").read_bytes()
    assert content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 4


def test_a_format_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["report", str(tmp_path), "--to", "doc"])
    assert answer.exit_code == 2 and "'html', 'pdf', 'md'" in answer.output
