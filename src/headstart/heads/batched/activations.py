"""Activations and their derivatives by torch's own kernels, into memory that is already there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805

_aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An activation and its derivative.

    Attributes
    ----------
    apply : callable
        Function of (before, after): writes the activation of `before` into `after`.
    pull_back : callable
        Function of (gradient, before, after): multiplies the gradient, in place, by the derivative.
    needs_before : bool
        Whether `pull_back` reads `before`; where not, `before` and `after` may be the same memory.
    """

    apply: Callable[[Tensor, Tensor], object]
    pull_back: Callable[[Tensor, Tensor, Tensor], object]
    needs_before: bool = False


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(
        lambda before, after: torch.clamp_min(before, 0.0, out=after),
        lambda gradient, _, after: _aten.threshold_backward.grad_input(gradient, after, 0.0, grad_input=gradient),
    ),
    "sigmoid": Activation(
        lambda before, after: torch.sigmoid(before, out=after),
        lambda gradient, _, after: _aten.sigmoid_backward.grad_input(gradient, after, grad_input=gradient),
    ),
    "tanh": Activation(
        lambda before, after: torch.tanh(before, out=after),
        lambda gradient, _, after: _aten.tanh_backward.grad_input(gradient, after, grad_input=gradient),
    ),
    "gelu": Activation(
        lambda before, after: _aten.gelu.out(before, approximate="none", out=after),
        lambda gradient, before, _: _aten.gelu_backward.grad_input(
            gradient, before, approximate="none", grad_input=gradient
        ),
        needs_before=True,
    ),
    "selu": Activation(
        lambda before, after: _aten.elu.out(before, SELU_ALPHA, SELU_SCALE, 1.0, out=after),
        lambda gradient, _, after: _aten.elu_backward.grad_input(
            gradient, SELU_ALPHA, SELU_SCALE, 1.0, True, after, grad_input=gradient
        ),
    ),
}
