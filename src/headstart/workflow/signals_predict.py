"""Recordings judged by a model of a stream, in the order of the job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError, RunError, plural
from headstart.model.watcher import Watcher, model_evidence
from headstart.report.figures.style import render
from headstart.report.figures.timeline import Timeline, draw_timeline
from headstart.runtime.csv_cells import csv_bytes
from headstart.signals.attribution import ChannelEvidence, deviation_evidence, sentence, to_blame
from headstart.signals.judging import JudgedAlarms, alarm_spans, events_of, judge_windows, raising_windows
from headstart.signals.live.alarms import Hysteresis
from headstart.signals.notes import notes_on
from headstart.signals.readers.read import is_same_period, read_recordings
from headstart.signals.recipe import SignalRecipe
from headstart.signals.recording import NORMAL, Recording
from headstart.signals.span import Span
from headstart.signals.standardise import standardised
from headstart.signals.units import changed_units, typical_sizes
from headstart.signals.windows import Windowing, Windows, cut_windows
from headstart.storage import write_bytes, write_json
from headstart.workflow.options.data import check_apart
from headstart.workflow.options.signals import FileOptions
from headstart.workflow.signals_model import open_stream_model

MAX_TIMELINES: Final = 40
"""Most timelines that are drawn."""
_AT_ONCE: Final = 1024
_JUDGED: Final = "judged.json"
_WINDOWS: Final = "windows.csv"


@dataclass(frozen=True, eq=False)
class JudgedWindows:
    """Windows of recordings with their scores.

    Attributes
    ----------
    windows : Windows
    scores : ndarray of shape (n,)
    probabilities, p_values : ndarray of shape (n,), or None
    beyond : ndarray of shape (n,), bool
    evidence : dict of int to list of ChannelEvidence
        For every window beyond the threshold the channels to blame.
    judged : JudgedAlarms or None
        None without labels.
    notes : tuple of str
    """

    windows: Windows
    scores: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64] | None
    p_values: npt.NDArray[np.float64] | None
    beyond: npt.NDArray[np.bool_]
    evidence: Mapping[int, list[ChannelEvidence]]
    judged: JudgedAlarms | None
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """What people are told."""
        if self.judged is not None:
            return self.judged.lines()
        share = self.beyond.mean()
        windows = plural(len(self.windows), "window")
        return [f"{windows}, {int(self.beyond.sum()):,} beyond the threshold ({100 * share:.1f} %)."]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "windows": len(self.windows),
            "beyond": int(self.beyond.sum()),
            "notes": list(self.notes),
            "judged": None if self.judged is None else self.judged.to_json(),
        }


def predict_recordings(
    path: Path,
    data: str,
    *,
    output: Path | None = None,
    alarms_per_day: float | None = None,
    files: FileOptions | None = None,
) -> JudgedWindows:
    """Judge recordings.

    Parameters
    ----------
    path : Path
        Folder of the model.
    data : str
        A recording or a folder of them.
    output : Path, optional
        Folder that ``judged.json``, ``windows.csv`` and a timeline of each recording are written to.
    alarms_per_day : float > 0, optional
        As `open_stream_model` takes it.
    files : FileOptions, optional
        How the recordings are read; their channels are those of the model.

    Raises
    ------
    BundleError, DataError, InputError
        When there is no such model, or the recordings are not those of its channels and sampling rate.
    RunError
        When `output` lies among the recordings, or holds a table that no call wrote.
    StorageError
        When the disk refuses.
    """
    if output is not None:
        _check_output(output, Path(data))
    watcher, hysteresis = open_stream_model(path, alarms_per_day=alarms_per_day), Hysteresis()
    windows, notes = _windows(watcher, data, files or FileOptions())
    parts, evidence = [], dict[int, list[ChannelEvidence]]()
    for rows in _pieces(len(windows)):
        judged = watcher.judge(standardised(windows, watcher.recipe.standardise, rows), windows.values(rows))
        for place in np.flatnonzero(judged.beyond).tolist():
            evidence[int(rows[place])] = to_blame(deviation_evidence(judged.deviations[place]), windows.channels)
        parts.append(replace(judged, deviations=judged.deviations[:0]))  # of many windows they would fill the memory
    probabilities = [one.probabilities for one in parts if one.probabilities is not None]
    p_values = [one.p_values for one in parts if one.p_values is not None]
    beyond = np.concatenate([one.beyond for one in parts])
    for place in range(len(windows.recordings)):
        of_recording = _rows(windows, place)
        for row in of_recording[raising_windows(beyond[of_recording], hysteresis)].tolist():
            evidence[row] = _evidence_of_model(watcher, windows, row)
    found = JudgedWindows(
        windows=windows,
        scores=np.concatenate([one.scores for one in parts]),
        probabilities=np.concatenate(probabilities) if probabilities else None,
        p_values=np.concatenate(p_values) if p_values else None,
        beyond=beyond,
        evidence=evidence,
        judged=None if windows.labels is None else judge_windows(windows, beyond, hysteresis),
        notes=notes,
    )
    found = replace(found, notes=(*found.notes, *_runs_otherwise(found)))
    if output is not None:
        write_json(output / _JUDGED, found.to_json())
        write_bytes(output / _WINDOWS, _table(found))
        for place, one in enumerate(windows.recordings[:MAX_TIMELINES]):
            figure = draw_timeline(_timeline(found, place, watcher, hysteresis))
            stem = re.sub(r"[^\w.-]+", "_", one.name)
            write_bytes(output / f"timeline-{stem}.png", render(figure)[1])
    return found


def _check_output(output: Path, data: Path) -> None:
    """Refuse to write tables among recordings, for one of which they would be taken."""
    check_apart(output, data)
    if data.is_file() and output.resolve() == data.resolve().parent:
        raise RunError(
            f"{output} is the folder of {data.name}, where windows.csv would be taken for a recording. Name another."
        )
    if (output / _WINDOWS).exists() and not (output / _JUDGED).exists():  # ours are written after it
        raise RunError(
            f"{output} holds a {_WINDOWS} that no call wrote, and would be overwritten. Name another folder."
        )


def _evidence_of_model(watcher: Watcher, windows: Windows, row: int) -> list[ChannelEvidence]:
    """Channels that the model itself blames for the alarm of a window."""
    rows = np.array([row])
    values, measured = standardised(windows, watcher.recipe.standardise, rows), windows.values(rows)
    deviations = watcher.judge(values, measured).deviations[0]
    return to_blame(model_evidence(watcher, values[0], measured[0], deviations), windows.channels)


def _windows(watcher: Watcher, data: str, files: FileOptions) -> tuple[Windows, tuple[str, ...]]:
    """Windows of the recordings, cut as those that the model was fitted on, and notes on them."""
    recipe = watcher.recipe
    form = replace(files, channels=recipe.channels).format()
    recordings = read_recordings(data, form, intervals=files.intervals, like_s=recipe.period_s)
    _check_period(recordings[0], recipe)
    how = Windowing(
        length=Span(recipe.length, in_samples=True),
        stride=Span(recipe.stride, in_samples=True),
        rule=recipe.rule,
        reference=Span(recipe.reference, in_samples=True),
        gaps=recipe.gaps,
        parts=1,
    )
    windows = cut_windows(recordings, how)
    notes = [*notes_on(recordings)]
    for one in recordings:
        notes += [
            f"{one.name}: {said}" for said in changed_units(watcher.sizes, typical_sizes(one.values), one.channels)
        ]
    return windows, (*notes, *windows.notes)


def _check_period(one: Recording, recipe: SignalRecipe) -> None:
    if not is_same_period(one.period_s, recipe.period_s):
        raise DataError(
            f"{one.name} has a sample every {one.period_s:g} s, but the model was fitted on one every "
            f"{recipe.period_s:g} s. Resample the recording, state its rate with --rate where "
            "its times do not tell it, or fit the model on such recordings."
        )


def _runs_otherwise(found: JudgedWindows) -> list[str]:
    """A note where most of what should be normal is beyond the threshold."""
    labels = found.windows.labels
    normal = np.ones(len(found.beyond), dtype=bool) if labels is None else np.array(labels) == NORMAL
    if not normal.any() or found.beyond[normal].mean() <= 0.5:
        return []
    return [
        f"{100 * found.beyond[normal].mean():.0f} % of the windows that should be normal are beyond the threshold: "
        "these recordings run otherwise than what was learned. Learn normal running from some that run as these do, or "
        "bring both to one scale with --reference."
    ]


def _pieces(n: int) -> list[npt.NDArray[np.int64]]:
    return [np.arange(first, min(first + _AT_ONCE, n)) for first in range(0, n, _AT_ONCE)]


def _rows(windows: Windows, place: int) -> npt.NDArray[np.int64]:
    return np.flatnonzero(windows.recording == place)


def _table(found: JudgedWindows) -> bytes:
    rows: list[list[Any]] = [
        ["recording", "start_s", "start", "label", "score", "probability", "p", "beyond", "evidence"]
    ]
    windows = found.windows
    for row, (place, start) in enumerate(zip(windows.recording.tolist(), windows.start.tolist(), strict=True)):
        one = windows.recordings[place]
        rows.append(
            [
                one.name,
                f"{start * windows.period_s:.10g}",
                one.time_text(start),
                "" if windows.labels is None else windows.labels[row],
                repr(float(found.scores[row])),
                "" if found.probabilities is None else repr(float(found.probabilities[row])),
                "" if found.p_values is None else repr(float(found.p_values[row])),
                int(found.beyond[row]),
                "; ".join(_sentences(found, row)),
            ]
        )
    return csv_bytes(rows)


def _sentences(found: JudgedWindows, row: int) -> list[str]:
    """Channels, times and shares of the evidence of a window."""
    one, start = found.windows.recordings[int(found.windows.recording[row])], int(found.windows.start[row])
    return [sentence(named, lambda sample: one.time_text(start + sample)) for named in found.evidence.get(row, ())]


def _timeline(found: JudgedWindows, place: int, watcher: Watcher, hysteresis: Hysteresis) -> Timeline:
    windows = found.windows
    one, rows = windows.recordings[place], _rows(windows, place)
    window_s = windows.length * windows.period_s
    starts = np.asarray(windows.start[rows] * windows.period_s, dtype=np.float64)
    alarms = alarm_spans(starts, window_s, found.beyond[rows], hysteresis)
    events = None if one.labels is None else events_of(one)
    n_events = "" if events is None else f" beside {len(events)} true event{'' if len(events) == 1 else 's'}"
    return Timeline(
        name=one.name,
        time_s=starts + window_s,
        score=found.scores[rows],
        threshold=watcher.threshold,
        events=events,
        alarms=alarms,
        finding=f"{one.name}: {len(alarms)} alarm{'' if len(alarms) == 1 else 's'}{n_events}",
        score_label=watcher.score_label,
        is_probability=found.probabilities is not None,
    )
