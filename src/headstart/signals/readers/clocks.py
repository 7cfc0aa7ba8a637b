"""Channels that count the time told apart: where a window lies in its recording is never a feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import DataError, first_few

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.signals.recording import RawRecording

    Floats = NDArray[np.float64]

MIN_SAMPLES: Final = 30
"""Fewest samples by which a channel is told from one that happens to rise."""


def without_clocks(raw: Sequence[RawRecording]) -> list[RawRecording]:
    """Recordings without the channels that count rows or time evenly in every one of them, which is noted.

    A table has such columns where its rows are numbered, or seconds stand beside the dates.

    Raises
    ------
    DataError
        When no other channel is left.
    """
    first = raw[0]
    clocks = [name for name in first.channels if all(_is_clock(one, name) for one in raw)]
    if not clocks:
        return list(raw)
    named = first_few([repr(name) for name in clocks])
    if len(clocks) == len(first.channels):
        raise DataError(
            f"{first.name}: {named} counts rows or time evenly, and there is no other channel. Take it all the same by "
            "naming it with --channels."
        )
    told = (
        f"Left out, because it counts rows or time evenly and would tell where a window lies: {named}. Name channels "
        "with --channels to take it all the same."
    )
    kept = [_without(one, clocks) for one in raw]
    return [replace(kept[0], notes=(*kept[0].notes, told)), *kept[1:]]


def _is_clock(one: RawRecording, channel: str) -> bool:
    if channel not in one.channels or len(one.values) < MIN_SAMPLES:
        return False
    values = one.values[:, one.channels.index(channel)]
    rows = np.arange(len(values), dtype=np.float64)
    return any(_is_line(values, times) for times in (rows, one.times) if times is not None)


def _is_line(values: Floats, times: Floats) -> bool:
    """Whether values lie on a line over times, within the mean step from one to the next."""
    known = np.isfinite(values) & np.isfinite(times)
    x, y = times[known], values[known]
    if len(y) < MIN_SAMPLES or x[-1] == x[0] or y[-1] == y[0]:
        return False
    line = y[0] + (y[-1] - y[0]) * ((x - x[0]) / (x[-1] - x[0]))
    return bool(np.abs(y - line).max() <= abs(y[-1] - y[0]) / (len(y) - 1))


def _without(one: RawRecording, channels: Sequence[str]) -> RawRecording:
    places = [place for place, name in enumerate(one.channels) if name not in channels]
    return replace(one, channels=tuple(one.channels[place] for place in places), values=one.values[:, places])
