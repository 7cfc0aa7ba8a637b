"""Alarms of a recording judged by its labels: window by window, event by event, by affiliation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.metrics.events import (
    Affiliation,
    Detection,
    affiliation,
    affiliation_by_chance,
    judge_alarms,
    pooled,
    spans_of,
)
from headstart.signals.live.alarms import AlarmState, Change, Hysteresis
from headstart.signals.recording import NORMAL, Recording
from headstart.signals.windows import Windows

Floats = npt.NDArray[np.float64]
Spans = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JudgedRecording:
    """Alarms of one recording against its labels.

    Attributes
    ----------
    name : str
    confusion : ndarray of shape (2, 2), int64
        Windows: rows normal and anomaly, columns without and with an alarm threshold passed.
    detection : Detection
    affiliation, by_chance : Affiliation
        Of the alarms, and of the same alarms at other times of the recording.
    """

    name: str
    confusion: npt.NDArray[np.int64]
    detection: Detection
    affiliation: Affiliation
    by_chance: Affiliation

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "confusion": self.confusion.tolist(),
            "events": self.detection.to_json(),
            "affiliation": self.affiliation.to_json(),
            "affiliation_by_chance": self.by_chance.to_json(),
        }


def alarm_spans(start_s: Floats, window_s: float, beyond: npt.NDArray[np.bool_], hysteresis: Hysteresis) -> Spans:
    """Spans of alarms as a live stream would tell them: from the end of the window that raises one.

    Parameters
    ----------
    start_s : ndarray of shape (n,)
        Start of every window of one recording, in order.
    window_s : float
    beyond : ndarray of shape (n,), bool
    hysteresis : Hysteresis

    Returns
    -------
    ndarray of shape (m, 2)
        An alarm that is on at the end ends with the last window.

    Examples
    --------
    >>> spans = alarm_spans(np.arange(5.0), 1.0, np.array([0, 1, 0, 0, 0], dtype=bool), Hysteresis(1, 2))
    >>> spans.tolist()
    [[2.0, 4.0]]
    """
    state, found, raised_s = AlarmState(hysteresis, "", ()), [], 0.0
    for start, change in zip(start_s.tolist(), _changes(state, start_s, beyond), strict=True):
        if change == "raised":
            raised_s = start + window_s
        elif change == "cleared":
            found.append([raised_s, start + window_s])
    if state.alarm is not None:
        found.append([raised_s, max(float(start_s[-1]) + window_s, np.nextafter(raised_s, np.inf))])
    return np.array(found).reshape(-1, 2)


def raising_windows(beyond: npt.NDArray[np.bool_], hysteresis: Hysteresis) -> list[int]:
    """Numbers of the windows of one recording, in order, that raise an alarm.

    >>> raising_windows(np.array([0, 1, 1, 0, 0, 1], dtype=bool), Hysteresis(1, 2))
    [1, 5]
    """
    changes = _changes(AlarmState(hysteresis, "", ()), np.arange(len(beyond), dtype=np.float64), beyond)
    return [place for place, change in enumerate(changes) if change == "raised"]


def _changes(state: AlarmState, start_s: Floats, beyond: npt.NDArray[np.bool_]) -> Iterator[Change | None]:
    for start, one in zip(start_s.tolist(), beyond.tolist(), strict=True):
        yield state.update(start, one)[1]


def events_of(recording: Recording) -> Spans:
    """Spans of the samples that are not normal, in seconds from the recording's start.

    >>> events_of(Recording("a", ("p",), np.zeros((4, 1)), 2.0, labels=("normal", "leak", "leak", "normal"))).tolist()
    [[2.0, 6.0]]
    """
    flags = np.array([label != NORMAL for label in recording.labels or ()], dtype=bool)
    starts = np.arange(len(flags)) * recording.period_s
    return spans_of(flags, starts, starts + recording.period_s)


def judge_recording(
    recording: Recording,
    labels: Sequence[str],
    start_s: Floats,
    beyond: npt.NDArray[np.bool_],
    *,
    window_s: float,
    hysteresis: Hysteresis,
) -> JudgedRecording:
    """Judge the windows and the alarms of one recording.

    Parameters
    ----------
    recording : Recording
        With labels.
    labels : sequence of str
        Class of every window.
    start_s : ndarray of shape (n,)
        Seconds from the recording's start to that of each window.
    beyond : ndarray of shape (n,), bool
    window_s : float
    hysteresis : Hysteresis
    """
    true = np.array([label != NORMAL for label in labels], dtype=np.int64)
    confusion = np.bincount(2 * true + beyond, minlength=4).reshape(2, 2)
    judged = (float(start_s[0]), float(start_s[-1]) + window_s)
    events, alarms = events_of(recording), alarm_spans(start_s, window_s, beyond, hysteresis)
    return JudgedRecording(
        recording.name,
        confusion.astype(np.int64),
        judge_alarms(events, alarms, [judged], grace_s=window_s),
        affiliation(events, alarms, *judged),
        affiliation_by_chance(events, alarms, *judged),
    )


def judge_windows(windows: Windows, beyond: npt.NDArray[np.bool_], hysteresis: Hysteresis) -> JudgedAlarms:
    """Judge the windows and the alarms of every recording that has windows.

    Parameters
    ----------
    windows : Windows
        With labels.
    beyond : ndarray of shape (n,), bool
    hysteresis : Hysteresis
    """
    found = []
    for place, one in enumerate(windows.recordings):
        rows = np.flatnonzero(windows.recording == place)
        if len(rows):
            found.append(
                judge_recording(
                    one,
                    [(windows.labels or ())[row] for row in rows.tolist()],
                    np.asarray(windows.start[rows] * windows.period_s, dtype=np.float64),
                    beyond[rows],
                    window_s=windows.length * windows.period_s,
                    hysteresis=hysteresis,
                )
            )
    return JudgedAlarms(tuple(found))


@dataclass(frozen=True, eq=False)
class JudgedAlarms:
    """Several recordings judged together.

    Attributes
    ----------
    recordings : tuple of JudgedRecording
    """

    recordings: tuple[JudgedRecording, ...]

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Windows of all recordings."""
        return np.asarray(sum(one.confusion for one in self.recordings), dtype=np.int64)

    @property
    def detection(self) -> Detection:
        """Events and alarms of all recordings."""
        return pooled([one.detection for one in self.recordings])

    @property
    def affiliation(self) -> tuple[Affiliation, Affiliation]:
        """Mean affiliation over the recordings that have it, and that by chance."""
        return _mean([one.affiliation for one in self.recordings]), _mean([one.by_chance for one in self.recordings])

    def to_json(self) -> dict[str, Any]:
        """Plain values, of all and of each recording."""
        own, chance = self.affiliation
        return {
            "confusion": self.confusion.tolist(),
            "events": self.detection.to_json(),
            "affiliation": own.to_json(),
            "affiliation_by_chance": chance.to_json(),
            "recordings": {one.name: one.to_json() for one in self.recordings},
        }

    def lines(self) -> list[str]:
        """What people are told: the confusion matrix as the paper's Table 2, then events, alarms and affiliation."""
        (hits_normal, false), (missed, hits) = self.confusion.tolist()
        found, (own, chance) = self.detection, self.affiliation
        total = max(hits_normal + false + missed + hits, 1)
        precision = f"precision {own.precision:.2f} (by chance {chance.precision:.2f})"
        recall = f"recall {own.recall:.2f} (by chance {chance.recall:.2f})"
        return [
            "                 no alarm      alarm",
            f"true normal    {hits_normal:>10,} {false:>10,}",
            f"true anomaly   {missed:>10,} {hits:>10,}",
            f"Windows judged rightly: {100 * (hits_normal + hits) / total:.1f} %.",
            f"Events found: {found.n_found} of {found.n_events}{_delay(found)}.",
            _false_alarms(found),
            f"Affiliation: {'no alarm' if np.isnan(own.precision) else precision}, "
            f"{'no event' if np.isnan(own.recall) else recall}.",
        ]


def _delay(found: Detection) -> str:
    return f", half of them within {found.median_delay_s:.0f} s" if found.n_found else ""


def _false_alarms(found: Detection) -> str:
    """How many, how often, and how long alarms were on for nothing."""
    counted = f"False alarms: {found.n_false} in {found.normal_s / 3600:.1f} hours of normal running"
    if found.normal_s <= 0:
        return f"{counted}."
    low, high = found.false_per_hour_interval
    share = 100 * found.normal_in_alarm_s / found.normal_s
    return (
        f"{counted}, {found.false_per_hour:.2f} an hour (95 % {low:.2f} to {high:.2f}). "
        f"An alarm was on in {share:.0f} % of normal running."
    )


def _mean(parts: Sequence[Affiliation]) -> Affiliation:
    """Mean over recordings; a score that none has is nan."""

    def mean(values: list[float]) -> float:
        known = [value for value in values if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    return Affiliation(mean([one.precision for one in parts]), mean([one.recall for one in parts]))
