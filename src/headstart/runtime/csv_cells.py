r"""CSV as headstart writes it: safe to open in a spreadsheet, and read back with every name as it was.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break for a formula, and runs
it: the name of a file ``=HYPERLINK(...)``, say. An apostrophe before such a text, which spreadsheets take for the mark
of a text, keeps it one. Numbers stay numbers.

References
----------
OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

RAW_VARIABLE: Final = "HEADSTART_RAW_CSV"
"""Variable that has CSV written without apostrophes, for programs that read it."""
# The wide forms are those that a spreadsheet set to an East Asian language takes as well.
_SIGNS: Final = r"=+\-@\t\r\n＝＋－＠"
_FORMULA: Final = re.compile(f"'*[{_SIGNS}]")
_MARKED: Final = re.compile(f"'+[{_SIGNS}]")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

RESTORING: Final = f"^'('*[{_SIGNS}])"
"""Pattern of a marked text for other engines of regular expressions; its first group is the text without the mark."""


def csv_bytes(rows: Iterable[Sequence[Any]]) -> bytes:
    r"""Rows as CSV in UTF-8, the names of the columns being the first.

    Parameters
    ----------
    rows : iterable of sequences
        Texts and numbers; None is an empty cell.

    Examples
    --------
    >>> csv_bytes([["image", "score"], ["=1+1.png", -0.5], ["'@a", None]])
    b"image,score\n'=1+1.png,-0.5\n''@a,\n"
    """
    parts: list[bytes] = []
    line = io.StringIO()  # ended as CSV has it, so that a carriage return inside a cell is quoted too
    writer, is_raw = csv.writer(line, lineterminator="\r\n"), writes_raw()
    for row in rows:
        writer.writerow(row if is_raw else [marked(cell) if isinstance(cell, str) else cell for cell in row])
        ended = line.getvalue().removesuffix("\r\n") + "\n"
        parts.append(
            ended.encode(errors="backslashreplace")
        )  # of names that are no UTF-8 the odd bytes are spelled out
        line.seek(0)
        line.truncate()
    return b"".join(parts)


def marked(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula.

    >>> marked("=A1"), marked("-3.5e2"), marked("-3 + 1"), marked("plain"), marked("'=A1")
    ("'=A1", '-3.5e2', "'-3 + 1", 'plain', "''=A1")
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def restored(text: str) -> str:
    """The text that `marked` was given.

    >>> [restored(marked(text)) for text in ("=A1", "-3", "'=A1", "''", "'tis")]
    ['=A1', '-3', "'=A1", "''", "'tis"]
    """
    return text[1:] if _MARKED.match(text) else text


def writes_raw() -> bool:
    """Whether the user asks for CSV without apostrophes."""
    return os.environ.get(RAW_VARIABLE, "").upper() in {"1", "ON", "YES", "TRUE"}
