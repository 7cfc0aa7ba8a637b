"""OpenVINO on the CPU: several streams side by side, each on its share of the threads."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.engines.capabilities import import_openvino, openvino_absence, openvino_precisions
from headstart.engines.engine import Engine
from headstart.engines.openvino_convert import converted, from_bytes
from headstart.engines.protocol import fill_up
from headstart.errors import EngineError
from headstart.storage import hash_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock
    from headstart.engines.network_cache import NetworkCache

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # int8: of what stays in floating point


class OpenVinoRunner:
    """The forward pass with OpenVINO, which fuses whole blocks and computes bf16 and int8 in hardware.

    Parameters
    ----------
    backbone : Backbone
    engine : Engine
    size : (int, int)
        Height and width of the images in pixels.
    stage : str, optional
    blocks : sequence of FeatureBlock, optional
    network : bytes, optional
        The quantised network that int8 needs.
    network_cache : NetworkCache, optional
    dtype : {uint8, float32}, optional
        Type of the pixels that come. Default: uint8.

    Raises
    ------
    EngineError
        When OpenVINO or the precision is not there, it cannot run the network, or the quantised network is missing or
        another one.
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
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        _check_there(engine)
        core = import_openvino().Core()
        if engine.precision == "int8":
            model = from_bytes(core, _checked(network, engine))
        else:
            content = converted(
                backbone, size, engine.batch_size, stage, blocks=blocks, network_cache=network_cache, dtype=dtype
            )
            model = from_bytes(core, content)
        self._batch_size = engine.batch_size
        self._takes_floats = model.input().get_element_type().to_dtype() == np.float32
        compiled = _compiled(core, model, backbone.name, engine)
        # as many requests as streams: a request is one caller's at a time, and holds its own input and output
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(engine.n_streams):
            self._requests.put(compiled.create_infer_request())

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """See `Runner.compute`; callers beyond the number of streams wait for a free one."""
        filled = fill_up(pixels, self._batch_size)
        if self._takes_floats:  # a network quantised for floats is tried on bytes, which they hold exactly
            filled = filled.astype(np.float32, copy=False)
        request = self._requests.get()
        try:
            request.start_async([filled], share_inputs=True)
            request.wait()  # lets other threads run
            return np.array(request.get_output_tensor(0).data[: len(pixels)], dtype=np.float32)  # a copy
        finally:
            self._requests.put(request)


def _compiled(core: Any, model: Any, name: str, engine: Engine) -> Any:
    try:
        return core.compile_model(model, "CPU", _settings(engine))
    except RuntimeError as error:  # too little memory, or an operation that the CPU lacks
        reason = " ".join(str(error).split())[:300]  # its first line names only a file of OpenVINO's own source
        raise EngineError(
            f"OpenVINO cannot make the backbone {name!r} ready in {engine.precision} ({reason}). Use --engine torch."
        ) from error


def _settings(engine: Engine) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": _HINTS[engine.precision],
        "NUM_STREAMS": engine.n_streams,
        "INFERENCE_NUM_THREADS": engine.n_threads,
        "ENABLE_CPU_PINNING": False,  # two runs on one machine would be pinned to the same processors
    }


def _check_there(engine: Engine) -> None:
    if openvino_absence():
        raise EngineError(f"{openvino_absence()}, but the engine asked for is OpenVINO. Use --engine torch.")
    if engine.precision not in openvino_precisions():
        raise EngineError(f"This processor has no {engine.precision} arithmetic. Use --precision fp32.")


def _checked(network: bytes | None, engine: Engine) -> bytes:
    if network is None:
        raise EngineError("The quantised network of int8 is missing. Run the fit again.")
    if hash_bytes(network) != engine.network_sha256:
        raise EngineError("The quantised network is not the one the features were computed with. Run the fit again.")
    return network
