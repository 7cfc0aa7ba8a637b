"""Lines of CSV below one header."""

from __future__ import annotations

import csv
import re
from typing import Any, Final

from headstart.errors import DataError, first_few, plural, unknown_name
from headstart.signals.live.sample import TIME_NAMES, LineError, Sample, number_of, seconds_of

_SEPARATORS: Final = ";\t,|"
_DATE: Final = r"\d[-/.:]\d"
_NUMBER: Final = r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?"


class CsvLines:
    """Decoder of CSV: the first line names the columns; separator and time column are found by it."""

    def __init__(self, channels: tuple[str, ...], time_column: str | None, time_format: str | None) -> None:
        self._channels, self._time_column, self._time_format = channels, time_column, time_format
        self._separator, self._names = ",", list[str]()
        self._places, self._time = list[int](), -1

    def decode(self, line: str) -> Sample | None:
        """See `Decoder.decode`; a header that comes again, as in a file begun anew, is read again."""
        text = line.strip("\r\n\ufeff")
        if not text.strip():
            return None
        cells = self._cells(text) if self._names else []
        if not cells or self._is_header(cells):
            self._read_header(text)
            return None
        if len(cells) != len(self._names):
            raise LineError(f"{plural(len(cells), 'cell')} instead of {len(self._names)}")
        if self._time < 0:
            self._time = self._place_of_date(cells)
        time_s = None if self._time < 0 else seconds_of(cells[self._time], self._time_format)
        named = zip(self._channels, self._places, strict=True)
        return Sample(time_s, {name: number_of(self._with_point(cells[place]), name) for name, place in named})

    def state(self) -> dict[str, Any]:
        """See `Decoder.state`."""
        return {"header": self._separator.join(self._names), "separator": self._separator}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Decoder.restore`."""
        header, separator = str(state["header"]), str(state["separator"])
        if header:
            self._separator = separator
            self._look_up(header.split(separator))

    def _is_header(self, cells: list[str]) -> bool:
        return {cell.strip() for cell in cells}.issuperset(self._channels)

    def _read_header(self, text: str) -> None:
        self._separator = max(_SEPARATORS, key=text.count)
        self._look_up([name.strip() for name in self._cells(text)])

    def _look_up(self, names: list[str]) -> None:
        """Note which column holds what, by name.

        Raises
        ------
        DataError
            When a channel or the time column is not there.
        """
        if set(names).isdisjoint(self._channels):
            raise DataError(
                f"The first line of the stream, {', '.join(names)[:80]!r}, names none of the channels "
                f"({first_few(self._channels)}). "
                "Lines of CSV begin with a header; other formats are named with --format."
            )
        for name in self._channels:
            if name not in names:
                raise DataError(f"The header of the stream: {unknown_name('channel', name, names)}")
        wanted = TIME_NAMES if self._time_column is None else (self._time_column,)
        known = [name.lower() for name in names] if self._time_column is None else names
        self._time = next((known.index(name) for name in wanted if name in known), -1)
        if self._time < 0 and self._time_column is not None:
            raise DataError(f"The header of the stream: {unknown_name('time column', self._time_column, names)}")
        self._names, self._places = names, [names.index(name) for name in self._channels]

    def _place_of_date(self, cells: list[str]) -> int:
        """Column of another name whose cell is a date, as the reader of recordings finds it; -1 where there is none."""
        for place, cell in enumerate(cells):
            if place not in self._places and re.search(_DATE, cell) and not re.fullmatch(_NUMBER, cell.strip()):
                try:
                    seconds_of(cell, self._time_format)
                except LineError:
                    continue
                return place
        return -1

    def _with_point(self, cell: str) -> str:
        """The cell with a decimal comma made a point, where cells are not separated by commas."""
        is_decimal = self._separator != "," and "," in cell and re.fullmatch(_NUMBER, cell.strip())
        return cell.replace(",", ".") if is_decimal else cell

    def _cells(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self._separator)
        return next(csv.reader([text], delimiter=self._separator))
