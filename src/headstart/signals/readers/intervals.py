"""Labels of a table of intervals: from when to when what went on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from headstart.errors import DataError, first_few
from headstart.signals.readers.times import parsed_times
from headstart.signals.recording import ANOMALY, NORMAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headstart.signals.readers.format import RecordingFormat
    from headstart.signals.recording import Recording

COLUMNS: Final = ("recording", "start", "end", "label")


def with_intervals(recordings: Sequence[Recording], path: Path, given: RecordingFormat) -> tuple[Recording, ...]:
    """Recordings labelled by a CSV of intervals: normal outside all of them.

    Its columns are ``start`` and ``end`` (times as in the recordings, or seconds since a recording's start) and, where
    there are several recordings, ``recording``; ``label`` names what went on, an anomaly where it is left out.

    Raises
    ------
    DataError
        When a column is missing, an interval ends before it starts, or belongs to no recording or time of one.
    """
    table = _table(path)
    starts, of_clock = parsed_times(table["start"], time_format=given.time_format, source=f"{path.name}: ")
    ends, _ = parsed_times(table["end"], time_format=given.time_format, source=f"{path.name}: ")
    names = table["recording"].to_pylist() if "recording" in table else [""] * len(starts)
    labels = table["label"].to_pylist() if "label" in table else [ANOMALY] * len(starts)
    found = {one.name: np.full(len(one), NORMAL, dtype=object) for one in recordings}
    for row, (start, end, name, label) in enumerate(zip(starts, ends, names, labels, strict=True)):
        place = f"{path.name}: row {row + 2}"
        if end < start:
            raise DataError(f"{place}: the interval ends before it starts.")
        one = _recording(recordings, str(name), place)
        offset = one.start_s if of_clock or not one.has_clock else 0.0
        first = round((start - offset) / one.period_s)
        last = round((end - offset) / one.period_s)
        if last < 0 or first >= len(one):
            raise DataError(
                f"{place}: the interval lies outside {one.name}, which runs from {one.time_text(0)} to "
                f"{one.time_text(len(one) - 1)}. Write times as in the recording, or seconds since its start."
            )
        found[one.name][max(first, 0) : last + 1] = str(label or ANOMALY)
    return tuple(replace(one, labels=tuple(found[one.name].tolist())) for one in recordings)


def _table(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path} is not there. Give a CSV with the columns start and end.")
    try:
        read = pa_csv.read_csv(
            path, convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path.name} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    missing = [name for name in ("start", "end") if name not in read.column_names]
    if missing:
        raise DataError(f"{path.name} has no column {missing[0]!r}; it has {first_few(read.column_names)}.")
    return {name: read.column(name).combine_chunks() for name in COLUMNS if name in read.column_names}


def _recording(recordings: Sequence[Recording], name: str, place: str) -> Recording:
    """The recording of a name, with or without its ending; without a name the only one there is."""
    found = [one for one in recordings if name in (one.name, one.name.rpartition(".")[0])]
    if not name and len(recordings) == 1:
        return recordings[0]
    if len(found) != 1:
        names = first_few(one.name for one in recordings)
        raise DataError(f"{place}: {name!r} is no recording; there are {names}. Name it in the column 'recording'.")
    return found[0]
