"""Time left over a whole job: what its stages were expected to take, set right by what finished ones took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

_EARLY_SHARE: Final = 0.1
"""Share of a task from which on its own speed tells more than what was expected of it."""
_MAX_CORRECTION: Final = 3.0
_SHORTEST_S: Final = 1.0


class TimeLeft:
    """Time left over all stages of a job; nothing is known of a job that expects nothing.

    Parameters
    ----------
    clock : callable
        Gives seconds.

    Examples
    --------
    >>> seconds = iter([0.0, 30.0]).__next__
    >>> left = TimeLeft(clock=seconds)
    >>> left.expect({"features": [20.0], "study": [100.0]})
    >>> with left.stage("features"), left.task(10):
    ...     pass
    >>> left.seconds()
    150.0
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expected: dict[str, list[float | None]] = {}
        self._stage: str | None = None
        self._task: _Task | None = None
        self._expected_s = self._taken_s = 0.0

    def expect(self, seconds: Mapping[str, Sequence[float | None]]) -> None:
        """See `headstart.progress.Progress.expect`."""
        self._expected.update({name: list(parts) for name, parts in seconds.items()})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Context of a stage; what was expected before it is over."""
        before, self._stage = self._stage, name
        try:
            yield
        finally:
            self._stage = before
            self._expected.pop(name, None)

    @contextmanager
    def task(self, total: int) -> Iterator[Callable[[int], None]]:
        """Context of a task, whose value is called with the number of items just done; one in another is its part."""
        if self._task is not None:
            yield lambda n: None
            return
        parts = self._expected.get(self._stage or "", [])
        task = self._task = _Task(total, parts.pop(0) if parts else 0.0, self._clock)
        try:
            yield task.advance
        finally:
            self._task = None
        if task.expected is not None and task.expected >= _SHORTEST_S:
            self._expected_s += task.expected
            self._taken_s += task.elapsed()

    @property
    def is_known(self) -> bool:
        """Whether anything is still expected."""
        return bool(self._expected)

    def seconds(self) -> float | None:
        """Seconds left; None where nobody knows."""
        parts = [part for listed in self._expected.values() for part in listed]
        later = [part for part in parts if part is not None]
        now = 0.0 if self._task is None else self._task.left(self._correction)
        if len(later) < len(parts) or now is None:
            return None
        return now + self._correction * sum(later)

    @property
    def _correction(self) -> float:
        """How many times longer than expected finished tasks took, within bounds."""
        if not self._expected_s:
            return 1.0
        return min(max(self._taken_s / self._expected_s, 1 / _MAX_CORRECTION), _MAX_CORRECTION)


class _Task:
    """A task at work: what was expected of it, and how far it is."""

    def __init__(self, total: int, expected: float | None, clock: Callable[[], float]) -> None:
        self.total, self.expected, self._clock = total, expected, clock
        self._start = clock()
        self._done = 0
        self._first: tuple[float, int] | None = None

    def advance(self, n: int) -> None:
        self._done += n
        if self._first is None:
            self._first = (self._clock(), self._done)  # work that was found done comes at once, and is no speed

    def elapsed(self) -> float:
        return self._clock() - self._start

    def left(self, correction: float) -> float | None:
        """Seconds left: by its own speed once that is known, else as expected; None where neither is."""
        own = self._by_speed()
        if own is not None and (self.expected is None or self._done >= _EARLY_SHARE * self.total):
            return own
        return None if self.expected is None else max(correction * self.expected - self.elapsed(), 0.0)

    def _by_speed(self) -> float | None:
        if self._first is None:
            return None
        then, before = self._first
        spent, done = self._clock() - then, self._done - before
        return spent * max(self.total - self._done, 0) / done if done > 0 and spent > 0 else None
