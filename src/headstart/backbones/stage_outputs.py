"""Outputs of the stages of a network as they are pooled: maps, tokens or flat rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import nn

from headstart.backbones.feature_block import StageOutput

if TYPE_CHECKING:
    import torch

    from headstart.backbones.complexity import StageInfo
    from headstart.backbones.stages import StagedNetwork

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def stage_outputs(staged: StagedNetwork, size: tuple[int, int]) -> tuple[StageOutput, ...]:
    """Output of every stage for images of (height, width) pixels.

    Raises
    ------
    InputError
        When the network cannot take such images.
    """
    described = staged.describe(size)
    modules = [stage.module for stage in staged.stages]
    return tuple(_output(info, module, staged.network, size) for info, module in zip(described, modules, strict=True))


def _output(info: StageInfo, module: nn.Module, network: nn.Module, size: tuple[int, int]) -> StageOutput:
    shape = info.output_shape
    sides = None
    if len(shape) == 3:
        sides = (shape[0], shape[1]) if is_channels_last(network) else (shape[1], shape[2])
    return StageOutput(
        name=info.name,
        channels=info.channels,
        sides=sides,
        is_flat=len(shape) < 2,
        stride=None if sides is None else 2 ** round(math.log2(size[0] / sides[0])),
        is_pointwise=is_pointwise(module),
    )


def is_channels_last(network: nn.Module) -> bool:
    """Whether the maps of a network have their channels behind height and width."""
    return str(getattr(network, "output_fmt", "NCHW")) == "NHWC"


def is_pointwise(module: nn.Module) -> bool:
    """Whether a stage has nothing to learn but convolutions of one pixel and normalisations."""
    learning = [part for part in module.modules() if any(True for _ in part.parameters(recurse=False))]
    return all(isinstance(part, _NORMS) or _is_of_one_pixel(part) for part in learning)


def _is_of_one_pixel(part: nn.Module) -> bool:
    return isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1)


def patches(output: torch.Tensor, network: Any) -> torch.Tensor:
    """Output of a stage as (n_images, channels, height, width), or of tokens as (n_images, channels, n_patches).

    Tokens that stand for no patch (class, registers) are left out.
    """
    if output.ndim == 4:
        return output.permute(0, 3, 1, 2) if is_channels_last(network) else output
    return output[:, int(getattr(network, "num_prefix_tokens", 0)) :].transpose(1, 2)
