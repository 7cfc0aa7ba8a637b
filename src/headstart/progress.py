"""Progress of long work; the command line hands in a bar, everyone else `Silent`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Protocol of a display of how far long work has come."""

    def task(self, title: str, total: int, unit: str = "items") -> AbstractContextManager[Callable[[int], None]]:
        """Context whose value is called with the number of items just done."""
        ...

    def note(self, text: str) -> None:
        """One line for the user that is not an error: what was decided, skipped or fallen back to."""
        ...

    def expect(self, seconds: Mapping[str, Sequence[float | None]]) -> None:
        """Say about how many seconds every task of the stages to come takes; None for one that nobody can tell of.

        What is said of a stage holds until something else is said of it, or the stage is over.
        """
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Context of a stage of the job, which may be one that was expected."""
        ...


class Silent:
    """Progress that shows nothing."""

    @contextmanager
    def task(self, title: str, total: int, unit: str = "items") -> Iterator[Callable[[int], None]]:
        """See `Progress.task`."""
        yield lambda n: None

    def note(self, text: str) -> None:
        """See `Progress.note`."""

    def expect(self, seconds: Mapping[str, Sequence[float | None]]) -> None:
        """See `Progress.expect`."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """See `Progress.stage`."""
        return nullcontext()
