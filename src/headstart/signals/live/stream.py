"""`Stream`: lines in, windows out, with everything that a restart needs to go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from headstart.errors import first_few
from headstart.signals.live.assembly import Assembler
from headstart.signals.live.formats import Decoder, format_of, make_decoder
from headstart.signals.live.grid import TimeGrid
from headstart.signals.live.sample import LineError, Sample, time_text
from headstart.signals.live.windows import LiveWindow, LiveWindows, StreamShape

SAID_AT: Final = (1, 10, 100, 1000, 10_000, 100_000)
"""Counts at which the same trouble is told again, so that a stream of bad lines does not flood the terminal."""


class Stream:
    """Windows of a live stream from its lines.

    Parameters
    ----------
    shape : StreamShape
    line_format : str
        One of `headstart.signals.live.formats.FORMATS`; empty: found by the first line.
    time_column, time_format : str, optional
        As `make_decoder` takes them.
    say : callable
        Takes sentences for the user: lines that could not be used, gaps, times that run backwards.
    """

    def __init__(
        self,
        shape: StreamShape,
        *,
        line_format: str = "",
        time_column: str | None = None,
        time_format: str | None = None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._shape, self._say = shape, say
        self._format, self._time_column, self._time_format = line_format, time_column, time_format
        self._decoder: Decoder | None = None
        self._assembler = Assembler(shape.channels)
        self._grid = TimeGrid(len(shape.channels), shape.period_s)
        self._windows = LiveWindows(shape)
        self._n_lines, self._n_bad, self._n_late = 0, 0, 0
        self._n_steps, self._n_incomplete = 0, 0
        self._resumed = False

    def push(self, line: str) -> list[LiveWindow]:
        """Windows that a line makes full.

        Raises
        ------
        DataError
            When the stream lacks a channel.
        """
        self._n_lines += 1
        if self._decoder is None:
            if not line.strip():
                return []
            self._format = self._format or format_of(line)
            self._decoder = self._made_decoder()
        try:
            part = self._decoder.decode(line)
        except LineError as error:
            self._n_bad += 1
            if self._n_bad in SAID_AT:
                self._say(f"Line {self._n_lines:,} is left out: {error} ({self._n_bad:,} such so far).")
            return []
        return [] if part is None else self._joined(part)

    @property
    def reason_of_no_window(self) -> str:
        """Why a stream that ended gave no window."""
        shape = self._shape
        behind = f" behind {shape.reference:,} by which they are standardised" if shape.reference else ""
        bad = f"; {self._n_bad:,} of its {self._n_lines:,} lines could not be used" if self._n_bad else ""
        return (
            f"No window was judged: one takes {shape.length:,} samples in a row{behind}, with every channel in them. "
            f"The stream gave {self._n_steps:,}{bad}."
        )

    def state(self) -> dict[str, Any]:
        """Plain values by which a new stream goes on."""
        return {
            "format": self._format,
            "decoder": None if self._decoder is None else self._decoder.state(),
            "assembler": self._assembler.state(),
            "grid": self._grid.state(),
            "windows": self._windows.state(),
            "counts": [self._n_lines, self._n_bad, self._n_late],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; KeyError, TypeError or ValueError for something else."""
        if state["decoder"] is not None:
            self._format = str(state["format"])
            self._decoder = self._made_decoder()
            self._decoder.restore(state["decoder"])
        self._assembler.restore(state["assembler"])
        self._grid.restore(state["grid"])
        self._windows.restore(state["windows"])
        self._n_lines, self._n_bad, self._n_late = (int(count) for count in state["counts"])
        self._resumed = True

    def _made_decoder(self) -> Decoder:
        return make_decoder(
            self._format, self._shape.channels, time_column=self._time_column, time_format=self._time_format
        )

    def _joined(self, part: Sample) -> list[LiveWindow]:
        found = []
        for sample in self._assembler.push(part):
            if self._grid.is_late(sample):
                self._note_late(sample)
                continue
            self._resumed = False
            known = self._grid.push(sample)
            if known.n_missing:
                self._note_gap(sample, known.n_missing)
                self._windows.skip(known.n_missing)
            for time_s, row in known.steps:
                self._n_steps += 1
                window = self._windows.push(time_s, row)
                if window is not None:
                    found.append(window)
                elif self._windows.lacking:
                    self._note_incomplete(time_s)
        if self._windows.is_full:
            self._assembler.check_all_seen()
        return found

    def _note_late(self, sample: Sample) -> None:
        """Tell of time that runs backwards; what is sent again after a restart is passed over in silence."""
        if self._resumed or sample.time_s is None:
            return
        self._n_late += 1
        if self._n_late in SAID_AT:
            last = time_text(self._grid.last_s or 0.0)
            self._say(
                f"Line {self._n_lines:,} is left out: its time {time_text(sample.time_s)} is not later than {last} "
                f"({self._n_late:,} such so far)."
            )

    def _note_incomplete(self, time_s: float) -> None:
        """Tell of a window that is not judged because channels had no value, which no gap in time explains."""
        self._n_incomplete += 1
        if self._n_incomplete in SAID_AT:
            named = first_few([repr(self._shape.channels[place]) for place in self._windows.lacking])
            self._say(
                f"The window until {time_text(time_s)} is not judged: {named} had no value in it, or an infinite one "
                f"({self._n_incomplete:,} such so far)."
            )

    def _note_gap(self, sample: Sample, n_missing: int) -> None:
        seconds = n_missing * self._shape.period_s
        until = "" if sample.time_s is None else f" until {time_text(sample.time_s)}"
        self._say(f"A gap of {seconds:g} s{until}: windows that touch it are not judged.")
