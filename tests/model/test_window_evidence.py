"""Evidence of windows by covering: the planted channel and time are named, and nothing where nothing speaks."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.model.window_evidence import CoveredWindow, Floats, Scored, WindowQuestions
from headstart.signals.attribution import deviation_evidence, to_blame

LENGTH, CHANNELS = 40, ("beam", "gauge 1", "gauge 2")
NORMAL = np.array([0.0, 0.0, 0.0])


def window(planted: dict[int, slice]) -> CoveredWindow:
    values = np.random.default_rng(0).normal(size=(LENGTH, 3)).astype(np.float32)
    for channel, samples in planted.items():
        values[samples, channel] += 6
    return CoveredWindow(values, values * 10.0 + 100, NORMAL, NORMAL * 10 + 100)


def sees(*channels: int) -> Scored:
    """A model that answers to high values of some channels, and to nothing else."""

    def score(values: np.ndarray, measured: Floats) -> Floats:
        np.testing.assert_allclose(measured, values * 10.0 + 100, rtol=1e-5)
        high = np.maximum(values[..., list(channels)] - 3, 0).mean(axis=(1, 2), dtype=np.float64)
        return np.asarray(1 / (1 + np.exp(2 - 5 * high)))

    return score


def test_the_planted_channel_and_time_are_named_where_the_model_looks() -> None:
    one = window({1: slice(20, 30), 2: slice(0, 40)})
    evidence = WindowQuestions(one, sees(1), one.values).evidence()
    assert abs(evidence.sum() - 1) < 1e-12
    (named,) = to_blame(evidence, CHANNELS)
    assert named.channel == "gauge 1" and named.share > 0.99, "not the channel that deviates by most"
    assert 15 <= named.first <= 20 and 29 <= named.last <= 35


def test_channels_share_the_evidence_by_what_the_model_makes_of_them() -> None:
    one = window({1: slice(10, 20), 2: slice(10, 30)})
    evidence = WindowQuestions(one, sees(1, 2), one.values).evidence()
    first, second = to_blame(evidence, CHANNELS)
    assert (first.channel, second.channel) == ("gauge 2", "gauge 1")
    assert abs(first.share - 2 / 3) < 0.1


def test_the_deviation_tells_where_no_channel_alone_speaks_for_it() -> None:
    one = window({1: slice(10, 20)})
    asked = WindowQuestions(one, lambda values, measured: np.full(len(values), 0.9), one.values)
    np.testing.assert_array_equal(asked.evidence(), deviation_evidence(one.values))
    assert len(asked.answers) == 1 + len(CHANNELS), "no place of a channel is asked about"


@pytest.mark.parametrize("n_at_once", [1, 4, 7, 100])
def test_questions_asked_a_few_at_a_time_come_to_the_same(n_at_once: int) -> None:
    one = window({1: slice(10, 20), 2: slice(10, 30)})
    at_once = WindowQuestions(one, sees(1, 2), one.values)
    expected, answers, n_turns = at_once.evidence(), list[float](), 0
    while not (asked := WindowQuestions(one, sees(1, 2), one.values, answers=answers)).is_answered:
        asked.ask(n_at_once)  # of new questions that know the answers so far, as after a restart
        answers, n_turns = asked.answers, n_turns + 1
    np.testing.assert_array_equal(asked.evidence(), expected)
    assert answers == at_once.answers and len(answers) == 1 + 3 + 2 * 9
    assert n_turns == -(-4 // n_at_once) + -(-18 // n_at_once)


def test_a_channel_that_no_part_of_is_needed_is_spread_by_its_deviation() -> None:
    one = window({1: slice(20, 30)})

    def anywhere(values: np.ndarray, measured: Floats) -> Floats:
        return np.where((values[..., 1] > 4).any(axis=1), 0.9, 0.1)

    one.values[0, 1] = 6  # far from the others: each alone is enough
    evidence = WindowQuestions(one, anywhere, one.values).evidence()
    (named,) = to_blame(evidence, CHANNELS)
    assert named.channel == "gauge 1" and named.first >= 18 and named.last <= 30


def test_of_many_channels_that_share_the_evidence_one_is_named() -> None:
    values = np.zeros((LENGTH, 20), dtype=np.float32)
    values[10:20] = 6
    one = CoveredWindow(values, values.astype(np.float64), np.zeros(20), np.zeros(20))

    def all_alike(values: np.ndarray, measured: Floats) -> Floats:
        assert len(values) > 0
        return np.asarray(1 / (1 + np.exp(-values.mean(axis=(1, 2), dtype=np.float64))))

    evidence = WindowQuestions(one, all_alike, values).evidence()
    (named,) = to_blame(evidence, [str(number) for number in range(20)])
    assert round(named.share, 4) == 0.05 and named.first >= 5 and named.last <= 25
