"""Progress on the terminal: a bar and the time left over the whole job; a line a task where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from headstart.cli.streams import STDERR
from headstart.cli.table import print_line, printable
from headstart.cli.time_left import TimeLeft
from headstart.errors import plural

_MIN_WIDTH_FOR_UNIT: Final = 80
_LEAST_S: Final = 0.5


class TerminalProgress:
    """Shows bars and notes on stderr, so that stdout holds results alone.

    Parameters
    ----------
    quiet : bool
        Show notes only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(file=STDERR, highlight=False)
        self._left = TimeLeft()

    def note(self, text: str) -> None:
        """One line for the user."""
        if self._console.is_terminal:
            self._console.print(printable(text), markup=False, style="yellow")
        else:
            print_line(text, err=True)

    def expect(self, seconds: Mapping[str, Sequence[float | None]]) -> None:
        """See `headstart.progress.Progress.expect`."""
        self._left.expect(seconds)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """See `headstart.progress.Progress.stage`."""
        return self._left.stage(name)

    @contextmanager
    def task(self, title: str, total: int, unit: str = "items") -> Iterator[Callable[[int], None]]:
        """A bar with the speed below the time left in all; without a terminal a line when all is done."""
        if self._quiet:
            yield lambda n: None
            return
        shown = self._bar if self._console.is_terminal else self._line
        with shown(printable(title), total, unit) as show, self._left.task(total) as count:

            def advance(n: int) -> None:
                count(n)
                show(n)

            yield advance

    @contextmanager
    def _bar(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            *((TextColumn(unit),) if self._console.width >= _MIN_WIDTH_FOR_UNIT else ()),
            SpeedColumn(),
            TimeElapsedColumn() if self._left.is_known else TimeRemainingColumn(elapsed_when_finished=True),
        )
        with JobBars(self._words, *columns, console=self._console) as bars:
            task = bars.add_task(title, total=total)
            yield lambda n: bars.advance(task, n)
            bars.is_over = True

    @contextmanager
    def _line(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        start, done = time.monotonic(), 0

        def advance(n: int) -> None:
            nonlocal done
            done += n

        yield advance
        text = f"{title}: {plural(done, unit.removesuffix('s'), unit)} in {time.monotonic() - start:.1f} s."
        print_line(f"{text} {self._words()}".rstrip(), err=True)

    def _words(self) -> str:
        """Time left over the whole job, in words; empty where nothing was expected of it, or all is done."""
        seconds = self._left.seconds()
        is_over = not self._left.is_known or (seconds is not None and seconds < _LEAST_S)
        return "" if is_over else in_words(seconds)


class JobBars(RichProgress):
    """A bar, and above it the time left over the whole job as long as the bar is moving."""

    def __init__(self, left: Callable[[], str], *columns: ProgressColumn, **about: Any) -> None:
        self._left, self.is_over = left, False
        super().__init__(*columns, **about)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The words, then the bar."""
        if not self.is_over and (words := self._left()):
            yield Text(words)
        yield from super().get_renderables()


class SpeedColumn(ProgressColumn):
    """Items per second over the last half minute."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """The speed; nothing until it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else speed_in_words(speed), style="progress.data.speed")


def speed_in_words(speed: float) -> str:
    """Items per second with three figures.

    >>> speed_in_words(41.25), speed_in_words(1234.5), speed_in_words(0.04)
    ('41.2/s', '1,234/s', '0.04/s')
    """
    return f"{speed:,.0f}/s" if speed >= 100 else f"{speed:.3g}/s"


def in_words(seconds: float | None) -> str:
    """Time left over a whole job as a sentence.

    >>> in_words(640.0), in_words(None)
    ('About 11 min left in all.', 'How long all of it takes is not known yet.')
    """
    if seconds is None:
        return "How long all of it takes is not known yet."
    return f"About {time_in_words(seconds)} left in all."


def time_in_words(seconds: float) -> str:
    """A time to wait, no finer than it is known.

    >>> [time_in_words(s) for s in (9.6, 89, 640, 9_000)]
    ['10 s', '89 s', '11 min', '2 h 30 min']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
