"""torch on CUDA: mixed precision, pinned memory, a stream of its own."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.engines.block_pass import BlockPass
from headstart.engines.engine import Engine
from headstart.engines.frozen_network import FrozenPass
from headstart.engines.protocol import fill_up
from headstart.runtime.precision import full_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class CudaRunner:
    """The forward pass on a GPU, always with the same algorithms.

    Pixels travel as they come from pinned memory and are normalised on the GPU; copies and kernels queue on a stream of
    the runner's own, so other work on the GPU does not wait for them.

    Parameters
    ----------
    backbone : Backbone
        Its module is moved to the GPU.
    engine : Engine
    stage : str, optional
    blocks : sequence of FeatureBlock, optional
    """

    def __init__(
        self, backbone: Backbone, engine: Engine, *, stage: str | None = None, blocks: Sequence[FeatureBlock] = ()
    ) -> None:
        self._backbone = backbone
        self._engine = engine
        self._device = torch.device("cuda")
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()
        self._pinned: torch.Tensor | None = None
        backbone.module.to(self._device)
        frozen = FrozenPass(backbone.staged, stage)
        self._module = BlockPass(frozen, backbone.staged, blocks) if blocks else frozen
        torch.cuda.current_stream(self._device).synchronize()  # the weights are there before another stream reads them

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """See `Runner.compute`; one call at a time."""
        with self._lock, torch.inference_mode(), torch.cuda.stream(self._stream), full_precision(), self._precision():
            pinned = self._pin(fill_up(pixels, self._engine.batch_size))
            rows = self._module(self._backbone.normalise_tensor(pinned.to(self._device, non_blocking=True)))
            found = rows[: len(pixels)].float().cpu()  # waits for this stream
        return np.ascontiguousarray(found.numpy())

    def _pin(self, filled: NDArray[Any]) -> torch.Tensor:
        """The batch in pinned memory, kept between calls: the call before has ended, so it may be written over."""
        given = torch.from_numpy(filled)
        if self._pinned is None or (self._pinned.shape, self._pinned.dtype) != (given.shape, given.dtype):
            self._pinned = torch.empty(given.shape, dtype=given.dtype, pin_memory=True)
        self._pinned.copy_(given)
        return self._pinned

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        if self._engine.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast("cuda", dtype=_AUTOCAST[self._engine.precision])
