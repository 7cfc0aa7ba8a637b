"""Scores of events in time: hand-computed cases, brute force, chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.metrics.events import affiliation, affiliation_by_chance, judge_alarms, pooled, spans_of
from headstart.metrics.events.detection import count_interval, share_interval


def random_spans(rng: np.random.Generator, n: int, length: float) -> np.ndarray:
    return np.sort(rng.choice(int(length * 4), 2 * n, replace=False) / 4).reshape(n, 2)


def brute_affiliation(events: np.ndarray, alarms: np.ndarray, end: float, step: float) -> tuple[float, float]:
    """By its definition, on a fine grid of moments: every moment against every moment of the zone."""
    grid = np.arange(step / 2, end, step)
    borders = [0.0, *((events[:-1, 1] + events[1:, 0]) / 2), end]
    precisions, recalls = [], []
    for (begin, stop), low, high in zip(events, borders[:-1], borders[1:], strict=True):
        zone = grid[(grid > low) & (grid < high)]
        on = zone[((zone[:, None] >= alarms[:, 0]) & (zone[:, None] < alarms[:, 1])).any(axis=1)]
        inside = zone[(zone >= begin) & (zone < stop)]
        if len(on):
            far = np.abs(zone[:, None] - inside).min(axis=1)
            own = np.abs(on[:, None] - inside).min(axis=1)
            precisions.append((far[None] >= own[:, None] - 1e-9).mean())
            distance = np.abs(inside[:, None] - on).min(axis=1)
            recalls.append((np.abs(zone[None] - inside[:, None]) >= distance[:, None] - 1e-9).mean())
        else:
            recalls.append(0.0)
    return (float(np.mean(precisions)) if precisions else math.nan), float(np.mean(recalls))


def test_affiliation_by_hand() -> None:
    # one event [40, 60) in [0, 100); an alarm [20, 30): distances 10 to 20, mean 15 from the event;
    # share of the zone farther than d: (40 - d + 40 - d) / 100, so 0.5 at the middle of the alarm
    found = affiliation([[40, 60]], [[20, 30]], 0, 100)
    assert found.precision == pytest.approx(0.5)
    # recall: y in [40, 60), distance y - 30; moments at least as far: below 30 all, above 2y - 30 up to 100
    assert found.recall == pytest.approx((30 + (100 - (2 * 50 - 30))) / 100)


@pytest.mark.parametrize("seed", range(6))
def test_affiliation_is_what_brute_force_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    events, alarms = random_spans(rng, 1 + seed % 3, 60.0), random_spans(rng, 1 + seed % 4, 60.0)
    found = affiliation(events, alarms, 0, 60)
    precision, recall = brute_affiliation(events, alarms, 60.0, 1 / 16)
    assert found.recall == pytest.approx(recall, abs=0.01)
    assert found.precision == pytest.approx(precision, abs=0.01)


def test_alarms_at_random_moments_reach_what_chance_says() -> None:
    # of a random moment precision is 1/2 and half the squared share of the event beside it: P(D >= d) of its own D
    chance = affiliation_by_chance([[40, 60]], [[0, 0.25]], 0, 100, n_shifts=400)
    assert chance.precision == pytest.approx(0.5 + 0.2**2 / 2, abs=0.002)
    always = affiliation([[40, 60]], [[0, 100]], 0, 100)
    assert (always.precision, always.recall) == (pytest.approx(0.52), 1.0)
    assert affiliation_by_chance([[40, 60]], [[0, 100]], 0, 100).precision == pytest.approx(0.52)


def test_affiliation_without_alarms_or_events() -> None:
    silent = affiliation([[4, 6]], [], 0, 10)
    assert (math.isnan(silent.precision), silent.recall, silent.f1) == (True, 0.0, 0.0)
    assert silent.to_json() == {"precision": None, "recall": 0.0, "f1": 0.0}
    assert math.isnan(affiliation([], [[1, 2]], 0, 10).recall)


def test_events_found_delays_and_false_alarms_by_hand() -> None:
    events = [[100, 200], [500, 600], [900, 950]]
    alarms = [[150, 160], [170, 180], [480, 510], [700, 710], [955, 960]]
    found = judge_alarms(events, alarms, [[0, 1000]])
    assert (found.n_events, found.n_found, found.delays_s) == (3, 2, (50.0, 0.0))
    assert (found.n_alarms, found.n_false, found.normal_s) == (5, 2, 750.0)
    assert found.false_per_hour == pytest.approx(2 * 3600 / 750)
    assert found.median_delay_s == 25.0
    late = judge_alarms(events, alarms, [[0, 1000]], grace_s=10)
    assert (late.n_false, late.n_found) == (1, 2), "an alarm of a window that still holds the event is not false"


def test_what_is_not_judged_counts_for_nothing() -> None:
    found = judge_alarms([[0, 50], [80, 300]], [[10, 20], [60, 70], [90, 120]], [[100, 400]])
    assert (found.n_events, found.n_found, found.n_alarms, found.n_false, found.normal_s) == (1, 1, 1, 0, 100.0)
    assert found.delays_s == (0.0,)


def test_recordings_are_pooled_by_their_counts() -> None:
    parts = [judge_alarms([[0, 10]], [[5, 6]], [[0, 100]]), judge_alarms([[0, 10]], [[50, 60]], [[0, 300]])]
    together = pooled(parts)
    assert (together.n_events, together.n_found, together.n_false, together.normal_s) == (2, 1, 1, 380.0)
    assert together.delays_s == (5.0,)
    assert together.to_json()["share_found"]["value"] == 0.5


def test_intervals_are_the_exact_ones() -> None:
    from scipy.stats import binomtest, poisson

    exact = binomtest(3, 9).proportion_ci(method="exact")
    assert share_interval(3, 9) == pytest.approx((exact.low, exact.high))
    low, high = count_interval(4)
    assert poisson.sf(3, low) == pytest.approx(0.025)
    assert poisson.cdf(4, high) == pytest.approx(0.025)
    assert count_interval(0)[0] == 0.0


def test_nothing_normal_has_no_rate() -> None:
    found = judge_alarms([[0, 100]], [[0, 100]], [[0, 100]])
    assert math.isnan(found.false_per_hour)
    assert found.to_json()["false_per_hour"] == {"value": None, "ci95": [None, None]}


def test_windows_that_overlap_are_one_span() -> None:
    starts = np.arange(0, 50, 10.0)
    assert spans_of([1, 1, 0, 0, 1], starts, starts + 30).tolist() == [[0.0, 70.0]]
    assert spans_of([1, 0, 0, 0, 1], starts, starts + 30).tolist() == [[0.0, 30.0], [40.0, 70.0]]
    assert spans_of([0, 0], [0, 1], [1, 2]).shape == (0, 2)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([[5, 5]], "not after its start"),
        ([[0, 5], [4, 6]], "overlap; join them"),
        ([[0, float("nan")]], "pairs of a start and an end"),
        ([[1, 2, 3]], "pairs of a start and an end"),
    ],
)
def test_spans_that_are_none_are_refused(events: list[list[float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        judge_alarms(events, [], [[0, 100]])


def test_other_misuse_is_refused() -> None:
    with pytest.raises(InputError, match="not after its start"):
        affiliation([[1, 2]], [], 5, 5)
    with pytest.raises(InputError, match="as long"):
        spans_of([1, 0], [0], [1])
    with pytest.raises(InputError, match="expected 0 or more"):
        judge_alarms([], [], [[0, 1]], grace_s=-1)
