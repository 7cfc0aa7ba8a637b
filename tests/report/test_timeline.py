"""The timeline of a recording: bands of truth and alarms, the score, the threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.report.figures.style import render
from headstart.report.figures.timeline import Timeline, draw_timeline


def timeline(*, events: bool = True, factor: float = 1.0) -> Timeline:
    time_s = np.arange(0, 600, 10.0)
    score = 1 + factor * (np.abs(time_s - 300) < 40)
    true = np.array([[260.0, 340.0]]) if events else None
    return Timeline("pump", time_s, score, 1.5, true, np.array([[280.0, 360.0]]), "pump: 1 alarm beside 1 true event")


def test_truth_stands_above_alarms_in_units_that_read_well() -> None:
    bands, axes = draw_timeline(timeline()).axes
    assert [label.get_text() for label in bands.get_yticklabels()] == ["alarms", "true events"]
    assert axes.get_xlabel() == "time since the start (min)"
    assert axes.get_ylabel() == "distance from normal running"
    drawn = [collection.get_paths()[0].get_extents().bounds[:1] for collection in bands.collections]
    assert drawn == [(280 / 60,), (260 / 60,)]


def test_without_labels_there_is_no_band_of_truth_and_far_scores_are_on_a_log_scale() -> None:
    bands, axes = draw_timeline(timeline(events=False, factor=200)).axes
    assert [label.get_text() for label in bands.get_yticklabels()] == ["alarms"]
    assert axes.get_yscale() == "log"


def test_probabilities_have_one_scale() -> None:
    _, axes = draw_timeline(replace(timeline(factor=0.2), is_probability=True)).axes
    assert axes.get_ylim() == (-0.03, 1.03)


def test_equal_timelines_are_equal_bytes() -> None:
    first, second = (render(draw_timeline(timeline())) for _ in range(2))
    assert first == second
    assert b"mathdefault" not in first[0]
