"""Batch normalisation with fixed statistics multiplied into the kernels on the way, while both are trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from headstart.engines.batch_norm_folding import followed_by_norm

TOLERANCE = 1e-4
"""Largest difference that rounding may make, as a share of the largest output."""


class FoldedConvolution(nn.Module):
    """A convolution and the batch normalisation after it, in one pass over the maps.

    With fixed statistics the normalisation is a scale and a shift of each channel. Multiplied into the kernel, which
    is small, instead of the map, which is large, the output is the same, and so are the gradients of all parameters:
    autograd takes them through the product.

    Parameters
    ----------
    convolution : torch.nn.Conv2d
        Loses its weight and bias to this module, which hands it the product at every call.
    norm : torch.nn.BatchNorm2d
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.kernel = convolution.weight
        self.old_bias = convolution.bias
        self.gain = norm.weight
        self.shift = norm.bias
        self.eps = norm.eps
        self.register_buffer("mean", norm.running_mean)
        self.register_buffer("variance", norm.running_var)
        # as plain attributes: whatever the class of the convolution does with its weight, it does with the product
        del convolution.weight, convolution.bias
        self.convolution = convolution
        plain = type(convolution) is nn.Conv2d and convolution.padding_mode == "zeros"
        self.quick = plain and not isinstance(convolution.padding, str)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Output of the normalisation."""
        scale = torch.rsqrt(self.variance + self.eps)
        if self.gain is not None:
            scale = scale * self.gain
        moved = -self.mean if self.old_bias is None else self.old_bias - self.mean
        bias = moved * scale
        kernel = self.kernel * scale.view(-1, 1, 1, 1)
        bias = bias if self.shift is None else bias + self.shift
        if self.quick and not torch.is_autocast_enabled(maps.device.type):
            given = self.convolution
            output: torch.Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]
                maps, kernel, bias, given.stride, given.padding, given.dilation, given.groups
            )
            return output
        convolution: Any = self.convolution
        convolution.weight, convolution.bias = kernel, bias
        output = convolution(maps)
        convolution.weight = convolution.bias = None  # of this call alone: the graph holds what it needs
        return output


class _Convolution(torch.autograd.Function):
    """A convolution whose backward pass asks oneDNN only for what it is quick at.

    On the CPU the gradient of the bias costs a depthwise convolution more than half of its whole backward pass when
    oneDNN computes it (12 of 32 ms for 672 channels of 16 x 16, batch 32), and next to nothing as a sum of its own; the
    gradient of a pointwise kernel is a matrix product, which is a fifth quicker as such.
    """

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor, *how: Any) -> torch.Tensor:
        ctx.save_for_backward(maps, kernel)
        ctx.how = how
        return nn.functional.conv2d(maps, kernel, bias, *how)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        maps, kernel = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.how
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        is_product = kernel.shape[2:] == (1, 1) and groups == 1 and tuple(stride) == (1, 1) and tuple(padding) == (0, 0)
        needed = [ctx.needs_input_grad[0], ctx.needs_input_grad[1] and not is_product, False]
        of_maps = of_kernel = None
        if any(needed):
            of_maps, of_kernel, _ = torch.ops.aten.convolution_backward(
                gradient, maps, kernel, None, stride, padding, dilation, False, [0, 0], groups, needed
            )
        if is_product and ctx.needs_input_grad[1]:
            rows, inputs = (given.permute(0, 2, 3, 1).reshape(-1, given.shape[1]) for given in (gradient, maps))
            of_kernel = (rows.t() @ inputs).view_as(kernel)
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_maps, of_kernel, of_bias, None, None, None, None


def fold_for_training(module: nn.Module, sample: torch.Tensor) -> bool:
    """Fold every batch normalisation of a module in place; the parameters stay the same objects.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode.
    sample : Tensor
        An input: running it shows which normalisation follows which convolution, and whether the outputs agree.

    Returns
    -------
    bool
        False where something else reads a convolution, so that folding would change the output: then nothing is done.
    """
    pairs, expected = followed_by_norm(module, sample)
    before = [(name, module.get_submodule(name)) for pair in pairs for name in pair]
    owned = {name: (layer.weight, layer.bias) for name, layer in before}
    for convolution, norm in pairs:
        _fold(module, convolution, norm)
    if _agrees(module, sample, expected):
        return bool(pairs)
    for name, layer in before:
        _put(module, name, layer)
        if isinstance(layer, nn.Conv2d):
            layer.weight, layer.bias = owned[name]  # type: ignore[assignment]
    return False


def _agrees(module: nn.Module, sample: torch.Tensor, expected: torch.Tensor) -> bool:
    try:
        with torch.no_grad():
            found = module(sample)
    except (AttributeError, RuntimeError):
        return False  # the module reaches for a layer by another way than its own children
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return bool((found - expected).abs().max() <= TOLERANCE * scale)


def _fold(module: nn.Module, convolution_name: str, norm_name: str) -> None:
    convolution: Any = module.get_submodule(convolution_name)
    norm: Any = module.get_submodule(norm_name)
    rest = [getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)]
    _put(module, convolution_name, FoldedConvolution(convolution, norm))
    _put(module, norm_name, nn.Sequential(*rest) if rest else nn.Identity())


def _put(module: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, layer)
