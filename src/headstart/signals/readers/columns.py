"""Columns of a table told apart: the time, the label, the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.errors import DataError, first_few, unknown_name
from headstart.signals.readers.times import looks_like_times, parsed_times
from headstart.signals.recording import ANOMALY, NORMAL, RawRecording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.signals.readers.format import RecordingFormat

TIME_NAMES: Final = ("datetime", "timestamp", "time", "date", "date_time", "time_s", "seconds", "t", "zeit")
LABEL_NAMES: Final = ("anomaly", "label", "is_anomaly", "attack", "class")
SET_ASIDE: Final = ("changepoint",)
"""Columns that tell of labels, and are no channels."""


def recording_of(name: str, table: Any, given: RecordingFormat, *, first_row: int) -> RawRecording:
    """A recording from the columns of a table.

    Parameters
    ----------
    name : str
    table : pyarrow.Table
        Columns of texts, numbers or timestamps.
    given : RecordingFormat
    first_row : int
        Number of the first row in messages.

    Raises
    ------
    DataError
        When a column is not there or holds something else than it should.
    """
    names = list(table.column_names)
    if len(set(names)) < len(names):
        twice = sorted({one for one in names if names.count(one) > 1})
        raise DataError(f"{name}: the column {twice[0]!r} stands there twice. Rename one.")
    columns = {column: table.column(column).combine_chunks() for column in names}
    time = _time_column(name, columns, given)
    label = _named(name, given.label_column, names, LABEL_NAMES, "label column")
    others = () if label is None else tuple(one for one in names if one != label and _tells_of_labels(one))
    taken = {time, label, *others}
    channels = given.channels or tuple(one for one in names if one not in taken)
    for one in channels:
        if one not in columns:
            known = [other for other in names if other not in taken]
            raise DataError(f"{name}: {unknown_name('channel', one, known)}")
        if one in (time, label):
            raise DataError(f"{name}: {one!r} is the {'time' if one == time else 'label'} column, so it is no channel.")
    if not channels:
        raise DataError(f"{name} has no channels: its columns are {first_few(names)}.")
    values = np.stack([_numbers(name, one, columns[one], first_row) for one in channels], axis=1)
    times, has_clock = None, False
    if time is not None and given.rate_hz is None:
        times, has_clock = parsed_times(columns[time], time_format=given.time_format, source=f"{name}: ")
    labels = None if label is None else labels_of(columns[label].to_pylist(), f"{name}: ", first_row)
    notes = tuple(
        f"{name}: {one!r} tells of labels too, so it is no channel. Name it with --channels where it is one."
        for one in others
        if given.channels is None and one.strip().lower() not in SET_ASIDE
    )
    return RawRecording(name, tuple(channels), values, times, has_clock, labels, first_row, notes)


def _tells_of_labels(column: str) -> bool:
    return column.strip().lower() in (*LABEL_NAMES, *SET_ASIDE)


def labels_of(values: Sequence[Any], source: str, first_row: int) -> tuple[str, ...]:
    """Class of every sample: 0 and false are normal, 1 and true an anomaly, other labels stand for themselves.

    >>> labels_of(["0.0", "1.0", "leak"], "", 1)
    ('normal', 'anomaly', 'leak')

    Raises
    ------
    DataError
        When one is missing.
    """
    known: dict[Any, str] = {}
    for row, value in enumerate(values):
        if value not in known:
            text = "" if value is None else str(value).strip()
            if text.lower() in ("", "nan"):
                raise DataError(f"{source}the label in row {row + first_row} is missing. Write 0 where all is normal.")
            known[value] = _class_name(text)
    return tuple(known[value] for value in values)


def _class_name(text: str) -> str:
    if text.lower() in ("0", "0.0", "false", NORMAL):
        return NORMAL
    return ANOMALY if text.lower() in ("1", "1.0", "true", ANOMALY) else text


def _time_column(name: str, columns: dict[str, Any], given: RecordingFormat) -> str | None:
    found = _named(name, given.time_column, list(columns), TIME_NAMES, "time column")
    if found is not None or given.time_column is not None:
        return found
    for column, values in columns.items():
        is_time = pa.types.is_timestamp(values.type)
        if is_time or (pa.types.is_string(values.type) and looks_like_times(values)):
            return column
    return None


def _named(name: str, given: str | None, columns: Sequence[str], usual: Sequence[str], noun: str) -> str | None:
    """The column that is asked for, else the first of a usual name."""
    if given is not None:
        if given not in columns:
            raise DataError(f"{name}: {unknown_name(noun, given, columns)}")
        return given
    lower = {column.strip().lower(): column for column in reversed(columns)}
    return next((lower[one] for one in usual if one in lower), None)


def _numbers(name: str, channel: str, column: Any, first_row: int) -> NDArray[np.float64]:
    """Numbers of a channel, NaN where a cell is empty.

    Raises
    ------
    DataError
        Naming the first cell that holds text.
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column.cast(pa.string()))
        empty = pc.is_in(pc.utf8_lower(column), value_set=pa.array(["", "nan", "na", "n/a", "null", "none"]))
        column = pc.if_else(empty, None, column)
    try:
        found = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        row, text = _first_text(column)
        raise DataError(
            f"{name}: channel {channel!r} holds {text!r} in row {row + first_row}, which is no number. Mend the cell, "
            "leave it empty where nothing was measured, or name the channels with --channels."
        ) from error
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.float64)


def _first_text(column: Any) -> tuple[int, str]:
    for row, value in enumerate(column.to_pylist()):
        try:
            float(value if value is not None else 0)
        except (TypeError, ValueError):
            return row, str(value)
    return 0, str(column[0])
