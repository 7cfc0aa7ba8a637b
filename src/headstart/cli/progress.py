"""Progress on the terminal: bars with speed and time left on stderr, plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

LINE_EVERY_S: Final = 30.0


class TerminalProgress:
    """Shows bars and notes on stderr, so that stdout holds results alone.

    Parameters
    ----------
    quiet : bool
        Show notes only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)

    def note(self, text: str) -> None:
        """One line for the user."""
        style = "yellow" if self._console.is_terminal else None
        self._console.print(text, markup=False, style=style, soft_wrap=True)

    @contextmanager
    def task(self, title: str, total: int, unit: str = "items") -> Iterator[Callable[[int], None]]:
        """A bar with speed and time left; without a terminal a line every 30 seconds."""
        if self._quiet:
            yield lambda n: None
        elif not self._console.is_terminal:
            yield from self._lines(title, total, unit)
        else:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(unit),
                SpeedColumn(unit),
                TimeRemainingColumn(elapsed_when_finished=True),
            )
            with RichProgress(*columns, console=self._console) as bars:
                task = bars.add_task(title, total=total)
                yield lambda n: bars.advance(task, n)

    def _lines(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        start = shown = time.monotonic()
        done = done_then = 0

        def advance(n: int) -> None:
            nonlocal done, done_then, shown
            done += n
            now = time.monotonic()
            if now - shown >= LINE_EVERY_S and done_then < done < total:
                speed = (done - done_then) / (now - shown)  # since the last line: work found done is no speed
                left = time_in_words((total - done) / speed)
                text = f"{title}: {done:,} of {total:,} {unit}, {speed_in_words(speed, unit)}, about {left} left"
                click.echo(text, err=True)
                shown, done_then = now, done

        yield advance
        click.echo(f"{title}: {done:,} {unit} in {time.monotonic() - start:.1f} s", err=True)


class SpeedColumn(ProgressColumn):
    """Items per second over the last half minute."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The speed; nothing until it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else speed_in_words(speed, self._unit), style="progress.data.speed")


def speed_in_words(speed: float, unit: str) -> str:
    """Items per second with three figures.

    >>> speed_in_words(41.25, "images"), speed_in_words(1234.5, "images"), speed_in_words(0.04, "heads")
    ('41.2 images/s', '1,234 images/s', '0.04 heads/s')
    """
    return f"{speed:,.0f} {unit}/s" if speed >= 100 else f"{speed:.3g} {unit}/s"


def time_in_words(seconds: float) -> str:
    """A time to wait, no finer than it is known.

    >>> [time_in_words(s) for s in (9.6, 89, 640, 9_000)]
    ['10 s', '89 s', '11 min', '2 h 30 min']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
