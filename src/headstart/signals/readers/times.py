"""Times of samples, in whatever format a file writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.errors import DataError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_DAY_FIRST: Final = ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y")
_MONTH_FIRST: Final = ("%m/%d/%Y", "%m-%d-%Y")
_OTHERS: Final = ("%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%d %b %Y")
_CLOCKS: Final = (" %H:%M:%S", " %H:%M", "T%H:%M:%S", "")
_SECONDS_OF_DAY: Final = ("%H:%M:%S", "%H:%M")
_FRACTION: Final = r"^(?P<whole>.*:\d\d)[.,](?P<fraction>\d+)$"
_EPOCH_UNITS: Final = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3), (1e8, 1.0))
"""Sizes from which a number is nanoseconds, microseconds, milliseconds or seconds since 1970."""


def parsed_times(column: Any, *, time_format: str | None, source: str) -> tuple[Floats, bool]:
    """Times of a column in seconds, and whether they are dates.

    Numbers are seconds, or since 1970 by their size; texts are ISO 8601 or dates of a format that fits every row.

    Parameters
    ----------
    column : pyarrow array
        Texts, numbers or timestamps.
    time_format : str or None
        The format, where it is known.
    source : str
        Begins messages.

    Raises
    ------
    DataError
        When they cannot be understood, or day and month cannot be told apart.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _seconds(column), True
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return _numbers(column.cast(pa.float64()))
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    if time_format is not None:
        found = _strptime(texts, time_format)
        if found is None:
            raise InputError(f"{source}times such as {_example(texts)!r} are not of the format {time_format!r}.")
        return found, True
    try:
        return _numbers(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        found = _dates(texts, source)
    if found is None:
        raise DataError(
            f"{source}times such as {_example(texts)!r} are not understood. State their format with --time-format, as "
            "in '%d.%m.%Y %H:%M:%S'."
        )
    return found, True


def looks_like_times(column: Any) -> bool:
    """Whether a column of texts holds dates."""
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()).slice(0, 50))
    if not re.search(r"\d[-/.:]\d|\d [A-Z]", _example(texts)):
        return False
    try:
        return _dates(texts, "") is not None
    except DataError:
        return True


def _numbers(column: Any) -> tuple[Floats, bool]:
    values = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    size = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
    for least, factor in _EPOCH_UNITS:
        if size >= least:
            return values * factor, True
    return values, False


def _dates(texts: Any, source: str) -> Floats | None:
    zoned = re.search(r"(Z|[+-]\d\d:?\d\d)$", _example(texts)) is not None
    try:
        return _seconds(texts.cast(pa.timestamp("us", tz="UTC" if zoned else None)))
    except pa.ArrowInvalid:
        pass
    found = {shape: _of_formats(texts, shape) for shape in (_DAY_FIRST, _MONTH_FIRST)}
    day, month = found[_DAY_FIRST], found[_MONTH_FIRST]
    if day is not None and month is not None and not np.array_equal(day, month):
        raise DataError(
            f"{source}in times such as {_example(texts)!r} day and month cannot be told apart. State their format with "
            "--time-format, as in '%d/%m/%Y %H:%M:%S'."
        )
    either = day if day is not None else month
    if either is not None:
        return either
    others = _of_formats(texts, _OTHERS)
    return others if others is not None else _of_day(texts)


def _of_formats(texts: Any, dates: tuple[str, ...]) -> Floats | None:
    for date in dates:
        for clock in _CLOCKS:
            found = _strptime(texts, date + clock)
            if found is not None:
                return found
    return None


def _of_day(texts: Any) -> Floats | None:
    for shape in _SECONDS_OF_DAY:
        found = _strptime(pc.binary_join_element_wise(pa.scalar("1970-01-01"), texts, " "), f"%Y-%m-%d {shape}")
        if found is not None:
            return found
    return None


def _strptime(texts: Any, shape: str) -> Floats | None:
    """Seconds of texts of one format; fractions of a second stand behind ``%S`` and need no place in it."""
    parts = pc.extract_regex(texts, _FRACTION)
    has_fraction = parts.is_valid()
    whole = pc.if_else(has_fraction, pc.struct_field(parts, "whole"), texts)
    found = pc.strptime(whole, format=shape, unit="s", error_is_null=True)
    if found.null_count > texts.null_count:
        return None
    fraction = pc.fill_null(pc.struct_field(parts, "fraction"), "0")
    behind = [float(f"0.{digits}") for digits in fraction.to_pylist()] if pc.any(has_fraction).as_py() else 0.0
    return np.asarray(_seconds(found) + np.asarray(behind))


def _seconds(column: Any) -> Floats:
    zone = getattr(column.type, "tz", None)
    micros = column.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())
    return np.asarray(micros.to_numpy(zero_copy_only=False), dtype=np.float64) / 1e6


def _example(texts: Any) -> str:
    return next((text for text in texts.slice(0, 1000).to_pylist() if text), "")
