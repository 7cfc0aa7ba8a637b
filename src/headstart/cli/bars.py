"""Progress on the terminal: bars with time left on stderr, plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

_LINE_EVERY_S = 30.0


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
                TaskProgressColumn(show_speed=True),
                MofNCompleteColumn(),
                TextColumn(unit),
                TimeRemainingColumn(),
            )
            with RichProgress(*columns, console=self._console) as bars:
                task = bars.add_task(title, total=total)
                yield lambda n: bars.advance(task, n)

    def _lines(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        start = shown = time.monotonic()
        done = 0

        def advance(n: int) -> None:
            nonlocal done, shown
            done += n
            now = time.monotonic()
            if now - shown >= _LINE_EVERY_S and 0 < done < total:
                shown = now
                left = (now - start) / done * (total - done)
                click.echo(f"{title}: {done:,} of {total:,} {unit}, about {left:,.0f} s left", err=True)

        yield advance
        click.echo(f"{title}: {done:,} {unit} in {time.monotonic() - start:.1f} s", err=True)
