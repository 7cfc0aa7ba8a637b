"""Engine: what computes the features, decided once per run and used again on resume and in prediction."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from headstart.errors import InputError, unknown_name

DEVICES = ("cpu", "cuda", "mps")
MAX_THREADS = 256
MAX_BATCH = 1024


@dataclass(frozen=True)
class Engine:
    """How features are computed; part of the cache key, the run and the bundle.

    Attributes
    ----------
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    n_threads : int
        Threads of the forward pass on the CPU.
    batch_size : int
        Images per forward pass. The last batch is filled up, so every image meets the same shapes.
    precision : str
        ``fp32``.
    name : str
        ``torch``.
    """

    device: str = "cpu"
    n_threads: int = 1
    batch_size: int = 16
    precision: str = "fp32"
    name: str = "torch"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("device", self.device, DEVICES),
            ("precision", self.precision, ("fp32",)),
            ("engine", self.name, ("torch",)),
        ):
            if value not in known:
                raise InputError(unknown_name(name, value, known))
        for name, number, most in (
            ("threads", self.n_threads, MAX_THREADS),
            ("batch size", self.batch_size, MAX_BATCH),
        ):
            if not 1 <= number <= most:
                raise InputError(f"The number {number} for {name} is out of range; expected 1 to {most:,}.")

    def settings(self) -> dict[str, Any]:
        """Everything that may change the last bit of a feature, for the cache key."""
        build = {"torch": torch.__version__, "instructions": torch.backends.cpu.get_cpu_capability()}
        return {**asdict(self), **build, "layout": "channels_last"}

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for results and bundles."""
        return {
            "engine": self.name,
            "precision": self.precision,
            "device": self.device,
            "n_threads": self.n_threads,
            "batch_size": self.batch_size,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Engine:
        """The engine that `to_json` wrote."""
        return cls(
            device=str(value["device"]),
            n_threads=int(value["n_threads"]),
            batch_size=int(value["batch_size"]),
            precision=str(value["precision"]),
            name=str(value["engine"]),
        )


def decide_engine(*, device: str = "auto", n_threads: int | None = None, batch_size: int = 16) -> Engine:
    """The engine of a run.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes CUDA, then MPS, then the CPU.
    n_threads : int, optional
        Default: the number of processors this process may use.
    batch_size : int
        Images per forward pass.

    Raises
    ------
    InputError
        When the device is unknown or not there.
    """
    threads = available_processors() if n_threads is None else n_threads
    return Engine(device=resolve_device(device), n_threads=threads, batch_size=batch_size)


def resolve_device(device: str) -> str:
    """Name of the device to use; raises `InputError` when it is unknown or not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if device not in there:
        raise InputError(f"Unknown device {device!r}. Expected auto, cpu, cuda or mps.")
    if not there[device]:
        raise InputError(f"Device {device!r} is not available on this machine. Use --device cpu.")
    return device


def available_processors() -> int:
    """Number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_THREADS)
    return min(os.cpu_count() or 1, MAX_THREADS)
