"""Alarms of recordings judged by their labels, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.signals.judging import JudgedAlarms, alarm_spans, events_of, judge_recording
from headstart.signals.live.alarms import Hysteresis
from headstart.signals.recording import Recording


def recording(name: str = "a") -> Recording:
    labels = tuple("leak" if 40 <= place < 60 else "normal" for place in range(100))
    return Recording(name, ("p",), np.zeros((100, 1)), 1.0, labels=labels)


def test_an_alarm_is_told_at_the_end_of_its_window() -> None:
    starts = np.arange(0, 100, 10.0)
    beyond = np.isin(starts, [30, 40, 50, 90])
    assert alarm_spans(starts, 10, beyond, Hysteresis(1, 2)).tolist() == [[40.0, 80.0], [100.0, np.nextafter(100, 101)]]
    assert alarm_spans(starts, 10, beyond, Hysteresis(2, 2)).tolist() == [[50.0, 80.0]]
    assert alarm_spans(starts, 10, beyond & False, Hysteresis()).shape == (0, 2)


def test_a_recording_by_hand() -> None:
    starts = np.arange(0, 100, 10.0)
    labels = ["leak" if start in (40, 50) else "normal" for start in starts]
    beyond = np.isin(starts, [0, 50])
    found = judge_recording(recording(), labels, starts, beyond, window_s=10, hysteresis=Hysteresis(1, 1))
    assert found.confusion.tolist() == [[7, 1], [1, 1]]
    # the window from 50 s raises at its end, 60 s: the event is over, so it is not found; nor is the alarm false
    assert (found.detection.n_events, found.detection.n_found, found.detection.n_false) == (1, 0, 1)
    early = judge_recording(recording(), labels, starts, starts == 40, window_s=10, hysteresis=Hysteresis(1, 1))
    assert (early.detection.n_found, early.detection.delays_s, early.detection.n_false) == (1, (10.0,), 0)
    assert early.affiliation.recall > early.by_chance.recall


def test_recordings_are_told_together_as_table_2() -> None:
    starts = np.arange(0, 100, 10.0)
    labels = ["leak" if start in (40, 50) else "normal" for start in starts]
    parts = [
        judge_recording(recording(name), labels, starts, np.isin(starts, on), window_s=10, hysteresis=Hysteresis(1, 1))
        for name, on in (("a", [40, 50]), ("b", [0]))
    ]
    together = JudgedAlarms(tuple(parts))
    said = together.lines()
    assert said[1].split() == ["true", "normal", "15", "1"]
    assert said[2].split() == ["true", "anomaly", "2", "2"]
    assert "85.0 %" in said[3]
    assert said[4] == "Events found: 1 of 2, half of them within 10 s."
    assert together.detection.normal_in_alarm_s == 20
    assert said[5].endswith(" An alarm was on in 12 % of normal running.")
    assert together.to_json()["events"]["normal_hours_in_alarm"] == pytest.approx(20 / 3600)
    assert list(together.to_json()["recordings"]) == ["a", "b"]


def test_a_recording_without_events_or_alarms_has_a_rate_of_zero() -> None:
    one = Recording("a", ("p",), np.zeros((100, 1)), 1.0, labels=("normal",) * 100)
    starts = np.arange(0, 100, 10.0)
    found = judge_recording(one, ["normal"] * 10, starts, starts < 0, window_s=10, hysteresis=Hysteresis())
    together = JudgedAlarms((found,))
    assert found.detection.false_per_hour == 0
    assert together.to_json()["affiliation"]["recall"] is None
    assert events_of(one).shape == (0, 2)
    assert "Events found: 0 of 0." in together.lines() and "nan" not in " ".join(together.lines())


def test_a_recording_without_normal_running_has_no_rate() -> None:
    one = Recording("a", ("p",), np.zeros((100, 1)), 1.0, labels=("leak",) * 100)
    starts = np.arange(0, 100, 10.0)
    found = judge_recording(one, ["leak"] * 10, starts, starts >= 0, window_s=10, hysteresis=Hysteresis())
    assert "False alarms: 0 in 0.0 hours of normal running." in JudgedAlarms((found,)).lines()


def test_an_event_in_samples_is_one_in_seconds() -> None:
    assert events_of(recording()).tolist() == [[40.0, 60.0]]
    assert pytest.approx(20) == np.diff(events_of(recording())).item()
