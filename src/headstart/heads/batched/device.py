"""Device, precision and threads that heads are trained with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from headstart.engines.capabilities import training_precision
from headstart.errors import InputError
from headstart.runtime.threads import torch_threads

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


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
    """The precision in which this machine computes the large products faster: "bf16" where its hardware has it.

    A rule, not a trial, since the precision decides last digits (docs/speed.md).

    Raises
    ------
    InputError
        When it is neither the CPU nor a CUDA device of this machine.
    """
    return training_precision(checked_device(device).type)


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
    with torch_threads(n_threads or torch.get_num_threads()):
        yield
