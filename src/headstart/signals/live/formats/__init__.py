"""Formats of lines: CSV with a header, JSON lines, InfluxDB line protocol; one file each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from headstart.errors import InputError, unknown_name
from headstart.signals.live.formats.csv_lines import CsvLines
from headstart.signals.live.formats.influx_lines import InfluxLines
from headstart.signals.live.formats.json_lines import JsonLines
from headstart.signals.live.sample import Sample

_INFLUX: Final = re.compile(r"\S+ [^\s=,]+=\S.*")


class Decoder(Protocol):
    """What turns lines of a format to samples of some channels; other columns and keys are not looked at."""

    def decode(self, line: str) -> Sample | None:
        """Sample of a line; None for one that holds none, such as a header.

        Raises
        ------
        LineError
            When the line is damaged.
        DataError
            When the stream cannot be that of these channels.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Plain values by which a new decoder goes on in the middle of a stream."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`; KeyError, TypeError or ValueError for something else."""
        ...


_Made = Callable[[tuple[str, ...], str | None, str | None], Decoder]
FORMATS: Final[dict[str, _Made]] = {"csv": CsvLines, "json": JsonLines, "influx": InfluxLines}
"""Decoders by the names of their formats."""


def make_decoder(
    name: str, channels: Sequence[str], *, time_column: str | None = None, time_format: str | None = None
) -> Decoder:
    """Decoder of a format.

    Parameters
    ----------
    name : {"csv", "json", "influx"}
    channels : sequence of str
        Channels that samples are to hold.
    time_column : str, optional
        Column or key of the time. Default: one of the usual names; line protocol has a place of its own for it.
    time_format : str, optional
        As `seconds_of` takes it.

    Raises
    ------
    InputError
        When there is no such format.
    """
    if name not in FORMATS:
        raise InputError(unknown_name("format of lines", name, list(FORMATS)))
    return FORMATS[name](tuple(channels), time_column, time_format)


def format_of(line: str) -> str:
    """Format of a stream by its first line that is not empty.

    >>> format_of('{"time": 1, "p": 2}'), format_of("ring,sector=3 p=2.5 1583748873000000000"), format_of("time;p;t")
    ('json', 'influx', 'csv')
    """
    text = line.strip()
    if text.startswith("{"):
        return "json"
    return "influx" if _INFLUX.fullmatch(text) else "csv"
