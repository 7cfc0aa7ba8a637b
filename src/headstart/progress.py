"""Progress of long work; the command line hands in a bar, everyone else `Silent`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Protocol of what can show how far long work has come."""

    def task(self, title: str, total: int, unit: str = "items") -> AbstractContextManager[Callable[[int], None]]:
        """Context whose value is called with the number of items just done."""
        ...

    def note(self, text: str) -> None:
        """One line for the user that is not an error: what was decided, skipped or fallen back to."""
        ...


class Silent:
    """Progress that shows nothing."""

    @contextmanager
    def task(self, title: str, total: int, unit: str = "items") -> Iterator[Callable[[int], None]]:
        """See `Progress.task`."""
        yield lambda n: None

    def note(self, text: str) -> None:
        """See `Progress.note`."""
