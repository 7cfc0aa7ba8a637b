"""Recordings of a run judged by its out-of-fold predictions, as ``recordings.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.metrics.rank_scores import area_under_roc, cumulative, rank
from headstart.results.models.recordings import (
    AffiliationFacts,
    AlarmFacts,
    EventFacts,
    RecordingFacts,
    RecordingsJudged,
)
from headstart.signals.judging import alarm_spans, events_of, judge_windows
from headstart.signals.live.alarms import Hysteresis
from headstart.signals.recording import NORMAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.metrics.events import Affiliation, Detection
    from headstart.results.prediction_table import PredictionTable
    from headstart.signals.judging import JudgedAlarms, JudgedRecording
    from headstart.signals.windows import Windows

_DIGITS: Final = 4
HYSTERESIS: Final = Hysteresis()
"""Alarms as `headstart signals watch` raises them unless told otherwise."""


def recordings_judged(windows: Windows, table: PredictionTable, normal: int) -> RecordingsJudged:
    """Windows, events and alarms of every recording, by the predictions of the first repeat.

    Parameters
    ----------
    windows : Windows
        With labels; those without a prediction are left out.
    table : PredictionTable
    normal : int
        Code of the class that is normal running.
    """
    place = {name: row for row, name in enumerate(windows.names)}
    own = np.flatnonzero(table.repeat == 0)
    at = np.array([place[table.images[row]] for row in own.tolist()])
    own, at = own[np.argsort(at)], np.sort(at)
    said = _Said(windows.take(at), 1.0 - table.probabilities[own, normal], table.predicted[own] != normal)
    alarms = judge_windows(said.windows, said.beyond, HYSTERESIS)
    shown = np.unique(said.windows.recording).tolist()
    each = [_recording(number, one, said) for number, one in zip(shown, alarms.recordings, strict=True)]
    return RecordingsJudged(window_s=said.window_s, pooled=_pooled(alarms, said), recordings=tuple(each))


@dataclass(frozen=True, eq=False)
class _Said:
    """Windows with the probability that they are not normal, and whether they are predicted so."""

    windows: Windows
    scores: NDArray[np.float64]
    beyond: NDArray[np.bool_]

    @property
    def window_s(self) -> float:
        return self.windows.length * self.windows.period_s

    @property
    def strange(self) -> NDArray[np.bool_]:
        return np.array([label != NORMAL for label in self.windows.labels or ()], dtype=bool)


def _pooled(alarms: JudgedAlarms, said: _Said) -> AlarmFacts:
    own, chance = alarms.affiliation
    return AlarmFacts(
        confusion=_two_by_two(alarms.confusion),
        roc_auc=_auc(said.scores, said.strange),
        events=_events(alarms.detection),
        affiliation=_affiliation(own, chance),
    )


def _recording(number: int, judged: JudgedRecording, said: _Said) -> RecordingFacts:
    windows, one = said.windows, said.windows.recordings[number]
    rows = np.flatnonzero(windows.recording == number)
    start_s = np.asarray(windows.start[rows] * windows.period_s, dtype=np.float64)
    events, alarms = events_of(one), alarm_spans(start_s, said.window_s, said.beyond[rows], HYSTERESIS)
    return RecordingFacts(
        name=one.name,
        confusion=_two_by_two(judged.confusion),
        roc_auc=_auc(said.scores[rows], said.strange[rows]),
        events=_events(judged.detection),
        affiliation=_affiliation(judged.affiliation, judged.by_chance),
        time_s=tuple((start_s + said.window_s).round(_DIGITS).tolist()),
        score=tuple(np.clip(said.scores[rows], 0, 1).round(_DIGITS).tolist()),
        event_s=_spans(events),
        alarm_s=_spans(alarms),
    )


def _auc(scores: NDArray[np.float64], strange: NDArray[np.bool_]) -> float | None:
    if strange.all() or not strange.any():
        return None
    curves = cumulative(rank(scores), strange, np.ones((1, len(scores))))
    return float(area_under_roc(*curves)[0])


def _two_by_two(confusion: NDArray[np.int64]) -> tuple[tuple[int, int], tuple[int, int]]:
    (first, second), (third, fourth) = confusion.tolist()
    return (first, second), (third, fourth)


def _events(found: Detection) -> EventFacts:
    low, high = found.false_per_hour_interval
    return EventFacts(
        n_events=found.n_events,
        n_found=found.n_found,
        median_delay_s=_known(found.median_delay_s),
        n_alarms=found.n_alarms,
        n_false=found.n_false,
        normal_hours=found.normal_s / 3600,
        normal_hours_in_alarm=found.normal_in_alarm_s / 3600,
        false_per_hour=_known(found.false_per_hour),
        false_per_hour_ci95=None if np.isnan(low) else (float(low), float(high)),
    )


def _affiliation(own: Affiliation, chance: Affiliation) -> AffiliationFacts:
    return AffiliationFacts(
        precision=_known(own.precision),
        recall=_known(own.recall),
        precision_by_chance=_known(chance.precision),
        recall_by_chance=_known(chance.recall),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _spans(spans: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((float(first), float(last)) for first, last in spans.tolist())
