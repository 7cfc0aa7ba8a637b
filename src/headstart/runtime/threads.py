"""How many threads numerical libraries use while a block runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def single_thread() -> Iterator[None]:
    """Hold BLAS, OpenMP and torch to one thread: sums are then added in one order everywhere."""
    with torch_threads(1), _thread_pools(len(sys.modules)).limit(limits=1):
        yield


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread, without loading torch: for work that has threads of its own."""
    with _thread_pools(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _thread_pools(n_modules: int) -> Any:
    """Thread pools of the libraries loaded; looked for again, which takes milliseconds, only after further imports."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


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
