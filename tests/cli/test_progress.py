"""Progress: a bar below the time left on a terminal, one line a task without; a fit says what it expects."""

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
    progress.expect({"study": [0.4]})
    with progress.stage("study"), progress.task("Heads", 1, "heads") as advance:
        advance(1)
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.splitlines() == [
        "Audit: 3 images in 0.0 s.",
        "Features: 1,000 images in 0.0 s. About 3 min left in all.",
        "Other: 1 thing in 0.0 s. How long all of it takes is not known yet.",
        "Heads: 1 head in 0.0 s.",
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
    fit(folders, tmp_path / "run", helpers.options(augment="none,flips", views=2, explanations=True), progress=progress)
    assert list(progress.expected) == ["features", "study", "baselines", "explanations", "report"]
    for stage in ("features", "study", "explanations", "report"):
        assert len(progress.expected[stage]) == len(progress.tasks[stage]), stage
        assert all(part is not None and part > 0 for part in progress.expected[stage])
    assert progress.expected["baselines"] == ()
