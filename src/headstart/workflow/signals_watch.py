"""A live stream watched: lines in, judged windows and alarms out, and a state from which a restart goes on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.model.watcher import Judged, Watcher
from headstart.signals.attribution import ChannelEvidence, deviation_evidence, sentence, to_blame
from headstart.signals.live.alarms import AlarmState, Hysteresis
from headstart.signals.live.epics import SCHEME, epics_chunks
from headstart.signals.live.sample import time_text
from headstart.signals.live.sources import Chunk, chunks_of
from headstart.signals.live.state import read_state, write_state
from headstart.signals.live.stream import Stream
from headstart.signals.live.values import standardised_live, stream_shape
from headstart.signals.live.windows import LiveWindow
from headstart.signals.units import changed_units, typical_sizes
from headstart.storage import hash_json, storage_error

MAX_AT_ONCE: Final = 256
"""Most windows that are judged at once, so that memory does not grow with what has piled up."""


@dataclass(frozen=True)
class WatchOptions:
    """How a stream is watched.

    Attributes
    ----------
    source : str
        As `chunks_of` takes it, or ``pva://PREFIX`` for process variables of EPICS.
    output : Path or None
        File that lines are added to; None: standard output.
    state : Path or None
        File of the kept state; None keeps none.
    line_format : str
        Empty: found by the first line.
    time_column, time_format : str or None
    hysteresis : Hysteresis
    follow : bool
        Whether to wait at the end of a file.
    alarms_only : bool
        Whether only windows that raise or clear an alarm are written.
    """

    source: str = "-"
    output: Path | None = None
    state: Path | None = None
    line_format: str = ""
    time_column: str | None = None
    time_format: str | None = None
    hysteresis: Hysteresis = field(default_factory=Hysteresis)
    follow: bool = True
    alarms_only: bool = False


@dataclass
class WatchCounts:
    """Windows that were judged, alarms that were raised."""

    windows: int = 0
    alarms: int = 0


def watch(watcher: Watcher, options: WatchOptions, *, say: Callable[[str], None]) -> WatchCounts:
    """Watch a stream until it ends.

    Lines are written before the state that knows of them, and a file of output is cut back to what its state knows: a
    watch that is killed and started again leaves every line once. On standard output a line may come twice after a
    kill; an alarm has the same id then.

    Parameters
    ----------
    watcher : Watcher
    options : WatchOptions
    say : callable
        Takes sentences for the user.

    Raises
    ------
    DataError, InputError
        When the stream is not that of the model, or the state is not of this watch.
    StorageError
        When the disk refuses.
    """
    watched = _Watched(watcher, options, say)
    kept = None if options.state is None else read_state(options.state, watched.identity)
    offset, written = watched.restored(kept)
    with _Output(options.output, written if kept is not None else None) as output:
        for chunk in _chunks(watcher, options, offset, say):
            for windows in watched.windows_of(chunk.lines):
                output.write(watched.records(windows))
            output.flush()
            if options.state is not None:
                write_state(options.state, watched.identity, watched.state(chunk.offset, output.length))
    if not watched.counts.windows and kept is None:
        say(watched.reason_of_no_window)
    return watched.counts


def _chunks(watcher: Watcher, options: WatchOptions, offset: int, say: Callable[[str], None]) -> Iterator[Chunk]:
    """Lines of the source as they come."""
    if not options.source.startswith(SCHEME):
        return chunks_of(options.source, offset=offset, follow=options.follow, say=say)
    recipe = watcher.recipe
    return epics_chunks(options.source.removeprefix(SCHEME), recipe.channels, recipe.period_s, say=say)


class _Watched:
    """A stream with its model and the alarm that is on."""

    def __init__(self, watcher: Watcher, options: WatchOptions, say: Callable[[str], None]) -> None:
        self.counts = WatchCounts()
        self._watcher, self._say, self._alarms_only = watcher, say, options.alarms_only
        self._stream = Stream(
            stream_shape(watcher.recipe),
            line_format=options.line_format,
            time_column=options.time_column,
            time_format=options.time_format,
            say=say,
        )
        self._alarms = AlarmState(options.hysteresis, watcher.identity, watcher.recipe.channels)
        self._said_units: set[str] = set()
        hysteresis = [options.hysteresis.raise_after, options.hysteresis.clear_after]
        self.identity = hash_json([watcher.identity, hysteresis, options.alarms_only])

    def restored(self, kept: dict[str, Any] | None) -> tuple[int, int]:
        """Go on from a kept state; bytes of source and output that it knows of."""
        if kept is None:
            return 0, 0
        self._stream.restore(kept["stream"])
        self._alarms.restore(kept["alarms"])
        return int(kept["offset"] or 0), int(kept["written"] or 0)

    def state(self, offset: int | None, written: int | None) -> dict[str, Any]:
        """Plain values by which a restart goes on."""
        alarms, stream = self._alarms.state(), self._stream.state()
        return {"offset": offset, "written": written, "alarms": alarms, "stream": stream}

    @property
    def reason_of_no_window(self) -> str:
        """Why a stream that ended gave no window."""
        return self._stream.reason_of_no_window

    def windows_of(self, lines: Sequence[str]) -> Iterator[list[LiveWindow]]:
        """Windows that the lines make full, some at once."""
        found: list[LiveWindow] = []
        for line in lines:
            found += self._stream.push(line)
            if len(found) >= MAX_AT_ONCE:
                yield found
                found = []
        if found:
            yield found

    def records(self, windows: Sequence[LiveWindow]) -> list[dict[str, Any]]:
        """What is written of each window."""
        self._check_units(windows[-1])
        measured = np.stack([one.values for one in windows])
        values = standardised_live(windows, self._watcher.recipe)
        judged = self._watcher.judge(values, measured)
        records = [self._record(window, values[row], judged, row) for row, window in enumerate(windows)]
        self.counts.windows += len(records)
        self.counts.alarms += sum(record["change"] == "raised" for record in records)
        return [record for record in records if record["change"] or not self._alarms_only]

    def _record(self, window: LiveWindow, values: npt.NDArray[np.float32], judged: Judged, row: int) -> dict[str, Any]:
        beyond = bool(judged.beyond[row])
        alarm, change = self._alarms.update(window.start_s, beyond)
        named: list[ChannelEvidence] = []
        if beyond:
            deviations = judged.deviations[row]
            raises = change == "raised"  # the model is asked for these alone: it costs as much as dozens of windows
            evidence = (
                self._watcher.evidence(values, window.values, deviations) if raises else deviation_evidence(deviations)
            )
            named = to_blame(evidence, self._watcher.recipe.channels)
        period_s = self._watcher.recipe.period_s
        probability = None if judged.probabilities is None else float(judged.probabilities[row])
        return {
            "time": time_text(window.end_s),
            "score": float(judged.scores[row]),
            "probability": probability,
            "p": None if judged.p_values is None else float(judged.p_values[row]),
            "unlike_anything_seen": bool(judged.unlike_anything_seen[row]),
            "alarm": None if alarm is None else alarm.id,
            "since": None if alarm is None else time_text(alarm.start_s),
            "change": change,
            "channels": {one.channel: round(one.share, 4) for one in named},
            "evidence": [sentence(one, lambda sample: _clock(window.start_s + sample * period_s)) for one in named],
        }

    def _check_units(self, window: LiveWindow) -> None:
        """Say once that a channel is a power of a thousand away from what it was."""
        said = changed_units(self._watcher.sizes, typical_sizes(window.values), self._watcher.recipe.channels)
        for one in said:
            if one not in self._said_units:
                self._say(one)
        self._said_units = set(said)


def _clock(time_s: float) -> str:
    """Time of day within a sentence, or seconds where there is no clock."""
    text = time_text(time_s)
    return f"{text:g} s" if isinstance(text, float) else text.partition("T")[2].removesuffix("Z")


class _Output:
    """Lines of JSON to a file or to standard output.

    Parameters
    ----------
    path : Path or None
    known : int or None
        Bytes of the file that the state knows of: what was written behind them is cut off, and comes again.
    """

    def __init__(self, path: Path | None, known: int | None) -> None:
        self._path, self._known = path, known
        self.length: int | None = None

    def __enter__(self) -> _Output:
        if self._path is None:
            self._handle = sys.stdout.buffer
            return self
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = open(self._path, "ab")
            if self._known is not None and os.fstat(self._handle.fileno()).st_size > self._known:
                self._handle.truncate(self._known)
            self.length = self._handle.seek(0, os.SEEK_END)
        except OSError as error:
            raise storage_error(self._path, error) from error
        return self

    def __exit__(self, *about: object) -> None:
        if self._path is not None:
            self._handle.close()

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        """Add one line for each record."""
        lines = b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)
        try:
            self._handle.write(lines)
        except OSError as error:
            self._refuse(error)
        self.length = None if self.length is None else self.length + len(lines)

    def flush(self) -> None:
        """Hand everything over to the system."""
        try:
            self._handle.flush()
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError) or self._path is None:
            raise error
        raise storage_error(self._path, error) from error
