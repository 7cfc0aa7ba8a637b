"""How many threads numerical libraries use while a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_thread() -> Iterator[None]:
    """Hold BLAS, OpenMP and torch to one thread: sums are then added in one order everywhere."""
    from threadpoolctl import threadpool_limits

    with torch_threads(1), threadpool_limits(1):
        yield


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Run a block with a fixed number of torch threads, and put the former number back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
