"""Alarms per day: exact ranks, coverage on simulated normal days, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headstart.decisions.alarm_rate import DAY_S, AlarmRate, fit_alarm_rate, min_days
from headstart.errors import InputError

MINUTES = 1440


def normal_scores(days: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of one window a minute, each like the one before it."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed).normal(size=days * MINUTES)
    return lfilter([1.0], [1.0, -0.6], noise), np.arange(days * MINUTES) * 60.0


def test_threshold_is_the_rank_that_the_promise_leaves() -> None:
    scores, times = np.arange(7 * MINUTES, dtype=float), np.arange(7 * MINUTES) * 60.0
    found = fit_alarm_rate(scores, times, block_s=60, per_day=1)
    assert found.rank == 7
    assert found.threshold == scores[-7]
    assert (found.p_values(scores) <= found.p_threshold).sum() == 6
    assert found.expected_per_day <= 1
    low, high = found.interval
    assert (round(low, 2), round(high, 2)) == (0.40, 1.86)


def test_seven_days_are_needed_for_one_alarm_a_day() -> None:
    assert min_days(1) == 7
    scores, times = normal_scores(6, seed=1)
    with pytest.raises(InputError, match=r"1 alarm a day cannot be promised from 6 days .* at least 7\. .*1\.2 a day"):
        fit_alarm_rate(scores, times, block_s=60, per_day=1)
    assert fit_alarm_rate(scores, times, block_s=60, per_day=1.2).rank >= 7
    assert fit_alarm_rate(scores, times, block_s=60).per_day is None


def test_the_promise_is_kept_and_its_interval_holds() -> None:
    rates, inside = [], 0
    for seed in range(24):
        found = fit_alarm_rate(*normal_scores(10, seed=seed), block_s=60, per_day=2)
        scores, times = normal_scores(60, seed=1000 + seed)
        exceeding = found.p_values(scores) <= found.p_threshold
        rates.append(exceeding.sum() / (times[-1] / DAY_S))
        inside += found.interval[0] <= rates[-1] <= found.interval[1]
    assert 1.6 < np.mean(rates) < 2.3
    assert inside >= 20, "about 95 % of 24 fits"


def test_longer_blocks_take_disturbances_as_one() -> None:
    scores, times = np.zeros(14 * MINUTES), np.arange(14 * MINUTES) * 60.0
    scores[::MINUTES] = scores[1::MINUTES] = scores[2::MINUTES] = 5.0  # three minutes, every day
    short = fit_alarm_rate(scores, times, block_s=60, per_day=2)
    long = fit_alarm_rate(scores, times, block_s=600, per_day=2)
    assert (short.threshold, long.threshold) == (5.0, 0.0)


def test_blocks_do_not_reach_from_one_recording_into_another() -> None:
    scores, times = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 10.0, 20.0, 30.0])
    assert fit_alarm_rate(scores, times, block_s=20).maxima.tolist() == [2.0, 4.0]
    apart = fit_alarm_rate(scores, times, block_s=20, recordings=["a", "b", "b", "b"])
    assert apart.maxima.tolist() == [1.0, 3.0, 4.0]


def test_what_was_never_seen_is_told() -> None:
    found = fit_alarm_rate([1.0, 2.0, 3.0], [0.0, 60.0, 120.0], block_s=60)
    assert found.unlike_anything_seen([3.0, 3.1]).tolist() == [False, True]
    assert (found.p_values([3.1]) <= found.p_threshold).all()
    assert "No rate of alarms is promised" in found.sentence


def test_a_rate_is_kept_as_json() -> None:
    found = fit_alarm_rate(*normal_scores(8, seed=2), block_s=60, per_day=1)
    again = AlarmRate.from_json(json.loads(json.dumps(found.to_json())))
    assert (again.threshold, again.rank, again.sentence) == (found.threshold, found.rank, found.sentence)


@pytest.mark.parametrize(
    "changed",
    [
        {"maxima": []},
        {"maxima": [2.0, 1.0]},
        {"maxima": [float("nan")]},
        {"block_s": 0},
        {"per_day": -1},
        {"per_day": 1e-9},
        {"per_day": 1e9},
    ],
)
def test_a_damaged_rate_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(InputError):
        AlarmRate.from_json({"maxima": [1.0, 2.0], "block_s": 60.0, "per_day": None, **changed})


@pytest.mark.parametrize(
    ("scores", "about", "words"),
    [
        ([1.0, 2.0], {"block_s": 0.0}, "above 0"),
        ([1.0, float("nan")], {"block_s": 60.0}, "finite"),
        ([1.0], {"block_s": 60.0}, "as long"),
        ([1.0, 2.0], {"block_s": 60.0, "per_day": 1000.0}, "every second block"),
    ],
)
def test_misuse_is_refused(scores: list[float], about: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_alarm_rate(scores, [0.0, 60.0], **about)
