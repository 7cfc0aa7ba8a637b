"""Work done ahead in threads, its results taken in order, few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def done_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], n_threads: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Items with the outcome of work on each, in their order; at most one more than the threads are done ahead.

    Parameters
    ----------
    work : callable
        Should spend its time in code that leaves other threads their turn, as numpy's and scipy's does.
    items : iterable
    n_threads : int
        1 works in the caller's own thread, when the outcome is asked for.

    Yields
    ------
    item : Item
    outcome : Future
        ``outcome.result()`` gives the result, or raises what the work raised.

    Examples
    --------
    >>> [outcome.result() for _, outcome in done_ahead(abs, [-3, 2], n_threads=2)]
    [3, 2]
    """
    if n_threads == 1:
        for item in items:
            yield item, _done(work, item)
        return
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > n_threads:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, outcome in waiting:
                outcome.cancel()


def _done(work: Callable[[Item], Result], item: Item) -> Future[Result]:
    outcome: Future[Result] = Future()
    try:
        outcome.set_result(work(item))
    except Exception as error:  # kept for whoever asks for the result, as an executor does
        outcome.set_exception(error)
    return outcome
