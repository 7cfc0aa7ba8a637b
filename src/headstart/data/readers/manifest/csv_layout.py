"""How a CSV file is laid out: its encoding, its delimiter, the names in its header and where its rows begin."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.errors import DataError
from headstart.runtime.csv_cells import restored
from headstart.storage import open_file

MAX_COLUMNS: Final = 10_000
MAX_HEADER_BYTES: Final = 1 << 20
_DELIMITERS: Final = ",;\t"
_DECLARED: Final = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
_PROBED: Final = 64


@dataclass(frozen=True)
class CsvLayout:
    """Layout of one file.

    Attributes
    ----------
    encoding : str
        ``utf-8-sig``, or one of UTF-16.
    delimiter : str
    names : tuple of str
        Of every column; the empty ones of a spreadsheet's empty columns too.
    start : int
        Number of characters before the first row.
    is_plain : bool
        Whether the file is UTF-8 and its header one line, so that its rows begin behind the first line break.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    start: int
    is_plain: bool


def csv_layout(path: Path) -> CsvLayout:
    """Layout of a CSV file, of which the first MiB is read.

    Raises
    ------
    DataError
        When it is empty, binary, of another encoding, or its header has no end.
    """
    with open_file(path) as handle:
        start = handle.read(MAX_HEADER_BYTES)
    if not start.strip():
        raise DataError(f"{path} is empty; a manifest has a header and one row per image.")
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise not_unicode(path)
    encoding = _encoding(start)
    if encoding == "utf-8-sig" and b"\0" in start:
        raise DataError(f"{path} is not a CSV table: it is binary.")
    text = _decoded_start(path, start, encoding)
    declared = _DECLARED.match(text)
    header_start = 0 if declared is None else declared.end()
    header_end = _record_end(text, header_start)
    if header_end == len(text) and len(start) == MAX_HEADER_BYTES:
        raise DataError(f"{path} is not a CSV table: it is binary, or its first line is longer than 1 MiB.")
    header = text[header_start:header_end].rstrip("\r\n")
    delimiter = _delimiter(header) if declared is None else declared[1]
    n_columns = _n_outside_quotes(header, delimiter) + 1
    if n_columns > MAX_COLUMNS:
        raise DataError(f"{path} has {n_columns:,} columns; a manifest has at most {MAX_COLUMNS:,}.")
    try:
        names = next(csv.reader([header.replace("\r", "\n")], delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: its header is damaged ({error}).") from error
    is_plain = encoding == "utf-8-sig" and declared is None and "\n" not in header and "\r" not in header
    ends_as_usual = text[header_end - 1 : header_end] == "\n" or header_end == len(text)
    cleaned = tuple(restored(" ".join(name.split())) for name in names)
    return CsvLayout(encoding, delimiter, cleaned, header_end, is_plain and ends_as_usual)


def _encoding(start: bytes) -> str:
    """Encoding by the byte order mark, or by the zeros that UTF-16 puts beside plain letters."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    probed = start[:_PROBED]
    for encoding, zeros, letters in (
        ("utf-16-le", probed[1::2], probed[::2]),
        ("utf-16-be", probed[::2], probed[1::2]),
    ):
        if len(zeros) > 1 and not any(zeros) and all(letters):
            return encoding
    return "utf-8-sig"


def _decoded_start(path: Path, start: bytes, encoding: str) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError as error:
        raise not_unicode(path) from error


def not_unicode(path: Path) -> DataError:
    """Error for a file in another encoding."""
    return DataError(f"{path} is not UTF-8 text; save it as UTF-8 CSV (in Excel: CSV UTF-8).")


def _record_end(text: str, start: int) -> int:
    """Place behind the line break that ends the record, one inside quotes not counted."""
    is_quoted = False
    for found in re.compile(r'"|\r\n|\r|\n').finditer(text, start):
        if found[0] == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            return found.end()
    return len(text)


def _delimiter(header: str) -> str:
    """Comma, semicolon or tab: whichever makes most columns, those inside quotes not counted."""
    return max(_DELIMITERS, key=lambda sign: _n_outside_quotes(header, sign))


def _n_outside_quotes(header: str, sign: str) -> int:
    """Number of times that a sign stands outside quotes.

    >>> _n_outside_quotes('image;label;"note, remark"', ","), _n_outside_quotes('image;label;"note, remark"', ";")
    (0, 2)
    """
    return sum(part.count(sign) for part in header.split('"')[::2])
