"""Baselines of recordings: statistics alone, and the clock, which no run may rest on."""

from __future__ import annotations

import numpy as np
from made_recordings import recording

from headstart.data.split.make import split_dataset
from headstart.decisions import DecisionRules
from headstart.signals import Windowing, window_dataset
from headstart.signals.span import Span
from headstart.signals.statistics import statistics
from headstart.study.baselines import run_baseline, standard_baselines
from headstart.study.data import StudyData
from headstart.study.folds import outer_folds
from headstart.study.plan import StudyPlan


def test_columns_are_what_their_titles_say() -> None:
    recordings = [recording(80, name=str(number), seed=number) for number in range(2)]
    how = Windowing(Span(10, True), Span(10, True), reference=Span(20, True), random_start=Span(15, True), seed=1)
    pixels = window_dataset(recordings, how).pixels
    found = {one.name: one.values for one in pixels.baseline_columns()}
    assert list(found) == ["signal_statistics", "signal_clock", "signal_since_reference"]
    windows = pixels.windows  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found["signal_clock"][:, 0], windows.start)
    assert found["signal_since_reference"][0] == 0
    np.testing.assert_allclose(found["signal_statistics"], statistics(pixels.values()), rtol=1e-5)  # type: ignore[attr-defined]
    some = pixels.take(np.array([3, 1])).baseline_columns()
    np.testing.assert_allclose(some[0].values, found["signal_statistics"][[3, 1]], rtol=1e-5)
    plain = window_dataset(recordings, Windowing(Span(10, True), Span(10, True)))
    assert [one.name for one in plain.pixels.baseline_columns()] == ["signal_statistics", "signal_clock"]


def test_the_clock_sees_nothing_but_the_time() -> None:
    recordings = [recording(80, name=str(number), seed=number, anomaly=slice(40, None)) for number in range(4)]
    how = Windowing(Span(10, True), Span(10, True), reference=Span(20, True), rule="centre")
    dataset = window_dataset(recordings, how, with_statistics=True)
    blank = np.zeros((len(dataset), 1), dtype=np.float32)
    clock = standard_baselines(len(dataset), blank, None, n_classes=2, own=dataset.pixels.baseline_columns())[-1]
    assert (clock.name, clock.n_features, clock.sees_table) == ("signal_clock", 1, False)
    split = split_dataset(dataset, scheme="nested:2x2", seed=0)
    plan, rules = StudyPlan.of_heads(clock.heads, seed=0), DecisionRules("none", None, None)
    found = run_baseline(clock, StudyData.of(dataset, (blank,)), outer_folds(split), plan, rules)
    positive = dataset.classes.index("anomaly")
    for one in found.folds:
        start = clock.features[one.outer.test, 0]  # type: ignore[index]
        at = {moment: set(one.probabilities[start == moment, positive].tolist()) for moment in start.tolist()}
        assert all(len(scores) == 1 for scores in at.values()), "windows of one time are alike, whatever they hold"
        truth = dataset.labels[one.outer.test] == positive  # type: ignore[index]
        assert one.probabilities[truth, positive].min() > one.probabilities[~truth, positive].max()
