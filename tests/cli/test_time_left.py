"""Time left over a whole job: what was expected, set right by what was seen."""

from __future__ import annotations

import pytest

from headstart.cli.time_left import TimeLeft


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def left(clock: Clock) -> TimeLeft:
    """A job of two stages: 20 seconds, then 60 and 40."""
    found = TimeLeft(clock)
    found.expect({"features": [20.0], "study": [60.0, 40.0]})
    return found


def test_nothing_is_known_of_a_job_that_expects_nothing() -> None:
    assert not TimeLeft().is_known


def test_before_anything_is_done_it_is_what_was_expected(left: TimeLeft) -> None:
    assert left.is_known
    assert left.seconds() == 120


def test_a_task_at_work_counts_down_then_tells_by_its_own_speed(left: TimeLeft, clock: Clock) -> None:
    with left.stage("features"), left.task(100) as advance:
        clock.now = 5.0
        assert left.seconds() == 15 + 100
        advance(1)  # the first is no speed: it may have been found done
        clock.now = 9.0
        advance(4)
        assert left.seconds() == 11 + 100  # 5 of 100 done: too early to tell
        clock.now = 23.0
        advance(45)
        assert left.seconds() == pytest.approx(18 * 50 / 49 + 100)


def test_what_finished_tasks_took_sets_the_rest_right(left: TimeLeft, clock: Clock) -> None:
    with left.stage("features"), left.task(10):
        clock.now = 30.0
    assert left.seconds() == 150
    with left.stage("study"):
        with left.task(10):
            clock.now += 90.0
        assert left.seconds() == 60
        with left.task(10):
            pass
        assert left.seconds() == 0
    assert not left.is_known


def test_the_correction_has_bounds(left: TimeLeft, clock: Clock) -> None:
    with left.stage("features"), left.task(10):
        clock.now = 2_000.0
    assert left.seconds() == 300


def test_work_found_done_is_no_speed(left: TimeLeft, clock: Clock) -> None:
    with left.stage("features"), left.task(100) as advance:
        advance(50)
        clock.now = 1.0
        advance(1)
        clock.now = 11.0
        advance(9)
        assert left.seconds() == pytest.approx(11 * 40 / 10 + 100)


def test_what_nobody_can_tell_is_said_so_until_it_is_known(left: TimeLeft, clock: Clock) -> None:
    left.expect({"study": [60.0, None, 40.0]})
    assert left.seconds() is None
    with left.stage("features"), left.task(10):
        clock.now = 20.0
    assert left.seconds() is None
    left.expect({"study": [60.0, 500.0, 40.0]})
    assert left.seconds() == 600


def test_a_task_of_unknown_length_tells_once_it_has_a_speed(clock: Clock) -> None:
    left = TimeLeft(clock)
    left.expect({"study": [None]})
    with left.stage("study"), left.task(10) as advance:
        assert left.seconds() is None
        advance(1)
        clock.now = 4.0
        advance(1)
        assert left.seconds() == 32


def test_tasks_that_were_not_expected_add_what_they_know(left: TimeLeft, clock: Clock) -> None:
    with left.task(10) as advance:
        assert left.seconds() == 120
        advance(1)
        clock.now = 2.0
        advance(1)
        assert left.seconds() == 120 + 16
        with left.task(1_000):  # within another: a part of it
            assert left.seconds() == 120 + 16


def test_a_stage_that_fails_expects_nothing_more(left: TimeLeft) -> None:
    with pytest.raises(RuntimeError), left.stage("study"), left.task(10):
        raise RuntimeError
    assert left.seconds() == 20
