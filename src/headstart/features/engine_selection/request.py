"""The requested engine: library, precision and device, and how near to fp32 its features must stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headstart.engines.engine import Engine, engine_for, reference_engine
from headstart.errors import InputError, unknown_name
from headstart.features.engine_selection.parity import Tolerance

LIBRARIES: Final = ("auto", "torch", "openvino", "measure")
PRECISIONS: Final = ("auto", "fp32", "bf16", "int8")
AUTO: Final = {
    "fp32": Tolerance(1e-3, 0.97),
    "bf16": Tolerance(0.05, 0.97),
    "fp16": Tolerance(0.05, 0.97),
}
"""Tolerance of an engine that is chosen unasked, by its precision; docs/speed.md says how these were found."""
ASKED: Final = {
    "fp32": Tolerance(1e-3, 0.97),
    "bf16": Tolerance(0.25, 0.90),
    "fp16": Tolerance(0.25, 0.90),
    "int8": Tolerance(0.60, 0.80),
}
"""Tolerance of a precision that was asked for by name."""


@dataclass(frozen=True)
class EngineRequest:
    """Engine that the user asks for; ``auto`` leaves the choice open.

    Attributes
    ----------
    library : {"auto", "torch", "openvino", "measure"}
        ``measure``: as ``auto``, but the candidates are timed and the fastest is taken.
    precision : {"auto", "fp32", "bf16", "int8"}
    device : {"cpu", "cuda", "mps"}
    n_threads : int
    batch_size : int or None
        Images per forward pass; None: what suits the engine.
    seed : int
        Seed that draws the images on which engines are compared.
    floats : bool
        The run's preparation is fitted and gives float32 pixels: a quantised network must take them. Its scales are
        found, and engines compared, on the pixels before that preparation, which no fold has fitted yet.
    """

    library: str = "auto"
    precision: str = "auto"
    device: str = "cpu"
    n_threads: int = 1
    batch_size: int | None = None
    seed: int = 0
    floats: bool = False

    def __post_init__(self) -> None:
        for kind, value, known in (
            ("engine", self.library, LIBRARIES),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in known:
                raise InputError(unknown_name(kind, value, known))
        if self.library == "openvino" and self.device != "cpu":
            raise InputError(f"--engine openvino runs on the CPU, not on {self.device!r}. Use --device cpu with it.")
        if self.precision == "int8" and (self.library == "torch" or self.device != "cpu"):
            raise InputError("--precision int8 runs with OpenVINO on the CPU. Use --device cpu and no --engine torch.")

    @property
    def tolerances(self) -> dict[str, Tolerance]:
        """How near to fp32 the features must stay, by precision of the engine."""
        return AUTO if self.precision == "auto" else ASKED

    def engine(self, library: str, precision: str, *, compiled: bool = False) -> Engine:
        """An engine on the device and threads asked for."""
        return engine_for(
            library,
            precision,
            device=self.device,
            n_threads=self.n_threads,
            batch_size=self.batch_size,
            compiled=compiled,
        )

    @property
    def reference(self) -> Engine:
        """The engine that all are compared with."""
        return reference_engine(device=self.device, n_threads=self.n_threads, batch_size=self.batch_size)
