"""A live stream watched: lines in, judged windows and alarms out, and a state from which a restart goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from headstart.model.watcher import Judged, Watcher
from headstart.signals.attribution import ChannelEvidence, deviation_evidence, sentence, to_blame
from headstart.signals.live.alarms import AlarmState, Hysteresis
from headstart.signals.live.epics import SCHEME, epics_chunks
from headstart.signals.live.output import LineOutput
from headstart.signals.live.sample import time_text
from headstart.signals.live.sources import Chunk, chunks_of
from headstart.signals.live.state import read_state, write_state
from headstart.signals.live.stream import Stream
from headstart.signals.live.values import standardised_live, stream_shape
from headstart.signals.live.windows import LiveWindow
from headstart.signals.units import changed_units, typical_sizes
from headstart.storage import hash_json
from headstart.workflow.signals_questions import AlarmQuestions, AlarmWindow

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
        Whether only windows that raise or clear an alarm are written, and what explains one.
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
    kill; an alarm has the same id then. What the model is asked about an alarm, beyond its score, is asked after the
    line of the alarm, a few questions with every window (`AlarmQuestions`), and a line of its own tells the answer.

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
    with LineOutput(options.output, written if kept is not None else None) as output:

        def keep(end: int | None) -> None:
            output.flush()
            if options.state is not None:
                write_state(options.state, watched.identity, watched.state(end, output.length))

        chunk = Chunk([], offset)
        for chunk in _chunks(watcher, options, offset, say):
            for windows in watched.windows_of(chunk.lines):
                for record in watched.records(windows):
                    if watched.is_written(record):
                        output.write([record])
                    if watched.has_questions:
                        output.flush()  # the line does not wait for what the model is asked
                        output.write(watched.answered())
            keep(chunk.offset)
        if watched.has_questions:
            output.write(watched.all_answered())
            keep(chunk.offset)
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
        self._questions = AlarmQuestions(watcher)
        self._said_units: set[str] = set()
        hysteresis = [options.hysteresis.raise_after, options.hysteresis.clear_after]
        self.identity = hash_json([watcher.identity, hysteresis, options.alarms_only])

    def restored(self, kept: dict[str, Any] | None) -> tuple[int, int]:
        """Go on from a kept state; bytes of source and output that it knows of."""
        if kept is None:
            return 0, 0
        self._stream.restore(kept["stream"])
        self._alarms.restore(kept["alarms"])
        self._questions.restore(kept["questions"])
        return int(kept["offset"] or 0), int(kept["written"] or 0)

    def state(self, offset: int | None, written: int | None) -> dict[str, Any]:
        """Plain values by which a restart goes on."""
        return {
            "offset": offset,
            "written": written,
            "alarms": self._alarms.state(),
            "stream": self._stream.state(),
            "questions": self._questions.state(),
        }

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

    def records(self, windows: Sequence[LiveWindow]) -> Iterator[dict[str, Any]]:
        """What there is to write of each window; they are judged together."""
        self._check_units(windows[-1])
        measured = np.stack([one.values for one in windows])
        values = standardised_live(windows, self._watcher.recipe)
        judged = self._watcher.judge(values, measured)
        for row, window in enumerate(windows):
            record = self._record(window, judged, row)
            self.counts.windows += 1
            if record["change"] == "raised":
                self.counts.alarms += 1
                self._questions.add(
                    AlarmWindow(record, window.start_s, values[row], window.values, judged.deviations[row])
                )
            yield record

    def is_written(self, record: dict[str, Any]) -> bool:
        """Whether a window is among those that were asked for."""
        return not self._alarms_only or record["change"] is not None

    @property
    def has_questions(self) -> bool:
        """Whether an alarm waits for the evidence of the model."""
        return len(self._questions) > 0

    def answered(self) -> list[dict[str, Any]]:
        """What there is to write of an alarm whose last question is answered with this window."""
        return [self._explained(*one) for one in self._questions.ask()]

    def all_answered(self) -> list[dict[str, Any]]:
        """What there is to write of the alarms that wait when the stream ends."""
        return [self._explained(*one) for one in self._questions.ask_all()]

    def _record(self, window: LiveWindow, judged: Judged, row: int) -> dict[str, Any]:
        beyond = bool(judged.beyond[row])
        alarm, change = self._alarms.update(window.start_s, beyond)
        channels = self._watcher.recipe.channels
        named = to_blame(deviation_evidence(judged.deviations[row]), channels) if beyond else []
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
            **self._told(named, window.start_s),
        }

    def _explained(self, window: AlarmWindow, named: Sequence[ChannelEvidence]) -> dict[str, Any]:
        return {**window.record, "change": "explained", **self._told(named, window.start_s)}

    def _told(self, named: Sequence[ChannelEvidence], start_s: float) -> dict[str, Any]:
        """Channels to blame, by name and in sentences."""
        period_s = self._watcher.recipe.period_s
        return {
            "channels": {one.channel: round(one.share, 4) for one in named},
            "evidence": [sentence(one, lambda sample: _clock(start_s + sample * period_s)) for one in named],
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
