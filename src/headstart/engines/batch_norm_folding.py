"""Batch normalisation multiplied into the convolution before it: one pass over the maps less."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

TOLERANCE = 1e-5
_PROBE_SEED = 0


def fold_batch_norms(module: nn.Module, size: tuple[int, int], *, n_channels: int = 3) -> nn.Module:
    """A copy of a frozen network with its batch normalisations folded into the convolutions before them.

    Which normalisation reads which convolution is seen by running the network once, so its code need not be traced.
    What else might read the convolution cannot be seen; so the copy is run beside the original on noise, and where the
    two differ by more than `TOLERANCE` of the largest value the original is given back, which is slower but right.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode, on the CPU; it is left as it is.
    size : (int, int)
        Height and width of the noise in pixels.
    n_channels : int
        Channels of an image.
    """
    generator = torch.Generator().manual_seed(_PROBE_SEED)
    noise = torch.randn(2, n_channels, *size, generator=generator).contiguous(memory_format=torch.channels_last)
    pairs, expected = followed_by_norm(module, noise)
    if not pairs:
        return module
    folded = copy.deepcopy(module)
    for convolution, norm in pairs:
        _fold(folded, convolution, norm)
    with torch.inference_mode():
        found = folded(noise)
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return folded if bool((found - expected).abs().max() <= TOLERANCE * scale) else module


def followed_by_norm(module: nn.Module, images: torch.Tensor) -> tuple[list[tuple[str, str]], torch.Tensor]:
    """Names of every convolution and the batch normalisation that is given its output; and the module's output.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode.
    images : Tensor
        An input of it.
    """
    made_by: dict[int, str] = {}
    kept: list[torch.Tensor] = []  # alive until the end, so that no two tensors share an id
    pairs: list[tuple[str, str]] = []
    calls: Counter[str] = Counter()

    def after(name: str) -> Any:
        def hook(layer: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            calls[name] += 1
            if isinstance(layer, nn.Conv2d):
                made_by[id(output)] = name
                kept.append(output)
            elif id(given[0]) in made_by:
                pairs.append((made_by[id(given[0])], name))

        return hook

    layers = [(name, layer) for name, layer in module.named_modules() if _is_foldable(layer)]
    hooks = [layer.register_forward_hook(after(name)) for name, layer in layers]
    try:
        with torch.inference_mode():
            output = module(images)
    finally:
        for hook in hooks:
            hook.remove()
    return [pair for pair in pairs if all(calls[name] == 1 for name in pair)], output


def _is_foldable(layer: nn.Module) -> bool:
    if isinstance(layer, nn.BatchNorm2d):
        return bool(layer.track_running_stats)
    return isinstance(layer, nn.Conv2d)


def _fold(module: nn.Module, convolution_name: str, norm_name: str) -> None:
    """Fold one pair in place; what else the normalisation does (timm's carry the activation) is kept."""
    convolution: Any = module.get_submodule(convolution_name)
    norm: Any = module.get_submodule(norm_name)
    values = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    # in double precision: the folded weights are rounded once, not three times
    mean, variance, weight, bias = (value.double() if torch.is_tensor(value) else value for value in values)
    old_bias = None if convolution.bias is None else convolution.bias.double()
    kernel, shift = fuse_conv_bn_weights(convolution.weight.double(), old_bias, mean, variance, norm.eps, weight, bias)
    layout = torch.channels_last
    convolution.weight = nn.Parameter(kernel.float().contiguous(memory_format=layout), requires_grad=False)
    convolution.bias = nn.Parameter(shift.float(), requires_grad=False)
    rest = [getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)]
    parent, _, own = norm_name.rpartition(".")
    setattr(module.get_submodule(parent), own, nn.Sequential(*rest) if rest else nn.Identity())
