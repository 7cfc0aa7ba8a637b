"""Complexity of a network: output, parameters and multiply-adds of every stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class StageInfo:
    """Output, parameters and multiply-adds of one stage for one input size.

    Attributes
    ----------
    name : str
    channels : int
        Channels of its output.
    stride : float or None
        Side of the input over side of the output map; None where the output is no map.
    n_parameters : int
    multiply_adds : int
        Multiply-adds of convolutions, matrix products and attention, for one image.
    output_shape : tuple of int
        Shape of its output for one image, without the batch axis.
    """

    name: str
    channels: int
    stride: float | None
    n_parameters: int
    multiply_adds: int
    output_shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {**asdict(self), "output_shape": list(self.output_shape)}


def stage_facts(
    stages: Sequence[tuple[str, nn.Module]], input_size: tuple[int, int], network: nn.Module, *, n_channels: int = 3
) -> tuple[StageInfo, ...]:
    """Facts of every stage, from one blank image run through them on the device the network lies on.

    Parameters
    ----------
    stages : sequence of (name, module)
    input_size : tuple of int
        (height, width) in pixels.
    network : torch.nn.Module
        The whole, which says how its maps and tokens are laid out.
    n_channels : int
        Channels of an image.
    """
    maps = torch.zeros(1, n_channels, *input_size, device=next(network.parameters()).device)
    found = []
    for name, module in stages:
        multiply_adds, maps = count_multiply_adds(module, maps)
        channels, side = _channels_and_side(tuple(maps.shape[1:]), network)
        found.append(
            StageInfo(
                name=name,
                channels=channels,
                stride=None if side is None else round(input_size[0] / side, 2),
                n_parameters=count_parameters(module),
                multiply_adds=multiply_adds,
                output_shape=tuple(maps.shape[1:]),
            )
        )
    return tuple(found)


def count_parameters(module: nn.Module) -> int:
    """Number of values that training could change; statistics of batch normalisation are none."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_multiply_adds(module: nn.Module, images: torch.Tensor) -> tuple[int, torch.Tensor]:
    """Multiply-adds of one pass (half of torch's count of floating point operations), and its output.

    Attention runs as plain matrix products meanwhile: torch does not count its fused kernels on every device.
    """
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _OperationCounter() as counter:
        output = module(images)
    return counter.n_operations // 2, output


class _OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Floating point operations by torch's own formulas, as `torch.utils.flop_counter.FlopCounterMode` counts them.

    That one imports torch's compiler with its first operation, which takes longer than the counting.

    Attributes
    ----------
    n_operations : int
        Operations so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.n_operations = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch marks the method below as not to be compiled, by its compiler."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation; one that is made of others counts as these."""
        kwargs = kwargs or {}
        if isinstance(func, OpOverload) and func is not torch.ops.prim.device.default:
            with self:
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        output = func(*args, **kwargs)
        formula = flop_registry.get(getattr(func, "overloadpacket", None))
        if formula is not None:
            self.n_operations += formula(*args, **kwargs, out_val=output)
        return output


def _channels_and_side(shape: tuple[int, ...], network: nn.Module) -> tuple[int, int | None]:
    """Channels and height of an output: a map (channels first or last), tokens of a square grid, or a flat row."""
    if len(shape) == 3:
        last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        return (shape[2], shape[0]) if last else (shape[0], shape[1])
    if len(shape) == 2:
        n_tokens = shape[0] - int(getattr(network, "num_prefix_tokens", 0))
        side = math.isqrt(max(n_tokens, 0))
        return shape[1], side if side > 0 and side * side == n_tokens else None
    return shape[-1], None
