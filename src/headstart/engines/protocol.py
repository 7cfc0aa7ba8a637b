"""What every runner does, and the one for an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.engines.engine import Engine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.engines.network_cache import NetworkCache


class Runner(Protocol):
    """The frozen part of a backbone, made ready for one engine and one input size."""

    def compute(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Rows of at most one batch of pixels of shape (n_images, height, width, 3).

        May be called from several threads at once; as many calls as the engine has streams run side by side. A row
        does not depend on the other images of the call, nor on the stream that computed it.
        """
        ...


def make_runner(
    backbone: Backbone,
    engine: Engine,
    size: tuple[int, int],
    *,
    stage: str | None = None,
    network: bytes | None = None,
    store: NetworkCache | None = None,
) -> Runner:
    """The runner of an engine.

    Parameters
    ----------
    backbone : Backbone
    engine : Engine
    size : (int, int)
        Height and width of the images in pixels.
    stage : str, optional
        Give the output of this stage. Default: the pooled output of the last one.
    network : bytes, optional
        The quantised network, which int8 needs.
    store : NetworkCache, optional
        Where converted networks are kept.

    Raises
    ------
    EngineError
        When this machine lacks what the engine needs.
    """
    if engine.name == "openvino":
        from headstart.engines.openvino import OpenVinoRunner

        return OpenVinoRunner(backbone, engine, size, stage=stage, network=network, store=store)
    if engine.device == "cuda":
        from headstart.engines.torch_cuda import CudaRunner

        return CudaRunner(backbone, engine, stage=stage)
    from headstart.engines.torch_cpu import TorchRunner

    return TorchRunner(backbone, engine, size, stage=stage)


def fill_up(pixels: NDArray[np.uint8], batch_size: int) -> NDArray[np.uint8]:
    """A batch of exactly `batch_size` images, the last of them blank, so that every image meets the same shapes."""
    missing = batch_size - len(pixels)
    if missing == 0:
        return np.ascontiguousarray(pixels)
    return np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), dtype=np.uint8)])
