"""Progress: the time left over the whole job, a bar on a terminal, one line a task without."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import helpers
import pytest
from rich.console import Console
from rich.progress import Progress as RichProgress

from headstart import fit
from headstart.cli.progress import JobBars, SpeedColumn, TerminalProgress, in_words
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


# Time left ------------------------------------------------------------------------------------------------------------


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


# Shown ----------------------------------------------------------------------------------------------------------------


def test_without_a_terminal_a_task_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    with progress.task("Audit", 3, "images") as advance:
        advance(3)
    progress.expect({"features": [10.0], "study": [600.0]})
    with progress.stage("features"), progress.task("Features", 1_000, "images") as advance:
        for _ in range(100):
            advance(10)
    progress.expect({"study": [None]})
    with progress.stage("other"), progress.task("Other", 1, "things") as advance:
        advance(1)
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.splitlines() == [
        "Audit: 3 images in 0.0 s.",
        "Features: 1,000 images in 0.0 s. About 3 min left in all.",
        "Other: 1 things in 0.0 s. How long all of it takes is not known yet.",
    ]


def test_quiet_shows_notes_alone(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress(quiet=True)
    with progress.stage("features"), progress.task("Features", 3) as advance:
        advance(3)
    progress.note("A note.")
    assert capsys.readouterr().err == "A note.\n"


def test_a_bar_stands_below_the_time_left_and_stays_without_it() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80)
    with JobBars(lambda: in_words(240.0), console=terminal, auto_refresh=False) as bars:
        task = bars.add_task("Heads", total=10)
        bars.advance(task, 4)
        shown = [str(part) for part in bars.get_renderables()]
        assert shown[0] == "About 4 min left in all."
        bars.is_over = True
    assert len(list(bars.get_renderables())) == 1


def test_the_bar_tells_the_speed() -> None:
    with RichProgress(disable=True, get_time=iter(range(100)).__next__) as bars:
        task = bars.add_task("x", total=100)
        for _ in range(5):
            bars.advance(task, 7)
        assert SpeedColumn().render(bars.tasks[0]).plain == "7/s"


# A job ----------------------------------------------------------------------------------------------------------------


class Recorder(helpers.Notes):
    """Progress that keeps what was expected, and the tasks of every stage."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[str, Sequence[float | None]] = {}
        self.tasks: dict[str, list[str]] = {}
        self._stage = ""
        self.expect, self.stage, self.task = self._expect, self._enter, self._count

    def _expect(self, seconds: Mapping[str, Sequence[float | None]]) -> None:
        self.expected.update(seconds)

    @contextmanager
    def _enter(self, name: str) -> Iterator[None]:
        before, self._stage = self._stage, name
        yield
        self._stage = before

    @contextmanager
    def _count(self, title: str, total: int, unit: str = "items") -> Iterator[Callable[[int], None]]:
        self.tasks.setdefault(self._stage, []).append(title)
        yield lambda n: None


@pytest.mark.usefixtures("empty_figures")
def test_a_fit_expects_the_tasks_that_come(folders: Path, tmp_path: Path) -> None:
    progress = Recorder()
    fit(folders, tmp_path / "run", helpers.options(augment="none,flips", views=2), progress=progress)
    assert list(progress.expected) == ["features", "study", "baselines", "report"]
    for stage in ("features", "study", "report"):
        assert len(progress.expected[stage]) == len(progress.tasks[stage]), stage
        assert all(part is not None and part > 0 for part in progress.expected[stage])
    assert progress.expected["baselines"] == ()
