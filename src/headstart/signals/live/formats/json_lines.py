"""Lines of JSON: an object a line, the channels in it or in an object below it."""

from __future__ import annotations

import math
from typing import Any, Final

from headstart.signals.live.sample import TIME_NAMES, LineError, Sample, number_of, seconds_of
from headstart.storage import parsed_json

BELOW: Final = ("values", "fields", "channels")


class JsonLines:
    """Decoder of JSON lines: ``{"time": ..., "Pressure": 0.05}`` or ``{"time": ..., "values": {"Pressure": 0.05}}``."""

    def __init__(self, channels: tuple[str, ...], time_column: str | None, time_format: str | None) -> None:
        self._channels, self._time_column, self._time_format = channels, time_column, time_format

    def decode(self, line: str) -> Sample | None:
        """See `Decoder.decode`."""
        if not line.strip():
            return None
        try:
            found = parsed_json(line)
        except ValueError:
            raise LineError("no whole JSON object") from None
        if not isinstance(found, dict):
            raise LineError("no JSON object")
        below = next((found[name] for name in BELOW if isinstance(found.get(name), dict)), found)
        values = {name: _number(below[name], name) for name in self._channels if name in below}
        return Sample(self._seconds(found), values)

    def state(self) -> dict[str, Any]:
        """See `Decoder.state`."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Decoder.restore`."""

    def _seconds(self, found: dict[str, Any]) -> float | None:
        wanted = TIME_NAMES if self._time_column is None else (self._time_column.lower(),)
        lower = {str(name).lower(): value for name, value in found.items()}
        told = next((lower[name] for name in wanted if name in lower), None)
        if told is None:
            return None
        if isinstance(told, bool) or not isinstance(told, (str, int, float)):
            raise LineError(f"the time {told!r} is no time")
        return seconds_of(told, self._time_format)


def _number(value: Any, channel: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise LineError(f"channel {channel!r} holds {value!r}, which is no number")
    return number_of(value, channel)
