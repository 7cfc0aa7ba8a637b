"""Fallback: the engine itself where this machine has it, else what comes nearest, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from headstart.engines.capabilities import (
    has_compiler,
    openvino_absence,
    openvino_precisions,
    torch_precisions,
)
from headstart.engines.engine import Engine, resolve_device
from headstart.errors import HeadstartError
from headstart.progress import Progress, Silent

if TYPE_CHECKING:
    from headstart.backbones.backbone import Backbone


def nearest_engine(engine: Engine) -> tuple[Engine, str]:
    """The engine where this machine has it, else plain fp32 with torch; and why, in words.

    Returns
    -------
    engine : Engine
    reason : str
        Empty where the engine is there.
    """
    reason = what_lacks(engine)
    if not reason:
        return engine, ""
    device = engine.device if engine.device == "cpu" or not _lacks_device(engine.device) else "cpu"
    plain = Engine(device=device, n_threads=engine.n_threads, batch_size=engine.batch_size)
    return plain, (
        f"{reason}, so {plain.label} computes the features instead of {engine.label}: probabilities differ from those "
        f"of the machine the model was made on, by {_how_much(engine)}."
    )


def what_lacks(engine: Engine) -> str:
    """Reason why this machine cannot run an engine, in words without a final stop; empty where it can."""
    if _lacks_device(engine.device):
        return f"The device {engine.device!r} is not there"
    if engine.name == "openvino":
        if openvino_absence():
            return openvino_absence()
        there: tuple[str, ...] = openvino_precisions()
    else:
        there = torch_precisions(engine.device)
    if engine.compiled and not has_compiler():
        return "torch.compile needs a C++ compiler (g++ or clang++), which is not there"
    return "" if engine.precision in there else f"This machine has no {engine.precision} arithmetic"


def _lacks_device(device: str) -> bool:
    try:
        resolve_device(device)
    except HeadstartError:
        return True
    return False


def _how_much(engine: Engine) -> str:
    if engine.precision == "fp32":
        return "about 1e-4"
    return f"what {engine.precision} costs (parity in RUN/results.json)"


def runs_on(backbone: Backbone, device: str, size: tuple[int, int], *, progress: Progress | None = None) -> str:
    """The device, or the CPU where MPS lacks an operation that the network needs; a note says so."""
    if device != "mps":
        return device
    place = torch.device(device)
    try:
        with torch.inference_mode():
            backbone.module.to(place)(torch.zeros(1, backbone.n_channels, *size, device=place))
    except (NotImplementedError, RuntimeError, TypeError) as error:
        backbone.module.to("cpu")
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        (progress or Silent()).note(f"{backbone.name} runs on the CPU: MPS lacks something it needs ({reason}).")
        return "cpu"
    return device


def on_device(engine: Engine, device: str) -> Engine:
    """The engine on another device, plain where it cannot be the same there."""
    if device == engine.device:
        return engine
    if engine.name == "torch" and engine.precision in torch_precisions(device):
        return replace(engine, device=device, folded=engine.folded and device == "cpu")
    return Engine(device=device, n_threads=engine.n_threads, batch_size=engine.batch_size)
