"""Lines of the InfluxDB line protocol: ``measurement,tag=value field=1.5,other=2i 1583748873000000000``.

References
----------
InfluxDB line protocol, https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from headstart.signals.live.sample import LineError, Sample, seconds_of

_PART: Final = re.compile(r'(?:[^\\ "]|\\.|"(?:[^"\\]|\\.)*")+')  # up to a space that is neither escaped nor in quotes
_PAIR: Final = re.compile(r'((?:[^\\,=]|\\.)+)=("(?:[^"\\]|\\.)*"|(?:[^\\,"]|\\.)*)(?:,|$)')
_NAME: Final = re.compile(r"(?:[^\\,]|\\.)+")
_ESCAPED: Final = re.compile(r"\\([,= \"\\])")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?\d+[iu]")


class InfluxLines:
    """Decoder of line protocol.

    A channel is a field of its name, or ``measurement.field``; strings and booleans are no channels, tags are not
    looked at. Fields of one time may come in several lines.
    """

    def __init__(self, channels: tuple[str, ...], time_column: str | None, time_format: str | None) -> None:
        self._channels = frozenset(channels)

    def decode(self, line: str) -> Sample | None:
        """See `Decoder.decode`."""
        text = line.strip()
        if not text or text.startswith("#"):
            return None
        parts = _PART.findall(text)
        if len(parts) not in (2, 3) or " ".join(parts) != re.sub(r"(?<!\\) +(?=\S*$)", " ", text):
            raise LineError("no line protocol: expected measurement,tags fields time")
        name = _NAME.match(parts[0])
        measurement = _plain(name[0]) if name else ""
        values: dict[str, float] = {}
        for field, value in _fields(parts[1]):
            channel = next((one for one in (field, f"{measurement}.{field}") if one in self._channels), None)
            if channel is not None:
                values[channel] = _number(value, field)
        return Sample(seconds_of(parts[2]) if len(parts) == 3 else None, values)

    def state(self) -> dict[str, Any]:
        """See `Decoder.state`."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Decoder.restore`."""


def _fields(text: str) -> list[tuple[str, str]]:
    """Pairs of a field's name and value."""
    found, place = [], 0
    while place < len(text):
        pair = _PAIR.match(text, place)
        if pair is None:
            raise LineError(f"the fields {text[:60]!r} are no line protocol")
        found.append((_plain(pair[1]), pair[2]))
        place = pair.end()
    return found


def _plain(name: str) -> str:
    r"""Name without the escapes.

    >>> _plain(r"valve\ 1\,a")
    'valve 1,a'
    """
    return _ESCAPED.sub(r"\1", name)


def _number(value: str, field: str) -> float:
    if not _NUMBER.fullmatch(value):
        raise LineError(f"channel {field!r} holds {value[:40]!r}, which is no number")
    number = float(value.rstrip("iu"))
    return number if math.isfinite(number) else math.nan
