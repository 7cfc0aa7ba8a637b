"""torch on the CPU and on MPS."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from headstart.engines.batch_norm_folding import fold_batch_norms
from headstart.engines.block_pass import BlockPass
from headstart.engines.engine import Engine
from headstart.engines.frozen_network import FrozenPass
from headstart.engines.protocol import fill_up
from headstart.errors import EngineError
from headstart.runtime.threads import torch_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock


class TorchRunner:
    """The forward pass with torch: fp32 or bf16, channels last, batch normalisation folded where the engine says so.

    Parameters
    ----------
    backbone : Backbone
        Its module is moved to the engine's device.
    engine : Engine
    size : (int, int)
        Height and width of the images in pixels.
    stage : str, optional
    blocks : sequence of FeatureBlock, optional

    Raises
    ------
    EngineError
        Raised by `compute` when ``torch.compile`` finds no compiler that works.
    """

    def __init__(
        self,
        backbone: Backbone,
        engine: Engine,
        size: tuple[int, int],
        *,
        stage: str | None = None,
        blocks: Sequence[FeatureBlock] = (),
    ) -> None:
        self._backbone = backbone
        self._engine = engine
        self._device = torch.device(engine.device)
        self._lock = threading.Lock()
        backbone.module.to(self._device)
        module: nn.Module = FrozenPass(backbone.staged, stage)
        with torch_threads(engine.n_threads):
            if engine.folded:
                module = fold_batch_norms(module, size, n_channels=backbone.n_channels)
            if blocks:  # after folding, which is decided without them: a block alone has the same bytes
                module = BlockPass(module, backbone.staged, blocks)
            self._module = torch.compile(module, dynamic=False) if engine.compiled else module

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """See `Runner.compute`; one call at a time, each on all threads."""
        filled = fill_up(pixels, self._engine.batch_size)
        with self._lock, torch.inference_mode(), torch_threads(self._engine.n_threads), self._precision():
            images = self._backbone.normalise(filled, self._device)
            rows = self._compiled(images) if self._engine.compiled else self._module(images)
        return np.ascontiguousarray(rows[: len(pixels)].float().cpu().numpy())

    def _compiled(self, images: torch.Tensor) -> torch.Tensor:
        """Rows of the compiled module; the first call compiles, which a broken compiler or missing headers refuse."""
        from torch._dynamo.exc import TorchDynamoException

        try:
            rows: torch.Tensor = self._module(images)
        except TorchDynamoException as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise EngineError(
                f"torch.compile cannot build {self._backbone.name!r} on this machine ({reason}). It needs a C++ "
                "compiler and Python's header files; `--engine torch --precision fp32` needs neither."
            ) from error
        return rows

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        if self._engine.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)
