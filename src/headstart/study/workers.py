"""Where the work runs: pieces of work in worker processes, one thread each, finished ones kept in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from headstart.study.journal import Journal

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Piece:
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


def run_pieces(
    pieces: Sequence[Piece],
    journal: Journal,
    *,
    n_jobs: int,
    advance: Callable[[int], None] = lambda n: None,
) -> None:
    """Run the pieces that the journal does not hold yet, and put each into it as soon as it is finished.

    Every piece runs on one thread, so its result does not depend on how many run side by side.

    Parameters
    ----------
    pieces : sequence of Piece
    journal : Journal
    n_jobs : int
        Worker processes; 1 runs in this process.
    advance : callable
        Told of every finished piece.
    """
    waiting = [piece for piece in pieces if journal.get(piece.key) is None]
    advance(len(pieces) - len(waiting))
    for key, tensors in _finished(waiting, n_jobs):
        journal.put(key, tensors)
        advance(1)


def _finished(pieces: Sequence[Piece], n_jobs: int) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    if n_jobs == 1 or len(pieces) < 2:
        for piece in pieces:
            yield run_piece(piece)
        return
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=min(n_jobs, len(pieces)), return_as="generator_unordered", batch_size=1)
    yield from parallel(delayed(run_piece)(piece) for piece in pieces)


def run_piece(piece: Piece) -> tuple[str, dict[str, NDArray[Any]]]:
    """One piece, on one thread."""
    with single_thread():
        return piece.key, piece.function(*piece.arguments)


@contextmanager
def single_thread() -> Iterator[None]:
    """Hold BLAS, OpenMP and torch to one thread: sums are then added in one order everywhere."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
