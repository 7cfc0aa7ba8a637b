"""Engine: what computes the features, decided once per run and used again on resume and in prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from headstart.errors import InputError, unknown_name
from headstart.runtime.machine import MAX_THREADS, available_processors

DEVICES: Final = ("cpu", "cuda", "mps")
LIBRARIES: Final = ("torch", "openvino")
PRECISIONS: Final = ("fp32", "bf16", "fp16", "int8")
MAX_BATCH: Final = 1024
_POSSIBLE: Final = {
    ("torch", "cpu"): ("fp32", "bf16"),
    ("torch", "cuda"): ("fp32", "bf16", "fp16"),
    ("torch", "mps"): ("fp32",),
    ("openvino", "cpu"): ("fp32", "bf16", "int8"),
}
_BATCH: Final = {("torch", "cpu"): 16, ("torch", "cuda"): 64, ("torch", "mps"): 16, ("openvino", "cpu"): 4}


@dataclass(frozen=True)
class Engine:
    """How features are computed; part of the cache key, the run and the bundle.

    Attributes
    ----------
    device : {"cpu", "cuda", "mps"}
    n_threads : int
        Threads of the forward pass on the CPU, over all streams.
    batch_size : int
        Images per forward pass. The last batch is filled up, so every image meets the same shapes.
    precision : {"fp32", "bf16", "fp16", "int8"}
        Precision of the convolutions and matrix products: bf16 on the CPU and CUDA, fp16 on CUDA, int8 with OpenVINO.
    name : {"torch", "openvino"}
        Library that runs the network.
    n_streams : int
        Batches computed side by side; the threads are shared out among them.
    folded : bool
        Batch normalisation is multiplied into the convolution before it (torch; OpenVINO always does so).
    compiled : bool
        Through ``torch.compile``.
    network_sha256 : str
        Hash of the quantised network of int8; empty otherwise.
    """

    device: str = "cpu"
    n_threads: int = 1
    batch_size: int = 16
    precision: str = "fp32"
    name: str = "torch"
    n_streams: int = 1
    folded: bool = False
    compiled: bool = False
    network_sha256: str = ""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("device", self.device, DEVICES),
            ("precision", self.precision, PRECISIONS),
            ("engine", self.name, LIBRARIES),
        ):
            if value not in known:
                raise InputError(unknown_name(name, value, known))
        for name, number, most in (
            ("threads", self.n_threads, MAX_THREADS),
            ("batch size", self.batch_size, MAX_BATCH),
            ("streams", self.n_streams, self.n_threads),
        ):
            if not 1 <= number <= most:
                raise InputError(f"The number {number} for {name} is out of range; expected 1 to {most:,}.")
        check_possible(self.name, self.device, self.precision)

    @property
    def label(self) -> str:
        """The engine in words.

        >>> Engine(precision="bf16", name="openvino").label
        'OpenVINO bf16'
        """
        library = {"torch": "torch", "openvino": "OpenVINO"}[self.name]
        place = "" if self.device == "cpu" else f" on {self.device}"
        details = [word for word, true in (("folded", self.folded), ("compiled", self.compiled)) if true]
        return f"{library} {self.precision}{place}" + (f" ({', '.join(details)})" if details else "")

    @property
    def is_reference(self) -> bool:
        """Whether this is the plain fp32 forward pass of torch that all others are compared with."""
        return self.name == "torch" and self.precision == "fp32" and not self.folded and not self.compiled

    @property
    def is_eager(self) -> bool:
        """Whether every operation is computed by itself, so that what else a pass gives changes no bit of a block."""
        return self.name == "torch" and not self.compiled

    def resized(self, *, n_threads: int | None = None, batch_size: int | None = None) -> Engine:
        """The same engine with other threads, or other images per forward pass; None leaves them as they are.

        Raises
        ------
        InputError
            When a number is out of range, or the network is quantised for batches of another size.
        """
        threads = self.n_threads if n_threads is None else n_threads
        size = self.batch_size if batch_size is None else batch_size
        if self.network_sha256 and size != self.batch_size:
            raise InputError(
                f"The int8 network of this model takes {self.batch_size:,} images per forward pass, never {size:,}. "
                "Leave --batch-size out."
            )
        streams = threads if self.name == "openvino" else self.n_streams
        return replace(self, n_threads=threads, batch_size=size, n_streams=streams)

    def settings(self) -> dict[str, Any]:
        """Everything that may change the last bit of a feature, for the cache key."""
        from headstart.engines.capabilities import build_facts

        return {**asdict(self), **build_facts(self.name, self.device), "layout": "channels_last"}

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for results and bundles."""
        values = asdict(self)
        return {"engine": values.pop("name"), **values}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Engine:
        """The engine that `to_json` wrote; what an older version did not write yet has its default."""
        kinds: dict[str, type] = {item.name: type(item.default) for item in fields(cls)}
        given = {**value, "name": value["engine"]}
        needed = ("device", "n_threads", "batch_size", "precision", "name")
        present = {name: given[name] for name in kinds if name in given or name in needed}
        return cls(**{name: kinds[name](found) for name, found in present.items()})


def check_possible(name: str, device: str, precision: str) -> None:
    """Raise `InputError` unless a library computes in a precision on a device at all."""
    if (name, device) not in _POSSIBLE:
        raise InputError(f"The engine {name!r} does not run on the device {device!r}. Use --device cpu.")
    possible = _POSSIBLE[name, device]
    if precision not in possible:
        raise InputError(
            f"The engine {name!r} has no precision {precision!r} on the device {device!r}; it has "
            f"{', '.join(possible)}."
        )


def reference_engine(*, device: str = "cpu", n_threads: int = 1, batch_size: int | None = None) -> Engine:
    """The plain fp32 forward pass of torch, with the batch size of the device where none is given."""
    size = _BATCH["torch", device] if batch_size is None else batch_size
    return Engine(device=device, n_threads=n_threads, batch_size=size)


def engine_for(
    name: str, precision: str, *, device: str, n_threads: int, batch_size: int | None = None, compiled: bool = False
) -> Engine:
    """An engine with the batch size, streams and folding that suit its library.

    OpenVINO is fastest with one stream per thread and small batches; see docs/speed.md.
    """
    openvino = name == "openvino"
    return Engine(
        device=device,
        n_threads=n_threads,
        batch_size=_BATCH.get((name, device), 16) if batch_size is None else batch_size,
        precision=precision,
        name=name,
        n_streams=n_threads if openvino else 1,
        folded=not openvino and device == "cpu",
        compiled=compiled,
    )


def decide_engine(*, device: str = "auto", n_threads: int | None = None, batch_size: int | None = None) -> Engine:
    """The reference engine: plain fp32 with torch, on the device asked for.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes CUDA, then MPS, then the CPU.
    n_threads : int, optional
        Default: the number of processors this process may use.
    batch_size : int, optional
        Images per forward pass. Default: what suits the device.

    Raises
    ------
    InputError
        When the device is unknown or not there.
    """
    threads = available_processors() if n_threads is None else n_threads
    return reference_engine(device=resolve_device(device), n_threads=threads, batch_size=batch_size)


def resolve_device(device: str) -> str:
    """Name of the device to use; raises `InputError` when it is unknown or not there."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if device not in there:
        raise InputError(f"Unknown device {device!r}. Expected auto, cpu, cuda or mps.")
    if not there[device]:
        raise InputError(f"Device {device!r} is not available on this machine. Use --device cpu.")
    return device
