"""Order in which engines are tried: by their measured speed, from facts of the machine and the work alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from headstart.engines.capabilities import has_compiler, openvino_absence, openvino_precisions, torch_precisions
from headstart.engines.engine import Engine
from headstart.features.engine_selection.request import EngineRequest

WORTH_COMPILING: Final = 2e13
"""Multiply-adds of a whole data set from which ``torch.compile`` may pay."""
MAX_COMPILED: Final = 2.5e9
"""Multiply-adds per image beyond which it does not: large products are as fast without it (docs/speed.md)."""


def compiling_pays(device: str, multiply_adds: float, n_images: int) -> bool:
    """Whether the work is long enough for ``torch.compile``, and its products small enough to gain by it.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
    multiply_adds : float
        Multiply-adds of the whole data set.
    n_images : int
        Number of its images.
    """
    per_image = multiply_adds / max(n_images, 1)
    return device == "cpu" and multiply_adds >= WORTH_COMPILING and per_image <= MAX_COMPILED and has_compiler()


def ordered_engines(request: EngineRequest, *, worth_compiling: bool = False) -> list[Engine]:
    """Engines that this machine has and the request allows, in the order in which the rule tries them.

    The order is that of their measured speed (docs/speed.md): OpenVINO before torch, bf16 before fp32. It follows from
    facts of the machine alone, never from a clock. The reference is not among them.

    Parameters
    ----------
    request : EngineRequest
    worth_compiling : bool
        Try ``torch.compile`` where OpenVINO is not; see `compiling_pays`.
    """
    found = []
    if request.device == "cpu" and request.library != "torch":
        found += [request.engine("openvino", name) for name in _allowed(request, openvino_precisions())]
    if request.library != "openvino" or openvino_absence():
        of_torch = [request.engine("torch", name) for name in _allowed(request, torch_precisions(request.device))]
        if not found and worth_compiling:
            of_torch = [*(replace(engine, compiled=True) for engine in of_torch), *of_torch]
        found += of_torch
    return [engine for engine in found if not engine.is_reference]


def _allowed(request: EngineRequest, there: Sequence[str]) -> list[str]:
    precisions = ("bf16", "fp16", "fp32") if request.precision == "auto" else (request.precision,)
    return [name for name in precisions if name in there]
