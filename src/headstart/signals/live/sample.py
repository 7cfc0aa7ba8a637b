"""`Sample`: what one line of a stream tells, and the error of a line that tells nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

TIME_NAMES: Final = ("datetime", "timestamp", "time", "date", "date_time", "time_s", "seconds", "t", "zeit")
"""Columns or keys that hold the time, in small letters; the first that is there does."""
MISSING: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
CLOCK_FROM_S: Final = 1e8
"""Seconds from which a time is a date: 1973."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UNITS: Final = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
"""Sizes from which a number is nanoseconds, microseconds or milliseconds since 1970, as readers of files have it."""


class LineError(Exception):
    """Line of a stream that cannot be used, in one short clause; the stream goes on."""


@dataclass(frozen=True)
class Sample:
    """Values of some channels at one time.

    Attributes
    ----------
    time_s : float or None
        Seconds since 1970 in UTC, or since any start; None where the line tells no time.
    values : mapping of str to float
        By channel; NaN where nothing was measured.
    """

    time_s: float | None
    values: Mapping[str, float]


def seconds_of(text: str | float, time_format: str | None = None) -> float:
    """Time in seconds from a number or a text.

    Parameters
    ----------
    text : str or float
        Seconds, or since 1970 in any unit by their size; or a date of ISO 8601, in UTC where it names no zone.
    time_format : str, optional
        Format of dates that are none of ISO 8601, as `datetime.strptime` has it.

    Raises
    ------
    LineError

    Examples
    --------
    >>> seconds_of("2020-03-09 10:14:33"), seconds_of(1583748873000), seconds_of("12.5")
    (1583748873.0, 1583748873.0, 12.5)
    """
    try:
        if isinstance(text, str) and time_format is not None:
            return _since_epoch(datetime.strptime(text.strip(), time_format))
        number = float(text)
    except ValueError:
        if time_format is not None:
            raise LineError(f"the time {text!r} is not of the format {time_format!r}") from None
        return _of_iso(str(text))
    if not abs(number) < 1e20:
        raise LineError(f"the time {text!r} is no time")
    return next((number * unit for least, unit in _EPOCH_UNITS if number >= least), number)


def time_text(time_s: float) -> str | float:
    """Time as it is written out: a date in UTC, or seconds since the start where there is no clock.

    >>> time_text(1583748873.25), time_text(12.5)
    ('2020-03-09T10:14:33.250Z', 12.5)
    """
    if abs(time_s) < CLOCK_FROM_S:
        return round(time_s, 6)
    moment = _EPOCH + timedelta(milliseconds=round(time_s * 1e3))
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def number_of(cell: str | float, channel: str) -> float:
    """Number that a channel holds; NaN where it is missing or infinite.

    Raises
    ------
    LineError
        When it is text.
    """
    try:
        value = float(cell)
    except ValueError:
        if str(cell).strip().lower() in MISSING:
            return math.nan
        raise LineError(f"channel {channel!r} holds {str(cell).strip()[:40]!r}, which is no number") from None
    return value if math.isfinite(value) else math.nan


def _of_iso(text: str) -> float:
    try:
        return _since_epoch(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise LineError(f"the time {text!r} is not understood; state its format with --time-format") from None


def _since_epoch(moment: datetime) -> float:
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (zoned - _EPOCH) / timedelta(seconds=1)
