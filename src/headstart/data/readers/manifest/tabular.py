"""CSV and Parquet files as columns of text and numbers, within fixed bounds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from headstart.errors import DataError

MAX_COLUMNS: Final = 10_000
_MAX_HEADER_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 4 << 20  # also the longest row that the CSV parser takes


def column_names(path: Path) -> list[str]:
    """Column names of a CSV or Parquet file.

    Raises
    ------
    DataError
        When the file is missing, no table, has more than 10,000 columns, or two columns of one name.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; give a CSV or Parquet file.")
    try:
        names = _parquet_names(path) if is_parquet(path) else _csv_header(path)[0]
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{path} has {len(names):,} columns; a manifest has at most {MAX_COLUMNS:,}.")
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise DataError(f"{path} has more than one column called {sorted(twice)[0]!r}; rename one of them.")
    return names


def read_columns(path: Path, columns: list[str]) -> pa.Table:
    """The named columns; those of a CSV file as text.

    Raises
    ------
    DataError
        When the content is damaged, not UTF-8, or holds a row longer than 4 MiB.
    """
    try:
        if is_parquet(path):
            return pa.parquet.read_table(path, columns=columns)
        return _read_csv(path, columns)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def is_parquet(path: Path) -> bool:
    """Whether the suffix is that of Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")


def _parquet_names(path: Path) -> list[str]:
    return [str(name) for name in pa.parquet.read_schema(path).names]


def _read_csv(path: Path, columns: list[str]) -> pa.Table:
    names, delimiter = _csv_header(path)
    return pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=names, skip_rows=1),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.large_string()), strings_can_be_null=False
        ),
    )


def _csv_header(path: Path) -> tuple[list[str], str]:
    """Column names and delimiter (comma, semicolon or tab: whichever makes most columns)."""
    with open(path, "rb") as handle:
        start = handle.read(_MAX_HEADER_BYTES)
    line, newline, _ = start.partition(b"\n")
    if not start.strip():
        raise DataError(f"{path} is empty; a manifest has a header and one row per image.")
    if b"\0" in start or (not newline and len(start) == _MAX_HEADER_BYTES):
        raise DataError(f"{path} is not a CSV table: it is binary, or its first line is longer than 1 MiB.")
    try:
        text = line.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8 CSV.") from error
    delimiter = max(",;\t", key=text.count)
    if text.count(delimiter) > MAX_COLUMNS:
        raise DataError(f"{path} has {text.count(delimiter) + 1:,} columns; a manifest has at most {MAX_COLUMNS:,}.")
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])], delimiter


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return DataError(f"{path} cannot be read as a table: {reason}. Save it as UTF-8 CSV or Parquet.")
