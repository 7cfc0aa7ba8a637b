"""Where the work runs: pieces of work in worker processes, one thread each, finished ones kept in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.runtime.threads import single_thread
from headstart.study.execution.journal import Journal

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class WorkItem:
    """One piece of work.

    Attributes
    ----------
    key : str
        Its name in the journal.
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

    def finished(self, pieces: Sequence[WorkItem]) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """Key and arrays of each piece as it is finished, in any order."""
        if self._parallel is None or len(pieces) < 2:
            yield from map(run_piece, pieces)
            return
        from joblib import delayed

        yield from self._parallel(delayed(run_piece)(piece) for piece in pieces)


def run_items(
    pieces: Sequence[WorkItem],
    journal: Journal,
    workers: Workers,
    *,
    advance: Callable[[int], None] = lambda n: None,
) -> None:
    """Run the pieces that the journal does not hold yet, and put each into it as soon as it is finished.

    Every piece runs on one thread, so its result does not depend on how many run side by side.

    Parameters
    ----------
    pieces : sequence of WorkItem
    journal : Journal
    workers : Workers
    advance : callable
        Told of every finished piece.
    """
    waiting = [piece for piece in pieces if journal.get(piece.key) is None]
    advance(len(pieces) - len(waiting))
    for key, tensors in workers.finished(waiting):
        journal.put(key, tensors)
        advance(1)


def run_piece(piece: WorkItem) -> tuple[str, dict[str, NDArray[Any]]]:
    """One piece, on one thread."""
    with single_thread():
        return piece.key, piece.function(*piece.arguments)
