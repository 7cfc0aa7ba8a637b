"""`read_recordings`: every recording of a file or a folder, on one grid of time, with the same channels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data.categorical import natural_key
from headstart.data.system_names import is_system_name
from headstart.errors import DataError, first_few
from headstart.signals.readers.clocks import without_clocks
from headstart.signals.readers.format import RecordingFormat
from headstart.signals.recording import RawRecording, Recording, with_same_channels
from headstart.signals.regular import has_even_steps, to_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".npz", ".ts")
_SCALE_JUMP: Final = 300.0
"""Ratio of a channel's typical size between recordings that looks like another unit."""
_SAME_PERIOD: Final = 0.01


def read_recordings(
    path: str | os.PathLike[str],
    given: RecordingFormat | None = None,
    *,
    intervals: str | os.PathLike[str] | None = None,
    like_s: float | None = None,
) -> tuple[Recording, ...]:
    """Recordings of one file, or of every file in a folder, in natural order of their names.

    Parameters
    ----------
    path : path
        CSV, Parquet, ``.npz`` or ``.ts``, or a folder of such files.
    given : RecordingFormat, optional
        What the files do not tell themselves.
    intervals : path, optional
        Table of labelled intervals; see `headstart.signals.readers.intervals`.
    like_s : float > 0, optional
        Sampling period of a model in seconds. Uneven samples are brought to it where that of the recordings is the same
        within a hundredth, so that the jitter of their clocks does not move the windows. Default: the median step.

    Raises
    ------
    DataError
        When a file cannot be read, channels differ from file to file, or recordings have different sampling rates.
    """
    source, given = Path(path), given or RecordingFormat()
    table = None if intervals is None else Path(intervals)
    raw = [one for file in _files(source, table) for one in _read_file(file, _name(file, source), given)]
    if given.channels is None:
        raw = without_clocks(raw)
    period = given.period_s or _common_period(raw, like_s)
    recordings = with_same_channels([to_regular(one, period_s=period) for one in raw], given.channels)
    if table is not None:
        from headstart.signals.readers.intervals import with_intervals

        recordings = with_intervals(recordings, table, given)
    return _told(recordings)


def _files(source: Path, table: Path | None) -> list[Path]:
    if source.is_file():
        if source.suffix.lower() not in SUFFIXES:
            raise DataError(f"{source.name} is no recording: its name ends with none of {', '.join(SUFFIXES)}.")
        return [source]
    if not source.is_dir():
        raise DataError(f"{source} is not there. Give a file of a recording, or a folder of such files.")
    skipped = None if table is None else table.resolve()
    found = [
        file
        for file in source.rglob("*")
        if file.suffix.lower() in SUFFIXES and file.is_file() and file.resolve() != skipped
        if not any(map(is_system_name, file.relative_to(source).parts))
    ]
    if not found:
        raise DataError(f"{source} holds no recordings: no name ends with {', '.join(SUFFIXES)}.")
    return sorted(found, key=lambda file: natural_key(file.relative_to(source).as_posix()))


def _name(file: Path, source: Path) -> str:
    return file.name if file == source else file.relative_to(source).as_posix()


def _read_file(file: Path, name: str, given: RecordingFormat) -> Sequence[RawRecording]:
    from headstart.signals.readers import archives, tables

    suffix = file.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return [tables.read_parquet(file, name, given)]
    if suffix == ".npz":
        return archives.read_npz(file, name, given)
    if suffix == ".ts":
        return archives.read_ts(file, name)
    return [tables.read_csv(file, name, given)]


def is_same_period(one_s: float, other_s: float) -> bool:
    """Whether two sampling periods in seconds are the same within a hundredth of the second.

    >>> is_same_period(1.008, 1.0), is_same_period(1.02, 1.0)
    (True, False)
    """
    return abs(one_s - other_s) <= _SAME_PERIOD * other_s


def _common_period(raw: Sequence[RawRecording], like_s: float | None) -> float | None:
    """Sampling period of all recordings: the median of theirs, where they agree.

    Of uneven samples it is `like_s`, where that is the same. Even ones stay as they are, at the times of the file.
    """
    timed = [one for one in raw if one.times is not None and len(one.times) > 1]
    if not timed:
        return None
    periods = np.array([np.median(np.diff(one.times)) for one in timed if one.times is not None])
    common = float(np.median(periods))
    if common <= 0:
        return None  # each is refused by itself, with its row
    far = np.flatnonzero(np.abs(periods - common) > _SAME_PERIOD * common)
    if len(far):
        one = timed[int(far[0])]
        raise DataError(
            f"{one.name} has a sample every {periods[far[0]]:g} s, the others every {common:g} s. Fit recordings of "
            "one sampling rate, or resample them first."
        )
    if like_s is None or not is_same_period(common, like_s):
        return common
    is_even = all(has_even_steps(np.diff(one.times), common) for one in timed if one.times is not None)
    return common if is_even else like_s


def _told(recordings: tuple[Recording, ...]) -> tuple[Recording, ...]:
    """The recordings with notes on channels that are constant or whose unit seems to have changed."""
    sizes = np.array([[_size(column) for column in one.values.T] for one in recordings])  # (recordings, channels)
    notes: dict[int, list[str]] = {}
    for place, channel in enumerate(recordings[0].channels):
        constant = [row for row, one in enumerate(recordings) if _is_constant(one.values[:, place])]
        for row in constant[:1]:
            where = (
                "every recording"
                if len(constant) == len(recordings)
                else first_few(recordings[n].name for n in constant)
            )
            notes.setdefault(row, []).append(f"Channel {channel!r} is constant in {where}.")
        typical = float(np.median(sizes[:, place]))
        for row in np.flatnonzero(_ratio(sizes[:, place], typical) >= _SCALE_JUMP).tolist():
            more = sizes[row, place] > typical
            factor = _ratio(sizes[row : row + 1, place], typical)[0]
            notes.setdefault(row, []).append(
                f"{recordings[row].name}: channel {channel!r} is about {factor:,.0f} times "
                f"{'larger' if more else 'smaller'} than in the other recordings; was its unit changed?"
            )
    return tuple(replace(one, notes=(*one.notes, *notes.get(row, ()))) for row, one in enumerate(recordings))


def _size(column: NDArray[np.float64]) -> float:
    return float(np.nanmedian(np.abs(column)))


def _is_constant(column: NDArray[np.float64]) -> bool:
    return bool(np.nanmax(column) == np.nanmin(column))


def _ratio(sizes: NDArray[np.float64], typical: float) -> NDArray[np.float64]:
    """By what factor sizes differ from the typical one, either way; 1 where one of the two is zero."""
    positive = (sizes > 0) & (typical > 0)
    ratio = np.where(positive, sizes, 1.0) / (typical if typical > 0 else 1.0)
    return np.where(positive, np.maximum(ratio, 1 / ratio), 1.0)
