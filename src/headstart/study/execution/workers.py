"""Work items, run in worker processes, one thread each, finished ones kept in the journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.errors import WorkerError
from headstart.runtime.processes import end_after
from headstart.runtime.threads import single_thread
from headstart.study.execution.journal import Journal

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class WorkItem:
    """One work item.

    Attributes
    ----------
    key : str
        Name of the work item in the journal.
    function : callable
        A module-level function that returns named arrays.
    arguments : tuple
    """

    key: str
    function: Callable[..., dict[str, NDArray[Any]]]
    arguments: tuple[Any, ...]


class Workers:
    """Worker processes that stay while a block lasts; large arrays reach them as memory maps, written once.

    Parameters
    ----------
    n_jobs : int
        Processes; 1 runs everything in this one.
    """

    def __init__(self, n_jobs: int) -> None:
        self._parallel: Any = None
        if n_jobs > 1:
            from joblib import Parallel

            self._parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)

    def __enter__(self) -> Workers:
        if self._parallel is not None:
            self._parallel.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._parallel is not None:
            self._parallel.__exit__(*error)

    def finished(self, items: Sequence[WorkItem]) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """Key and arrays of each item as it is finished, in any order.

        Raises
        ------
        WorkerError
            When a worker process is ended from outside.
        """
        if self._parallel is None or len(items) < 2:
            yield from map(run_item, items)
            return
        from concurrent.futures.process import BrokenProcessPool

        from joblib import delayed

        try:
            yield from self._parallel(delayed(_run_in_worker)(item, os.getpid()) for item in items)
        except BrokenProcessPool as error:
            raise WorkerError(
                "A worker process was ended from outside, as the system does when memory runs out. The same command "
                "goes on with what is finished; with fewer --threads it needs less memory."
            ) from error


def run_items(
    items: Sequence[WorkItem],
    journal: Journal,
    workers: Workers,
    *,
    advance: Callable[[int], None] = lambda n: None,
) -> None:
    """Run the items that the journal does not hold yet, and put each into it as soon as it is finished.

    Every item runs on one thread, so its result does not depend on how many run side by side.

    Parameters
    ----------
    items : sequence of WorkItem
    journal : Journal
    workers : Workers
    advance : callable
        Told of every finished item.

    Raises
    ------
    WorkerError
        When a worker process is ended from outside; what was finished is in the journal.
    StorageError
        When the disk refuses.
    """
    waiting = [item for item in items if journal.get(item.key) is None]
    advance(len(items) - len(waiting))
    for key, tensors in workers.finished(waiting):
        journal.put(key, tensors)
        advance(1)


def run_item(item: WorkItem) -> tuple[str, dict[str, NDArray[Any]]]:
    """Key and arrays of one work item, run on one thread."""
    with single_thread():
        return item.key, item.function(*item.arguments)


def _run_in_worker(item: WorkItem, main_process: int) -> tuple[str, dict[str, NDArray[Any]]]:
    end_after(main_process)
    return run_item(item)
