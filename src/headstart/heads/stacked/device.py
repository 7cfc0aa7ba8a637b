"""Where heads are trained: device, precision, threads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from headstart.errors import InputError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
_TRIALS = 5
_TRIAL_SIZE = (256, 1024, 128)  # units, features, batch


def checked_device(name: str) -> torch.device:
    """Device of that name.

    Raises
    ------
    InputError
        When it is neither the CPU nor a CUDA device of this machine.
    """
    kind, _, number = name.partition(":")
    if kind not in {"cpu", "cuda"} or not (number.isdecimal() or not number):
        raise InputError(f"Heads are trained on 'cpu' or 'cuda', not on {name!r}.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise InputError(f"This machine has no CUDA device {name!r} that torch can use. Train on 'cpu'.")
    return torch.device(name)


def checked_precision(name: str) -> str:
    """The name, if there is a precision of that name.

    Raises
    ------
    InputError
    """
    if name not in PRECISIONS:
        raise InputError(f"The precision of dense heads is one of {', '.join(PRECISIONS)}, not {name!r}.")
    return name


def faster_precision(device: str = "cpu") -> str:
    """The precision in which this machine computes the large products faster, measured in some milliseconds.

    "bf16" only where it takes less than two thirds of the time of "fp32": what it gains must also pay for turning
    numbers from one into the other. To be decided once and written down, as it decides last digits.
    """
    where = checked_device(device)
    seconds = {name: _product_seconds(dtype, where) for name, dtype in PRECISIONS.items()}
    return "bf16" if seconds["bf16"] < seconds["fp32"] * 2 / 3 else "fp32"


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Hold torch to so many threads; None leaves it as it is.

    Raises
    ------
    InputError
        When the number is below 1.
    """
    if n_threads is not None and n_threads < 1:
        raise InputError(f"Heads are trained on at least 1 thread, not on {n_threads}.")
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _product_seconds(dtype: torch.dtype, device: torch.device) -> float:
    """Least seconds of one product of the usual size."""
    units, features, rows = _TRIAL_SIZE
    weights = torch.ones((units, features), dtype=dtype, device=device)
    inputs = torch.ones((rows, features), dtype=dtype, device=device)
    best = float("inf")
    for _ in range(_TRIALS + 1):
        start = time.perf_counter()
        torch.mm(weights, inputs.t())
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best
