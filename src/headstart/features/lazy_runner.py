"""A network that is made ready when the first image comes, and what it cannot compute, in words."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock
    from headstart.engines import Runner
    from headstart.engines.engine import Engine
    from headstart.engines.network_cache import NetworkCache


class LazyRunner:
    """A network in an engine, made ready once for every type of pixels, when the first of them come.

    Several extractors may share one, and several threads; a copy in another process makes its own ready.

    Parameters
    ----------
    backbone : Backbone
    engine : Engine
    size : (int, int)
        Height and width of its input in pixels.
    stage : str, optional
        Give the output of this stage. None: pooled features.
    blocks : sequence of FeatureBlock
        Blocks that it gives; none: the pooled output of the last stage.
    network : bytes, optional
        The quantised network of an int8 engine.
    network_cache : NetworkCache, optional
        Where converted networks are kept between runs.
    """

    def __init__(
        self,
        backbone: Backbone,
        engine: Engine,
        size: tuple[int, int],
        *,
        stage: str | None = None,
        blocks: Sequence[FeatureBlock] = (),
        network: bytes | None = None,
        network_cache: NetworkCache | None = None,
    ) -> None:
        self._backbone, self._engine, self._size = backbone, engine, size
        self._stage, self._blocks = stage, tuple(blocks)
        self._network, self._network_cache = network, network_cache
        self._runners: dict[str, Runner] = {}
        self._lock = threading.Lock()

    def compute(self, pixels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[np.float32]:
        """Rows of at most one batch of prepared images, whose pixels are of a type.

        Raises
        ------
        EngineError
            When the machine lacks what the engine needs, memory for a batch above all, or values leave the range of
            the engine's numbers.
        """
        engine, name = self._engine, self._backbone.name
        try:
            rows = self._ready(dtype).compute(pixels)
        except (RuntimeError, MemoryError) as error:  # what torch and OpenVINO make of every refusal
            height, width = self._size
            raise EngineError(
                f"{engine.label} cannot compute {name!r} for batches of {engine.batch_size} images of {height} x "
                f"{width} pixels ({_reason(error)}). Where memory is short, use a smaller --batch-size or "
                "--input-size; else try --engine torch --precision fp32."
            ) from error
        if engine.precision != "fp32" and not np.isfinite(rows).all():
            raise EngineError(
                f"Features of {name!r} leave the range of {engine.precision} numbers. Use --precision fp32."
            )
        return rows

    def release(self) -> None:
        """Let go of the network that was made ready; it is made ready anew when another image comes."""
        with self._lock:
            self._runners.clear()

    def _ready(self, dtype: np.dtype[Any]) -> Runner:
        """The runner, made when the first image comes."""
        from headstart.engines import make_runner

        with self._lock:
            if dtype.name not in self._runners:
                self._runners[dtype.name] = make_runner(
                    self._backbone,
                    self._engine,
                    self._size,
                    stage=self._stage,
                    blocks=self._blocks,
                    network=self._network,
                    network_cache=self._network_cache,
                    dtype=dtype,
                )
            return self._runners[dtype.name]

    def __getstate__(self) -> dict[str, Any]:
        """Without what was made ready, which is made anew where it is needed."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_runners", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._runners, self._lock = {}, threading.Lock()


def half_precision(rows: NDArray[np.float32], stage: str) -> NDArray[np.float16]:
    """Rows of a stage as 16-bit floats.

    Raises
    ------
    EngineError
        When a value is too large for them.
    """
    largest = float(np.abs(rows).max(initial=0.0))
    if largest > float(np.finfo(np.float16).max):
        raise EngineError(
            f"The output of stage {stage!r} reaches {largest:.3g}, more than 16-bit floats hold (65,504). "
            "Choose another stage."
        )
    return rows.astype(np.float16)


def _reason(error: BaseException) -> str:
    """The error on one line, which for OpenVINO's begins with names of its source files."""
    return " ".join(str(error).split())[:300] or type(error).__name__
