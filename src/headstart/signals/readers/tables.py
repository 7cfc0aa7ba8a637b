"""Recordings in CSV and Parquet files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from headstart.errors import DataError
from headstart.signals.readers.columns import recording_of
from headstart.storage import storage_error

if TYPE_CHECKING:
    from pathlib import Path

    from headstart.signals.readers.format import RecordingFormat
    from headstart.signals.recording import RawRecording

_SEPARATORS: Final = (";", "\t", ",", "|")
_DECIMAL_COMMA: Final = r"^-?\d+,\d+(e-?\d+)?$"


def read_csv(path: Path, name: str, given: RecordingFormat) -> RawRecording:
    """Recording of a CSV file, its separator found by the first line.

    Raises
    ------
    DataError
        When it is no table, or a column holds something else than it should.
    """
    try:
        with path.open("rb") as handle:
            lines = [handle.readline(1 << 20) for _ in range(2)]
    except OSError as error:
        raise storage_error(path, error, action="read") from error
    if not lines[0].strip():
        raise DataError(f"{name} is empty; expected a line of column names and a line for every sample.")
    try:
        header, first = (line.decode("utf-8-sig").strip() for line in lines)
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not text in UTF-8. Save it as CSV in UTF-8.") from error
    separator = given.separator or max(_SEPARATORS, key=header.count)
    names = [cell.strip().strip('"') for cell in header.split(separator)]
    if all(_is_number(cell) for cell in names):
        raise DataError(f"{name}: the first line holds numbers ({header[:40]}); expected the names of the columns.")
    table = _texts(path, name, names, separator)
    if separator != "," and "," in first:
        table = _with_points(table)
    return recording_of(name, table, given, first_row=2)


def read_parquet(path: Path, name: str, given: RecordingFormat) -> RawRecording:
    """Recording of a Parquet file.

    Raises
    ------
    DataError
    """
    try:
        table = pq.read_table(path)
        table.validate(full=True)
    except Exception as error:  # whatever the library raises, the file is what it cannot read
        raise DataError(f"{name} cannot be read as Parquet: {_first_line(error)}") from error
    return recording_of(name, table, given, first_row=1)


def _texts(path: Path, name: str, names: list[str], separator: str) -> Any:
    """Every cell as text: what a column holds is decided with its name in hand."""
    try:
        return pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=separator),
            convert_options=pa_csv.ConvertOptions(
                column_types={column: pa.string() for column in names}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{name} cannot be read as CSV with {separator!r} between the cells: {_first_line(error)}"
        ) from error


def _with_points(table: Any) -> Any:
    """The table with decimal commas made points."""
    for place, column in enumerate(table.column_names):
        values = table.column(place)
        if pc.any(pc.match_substring_regex(values, _DECIMAL_COMMA)).as_py():
            table = table.set_column(place, column, pc.replace_substring(values, ",", "."))
    return table


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.,]+([eE][-+]?\d+)?", text) is not None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
