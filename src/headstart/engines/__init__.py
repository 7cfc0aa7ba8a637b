"""Engines: ways to run the frozen part of a backbone, torch on the CPU, CUDA and MPS, OpenVINO on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.engines.protocol import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock
    from headstart.engines.engine import Engine
    from headstart.engines.network_cache import NetworkCache

__all__ = ["Runner", "make_runner"]


def make_runner(
    backbone: Backbone,
    engine: Engine,
    size: tuple[int, int],
    *,
    stage: str | None = None,
    blocks: Sequence[FeatureBlock] = (),
    network: bytes | None = None,
    network_cache: NetworkCache | None = None,
    dtype: np.dtype[Any] | None = None,
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
    blocks : sequence of FeatureBlock, optional
        Give these blocks side by side, all of one pass. Default: as `stage` says.
    network : bytes, optional
        The quantised network, which int8 needs.
    network_cache : NetworkCache, optional
        Where converted networks are kept.
    dtype : {uint8, float32}, optional
        Type of the pixels that come. Default: uint8.

    Raises
    ------
    EngineError
        When this machine lacks what the engine needs.
    """
    if engine.name == "openvino":
        from headstart.engines.openvino import OpenVinoRunner

        return OpenVinoRunner(
            backbone,
            engine,
            size,
            stage=stage,
            blocks=blocks,
            network=network,
            network_cache=network_cache,
            dtype=dtype,
        )
    if engine.device == "cuda":
        from headstart.engines.torch_cuda import CudaRunner

        return CudaRunner(backbone, engine, stage=stage, blocks=blocks)
    from headstart.engines.torch_cpu import TorchRunner

    return TorchRunner(backbone, engine, size, stage=stage, blocks=blocks)
