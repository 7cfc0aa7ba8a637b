"""Alarms that wait for a model's answers: in turns, in order, four at most, gone on with from plain values."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.model.window_evidence import CoveredWindow, WindowQuestions
from headstart.workflow.signals_questions import FEWEST, MAX_WAITING, AlarmQuestions, AlarmWindow

LENGTH, CHANNELS = 16, ("beam", "gauge")


def watcher(stride: int = 1, *, is_asked: bool = True, asked: list[int] | None = None) -> Any:
    """A judge that looks at the gauge alone."""

    def score(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
        if asked is not None:
            asked.append(len(values))
        return np.asarray(1 / (1 + np.exp(-values[..., 1].mean(axis=1))))

    def questions(values: Any, measured: Any, deviations: Any, *, answers: Any = ()) -> WindowQuestions | None:
        normal = np.zeros(len(CHANNELS))
        covered = CoveredWindow(values, measured, normal, normal)
        return WindowQuestions(covered, score, deviations, answers=answers) if is_asked else None

    recipe = SimpleNamespace(length=LENGTH, channels=CHANNELS, stride=stride, period_s=0.1)
    return SimpleNamespace(recipe=recipe, questions=questions)


def alarm(number: int) -> AlarmWindow:
    values = np.random.default_rng(number).normal(size=(LENGTH, 2)).astype(np.float32)
    values[4:8, 1] += 9
    return AlarmWindow({"alarm": str(number)}, float(number), values, values * 2.0, values.astype(float))


@pytest.mark.parametrize(("stride", "n_turns"), [(1, 4), (10, 3), (60, 2)])
def test_a_turn_follows_from_the_distance_of_windows(stride: int, n_turns: int) -> None:
    asked: list[int] = []
    waiting = AlarmQuestions(watcher(stride, asked=asked))
    waiting.add(alarm(0))
    turns = 0
    while not (found := waiting.ask()):
        turns += 1
    assert turns + 1 == n_turns and max(asked) <= max(FEWEST, 0.8 * stride)
    assert found[0][1][0].channel == "gauge" and not len(waiting)


def test_alarms_are_explained_in_order_and_a_fifth_does_not_wait() -> None:
    waiting = AlarmQuestions(watcher())
    for number in range(MAX_WAITING + 1):
        waiting.add(alarm(number))
    found = [one for _ in range(40) for one in waiting.ask()]
    assert [window.record["alarm"] for window, _ in found] == ["0", "1", "2", "3"]


def test_where_the_deviation_tells_the_evidence_nothing_waits() -> None:
    waiting = AlarmQuestions(watcher(is_asked=False))
    waiting.add(alarm(0))
    assert len(waiting) == 0 and waiting.ask() == [] and waiting.state() == []


@pytest.mark.parametrize("n_before", [0, 1, 2, 3])
def test_new_ones_go_on_from_plain_values(n_before: int) -> None:
    whole, broken = AlarmQuestions(watcher()), AlarmQuestions(watcher())
    for one in (whole, broken):
        one.add(alarm(0))
        one.add(alarm(1))
        for _ in range(n_before):
            assert one.ask() == []
    again = AlarmQuestions(watcher())
    again.restore(json.loads(json.dumps(broken.state())))
    found = [[one.ask() for _ in range(4 - n_before)][-1] + one.ask_all() for one in (whole, again)]
    assert len(found[0]) == 2 and [told for _, told in found[0]] == [told for _, told in found[1]]
