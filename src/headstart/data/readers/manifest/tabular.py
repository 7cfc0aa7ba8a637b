"""CSV and Parquet files as columns of text and numbers, within fixed bounds."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from headstart.data.readers.manifest.csv_layout import MAX_COLUMNS, CsvLayout, csv_layout, not_unicode
from headstart.errors import DataError, plural
from headstart.runtime.csv_cells import RESTORING
from headstart.storage import file_bytes

_MAX_UNUSUAL_BYTES: Final = 256 << 20
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
        names = _parquet_names(path) if is_parquet(path) else [name for name in csv_layout(path).names if name]
    except DataError:
        raise
    except Exception as error:  # whatever the libraries that read a table raise, the file is what they cannot read
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
            return checked_types(path, pa.parquet.read_table(path, columns=columns))
        return _without_marks(_read_csv(path, columns))
    except DataError:
        raise
    except Exception as error:  # as above
        raise _unreadable(path, error) from error


def is_parquet(path: Path) -> bool:
    """Whether the suffix is that of Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")


def _parquet_names(path: Path) -> list[str]:
    return [str(name) for name in pa.parquet.read_schema(path).names]


def _read_csv(path: Path, columns: list[str]) -> pa.Table:
    layout = csv_layout(path)
    if layout.is_plain:
        try:
            return _read_plain_csv(path, layout, columns)
        except pa.ArrowInvalid:
            return _read_any_csv(path, layout, columns)  # rows of other lengths: it says which, or takes them
    return _read_any_csv(path, layout, columns)


def _read_plain_csv(path: Path, layout: CsvLayout, columns: list[str]) -> pa.Table:
    names = [name or f"\0{place}" for place, name in enumerate(layout.names)]
    return pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=names, skip_rows=1),
        parse_options=pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.large_string()), strings_can_be_null=False
        ),
    )


def _read_any_csv(path: Path, layout: CsvLayout, columns: list[str]) -> pa.Table:
    """Rows read one by one: of UTF-16, of old line ends, of headers over several lines, with empty cells at the end."""
    if path.stat().st_size > _MAX_UNUSUAL_BYTES:
        raise DataError(f"{path} is larger than {_MAX_UNUSUAL_BYTES >> 20} MiB and no plain CSV; save it as UTF-8 CSV.")
    try:
        text = file_bytes(path).decode(layout.encoding)
    except UnicodeDecodeError as error:
        raise not_unicode(path) from error
    places, n_columns = [layout.names.index(name) for name in columns], len(layout.names)
    n_named = max((place + 1 for place, name in enumerate(layout.names) if name), default=0)
    kept: list[list[str]] = [[] for _ in columns]
    lines = io.StringIO(text[layout.start :], newline="")
    try:
        for number, row in enumerate(filter(None, csv.reader(lines, delimiter=layout.delimiter, strict=True)), start=1):
            if len(row) < n_named or any(row[n_columns:]):
                remedy = (
                    "Add those that are missing, empty where there is nothing"
                    if len(row) < n_named
                    else f"Put cells that hold the delimiter {layout.delimiter!r} into double quotes"
                )
                raise DataError(
                    f"{path} cannot be read as a table: row {number}, counted from 1 below the header, has "
                    f"{plural(len(row), 'cell')}, and the header {n_columns:,}. {remedy}."
                )
            for cells, place in zip(kept, places, strict=True):
                cells.append(row[place])
    except csv.Error as error:
        raise _unreadable(path, error) from error
    return pa.table({name: pa.array(cells, pa.large_string()) for name, cells in zip(columns, kept, strict=True)})


def _without_marks(table: pa.Table) -> pa.Table:
    """Texts without the apostrophes that keep a spreadsheet from taking them for formulas."""
    texts = {name: pc.replace_substring_regex(table[name], RESTORING, r"\1") for name in table.column_names}
    return pa.table(texts)


def checked_types(path: Path, table: pa.Table) -> pa.Table:
    """The table, when each of its cells is a text or a number; numbers of half precision become longer ones.

    Raises
    ------
    DataError
    pyarrow.ArrowInvalid
        For texts that are no UTF-8, which pyarrow reads without looking.
    """
    table.validate(full=True)
    for name in table.column_names:
        kind = table.schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or isinstance(kind, pa.BaseExtensionType):
            raise DataError(
                f"{path}: column {name!r} holds cells of the type {kind}, and texts or numbers are expected. Write one "
                "value into each cell."
            )
        if pa.types.is_float16(kind):
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.float32()))
    return table


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return DataError(f"{path} cannot be read as a table: {reason}. Save it as UTF-8 CSV or Parquet.")
