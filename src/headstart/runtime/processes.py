"""Work in processes of its own: for code that hardly ever leaves other threads their turn."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from functools import cache
from typing import Final, TypeVar

from headstart.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
_LOOK_EVERY_S: Final = 1.0


def done_in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], n_processes: int
) -> Generator[Result, None, None]:
    """Results of work on some items, in their order; a few items for each process are done ahead.

    The processes, which take about a second to start, stay for a while, and later work takes them over.

    Parameters
    ----------
    work : callable
        A function of a module. It, its items and its results can be pickled.
    items : iterable
    n_processes : int

    Raises
    ------
    WorkerError
        When one of the processes is ended from outside.
    """
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=n_processes, return_as="generator", batch_size=1)
    try:
        yield from parallel(delayed(_done)(work, item, os.getpid()) for item in items)
    except BrokenProcessPool as error:
        raise WorkerError(
            "A worker process was ended from outside, as the system does when memory runs out. Use fewer --threads."
        ) from error


def _done(work: Callable[[Item], Result], item: Item, main_process: int) -> Result:
    end_after(main_process)
    return work(item)


@cache
def end_after(main_process: int) -> None:
    """End this worker process when the main one is killed: nobody takes its result, and it would idle for minutes.

    Where work is run by anything but a child of the main process, nothing is watched.
    """
    if os.getppid() == main_process:
        threading.Thread(target=_watch, args=(main_process,), daemon=True).start()


def _watch(main_process: int) -> None:
    while os.getppid() == main_process:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
