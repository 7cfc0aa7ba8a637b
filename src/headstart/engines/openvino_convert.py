"""From a torch network to OpenVINO's form of it, as bytes."""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.engines.block_pass import BlockPass
from headstart.engines.capabilities import import_openvino
from headstart.engines.frozen_network import FrozenPass
from headstart.errors import EngineError
from headstart.runtime.warnings import QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock
    from headstart.engines.network_cache import NetworkCache

_FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, KeyError, NotImplementedError)


def network_facts(
    backbone: Backbone,
    size: tuple[int, int],
    batch_size: int,
    stage: str | None,
    dtype: np.dtype[Any] | None = None,
    *,
    blocks: Sequence[FeatureBlock] = (),
) -> dict[str, Any]:
    """Everything a converted network is made from."""
    facts = {
        "backbone": backbone.name,
        "tensors": backbone.tensors_sha256,
        "normalisation": [list(backbone.mean), list(backbone.std)],
        "size": list(size),
        "batch_size": batch_size,
        "stage": stage,
        "versions": {name: importlib.metadata.version(name) for name in ("openvino", "timm", "torch")},
    }
    of_blocks = {"blocks": [block.name for block in blocks]} if blocks else {}
    return {**facts, **of_blocks, **({"input": "f32"} if _are_floats(dtype) else {})}


def converted(
    backbone: Backbone,
    size: tuple[int, int],
    batch_size: int,
    stage: str | None = None,
    *,
    blocks: Sequence[FeatureBlock] = (),
    network_cache: NetworkCache | None = None,
    dtype: np.dtype[Any] | None = None,
) -> bytes:
    """A backbone converted for OpenVINO, read from the cache of networks, or made and stored there.

    Raises
    ------
    EngineError
        When OpenVINO cannot express the network.
    """
    facts = network_facts(backbone, size, batch_size, stage, dtype, blocks=blocks)
    kept = None if network_cache is None else network_cache.load(facts)
    if kept is None:
        kept = to_bytes(convert(backbone, size, batch_size, stage, dtype, blocks=blocks))
        if network_cache is not None:
            network_cache.store(facts, kept)
    return kept


def convert(
    backbone: Backbone,
    size: tuple[int, int],
    batch_size: int,
    stage: str | None = None,
    dtype: np.dtype[Any] | None = None,
    *,
    blocks: Sequence[FeatureBlock] = (),
) -> Any:
    """A backbone as an OpenVINO model that takes pixels (batch_size, height, width, 3), uint8 or float32.

    Raises
    ------
    EngineError
        When OpenVINO cannot express the network.
    """
    openvino = import_openvino()
    device = next(backbone.module.parameters()).device
    blank = torch.zeros(batch_size, backbone.n_channels, *size)
    frozen = FrozenPass(backbone.staged, stage)
    module = (BlockPass(frozen, backbone.staged, blocks) if blocks else frozen).cpu()
    try:
        with QUIET, torch.no_grad():  # of warnings about shapes that become constants: they are constant here
            traced = torch.jit.trace(module, blank, check_trace=False)  # type: ignore[no-untyped-call]
            model = openvino.convert_model(traced, example_input=blank, input=[list(blank.shape)])
    except _FAILURES as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EngineError(
            f"OpenVINO cannot run the backbone {backbone.name!r} ({reason}). Use --engine torch."
        ) from error
    finally:
        module.to(device)
    return _takes_pixels(model, backbone, floats=_are_floats(dtype))


def _are_floats(dtype: np.dtype[Any] | None) -> bool:
    return dtype is not None and dtype == np.float32


def _takes_pixels(model: Any, backbone: Backbone, *, floats: bool) -> Any:
    """The model with normalisation as its first step."""
    openvino = import_openvino()
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    given = openvino.Type.f32 if floats else openvino.Type.u8
    steps.input().tensor().set_element_type(given).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    scaled = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    scaled.mean([value * 255 for value in backbone.mean]).scale([value * 255 for value in backbone.std])
    steps.output().tensor().set_element_type(openvino.Type.f32)
    return steps.build()


def to_bytes(model: Any) -> bytes:
    """An OpenVINO model as the bytes of one safetensors file: its graph and its weights.

    Equal models give equal bytes: the parts are named by their order, since the names that OpenVINO and nncf give hold
    a count of everything the process has made so far.

    Raises
    ------
    EngineError
        When the folder for temporary files has no room.
    """
    from safetensors.numpy import save

    for number, part in enumerate(model.get_ordered_ops()):
        part.set_friendly_name(f"part{number}")
    model.set_friendly_name("network")
    try:
        with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
            path = Path(folder) / "network.xml"
            import_openvino().save_model(model, str(path), compress_to_fp16=False)
            parts = {
                "graph": np.frombuffer(path.read_bytes(), dtype=np.uint8),
                "weights": np.frombuffer(path.with_suffix(".bin").read_bytes(), dtype=np.uint8),
            }
    except (OSError, RuntimeError) as error:  # RuntimeError is what OpenVINO makes of a full disk
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EngineError(
            f"The converted network cannot be written to the folder for temporary files ({reason}). Free some space "
            "there, or name another folder in the environment variable TMPDIR."
        ) from error
    return bytes(save(parts))


def from_bytes(core: Any, content: bytes) -> Any:
    """The model that `to_bytes` wrote.

    Raises
    ------
    EngineError
        When the bytes are something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    openvino = import_openvino()
    try:
        parts = load(content)
        return core.read_model(parts["graph"].tobytes(), openvino.Tensor(parts["weights"].copy()))
    except (SafetensorError, KeyError, RuntimeError, TypeError) as error:
        raise EngineError(f"The converted network cannot be read ({error}). Run the command again.") from error
