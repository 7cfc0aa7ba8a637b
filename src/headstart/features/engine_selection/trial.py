"""Which engines really work on this machine: each computes the features of one blank image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from headstart.engines import make_runner
from headstart.engines.capabilities import openvino_absence, openvino_precisions, torch_precisions
from headstart.engines.engine import engine_for, resolve_device
from headstart.engines.toy import TOY_SIZE, toy_backbone
from headstart.errors import HeadstartError
from headstart.features.engine_selection.int8 import quantise
from headstart.runtime.installation import one_line
from headstart.storage import hash_bytes


@dataclass(frozen=True)
class EngineState:
    """Whether an engine works here.

    Attributes
    ----------
    library, precision, device : str
    works : bool
    reason : str
        Why it does not; empty where it does.
    is_broken : bool
        It should work here, and failed.
    """

    library: str
    precision: str
    device: str
    works: bool
    reason: str = ""
    is_broken: bool = False


def try_engines() -> tuple[EngineState, ...]:
    """Every library and precision on the CPU, and torch on the accelerator where there is one."""
    engines = [("torch", "fp32", "cpu"), ("torch", "bf16", "cpu")]
    device = resolve_device("auto")
    engines += [("torch", precision, device) for precision in torch_precisions(device) if device != "cpu"]
    engines += [("openvino", precision, "cpu") for precision in ("fp32", "bf16", "int8")]
    return tuple(_tried(*engine) for engine in engines)


def _tried(library: str, precision: str, device: str) -> EngineState:
    state = EngineState(library, precision, device, works=False)
    try:
        if reason := _lacking(library, precision, device):
            return replace(state, reason=reason)
        _compute(library, precision, device)
    except HeadstartError as error:
        return replace(state, reason=one_line(error), is_broken=precision != "int8")
    except Exception as error:  # whatever a broken library raises
        return replace(state, reason=one_line(error), is_broken=True)
    return replace(state, works=True)


def _lacking(library: str, precision: str, device: str) -> str:
    """Reason why the engine is never chosen here; empty where there is none."""
    if library == "openvino" and openvino_absence():
        return openvino_absence()
    there = openvino_precisions() if library == "openvino" else torch_precisions(device)
    return "" if precision in there else f"the processor has no {precision} arithmetic"


def _compute(library: str, precision: str, device: str) -> None:
    backbone, pixels, network = toy_backbone(), np.zeros((1, *TOY_SIZE, 3), dtype=np.uint8), None
    engine = engine_for(library, precision, device=device, n_threads=1, batch_size=1)
    if precision == "int8":
        network = quantise(backbone, TOY_SIZE, 1, pixels)
        engine = replace(engine, network_sha256=hash_bytes(network))
    rows = make_runner(backbone, engine, TOY_SIZE, network=network).compute(pixels)
    if rows.shape != (1, backbone.feature_width) or not np.isfinite(rows).all():
        raise RuntimeError("the features of a blank image are no finite numbers")
