"""Update rules of `torch.optim`, on lists of tensors, in place, with as few passes over memory as torch offers.

Each rule is the one of the torch class of that name with its defaults; tests hold them against those classes. SGD, Adam
and AdamW are torch's fused kernels (one pass). RMSprop is the fused Adam kernel with beta1 = 0 after endless steps: its
first moment is then the gradient, which is stored in the gradient's own memory, and its bias corrections are 1. AdaMax
and NAdam have no fused kernel and are written out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = Sequence[Tensor]

EPSILON = 1e-8
BETA_1, BETA_2 = 0.9, 0.999
MOMENTUM = 0.9
RMS_SMOOTHING = 0.99  # alpha of torch.optim.RMSprop
MOMENTUM_DECAY = 0.004  # of torch.optim.NAdam
LARGEST = float(torch.finfo(torch.float32).max)
ENDLESS = 1e9
"""Number of steps after which a bias correction is 1 to the last bit."""


@dataclass
class Clock:
    """Number of steps taken so far, and what the rules derive from it.

    Attributes
    ----------
    step : int
        Number of the current step, 1 in the first.
    counter : Tensor of shape (), float32
        The same number where the fused kernels read it.
    momentum_product : float
        NAdam's product of momentum factors up to this step.
    """

    device: torch.device
    step: int = 0
    momentum_product: float = 1.0

    def __post_init__(self) -> None:
        self.counter = torch.zeros((), device=self.device)
        self.endless = torch.full((), ENDLESS, device=self.device)

    def tick(self) -> None:
        """Begin the next step."""
        self.step += 1
        self.counter.fill_(self.step)
        self.momentum_product *= nadam_momentum(self.step)


@dataclass(frozen=True)
class StepSettings:
    """Learning rate and weight decay of an update, which differ between the heads of a stack."""

    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class UpdateRule:
    """An optimizer: how many running averages it keeps, and its update.

    Attributes
    ----------
    n_moments : int
        Number of running averages kept for every parameter, all 0 at first.
    update : callable
        Function of (parameters, gradients, moments of each kind, clock, settings), all lists of equal length; changes
        parameters and moments in place. Gradients are scratch afterwards.
    """

    n_moments: int
    update: Callable[[Tensors, Tensors, Sequence[Tensors], Clock, StepSettings], None]


def _sgd(
    weights: Tensors, gradients: Tensors, moments: Sequence[Tensors], clock: Clock, settings: StepSettings
) -> None:
    torch._fused_sgd_(
        list(weights),
        list(gradients),
        list(moments[0]) if moments else [],
        weight_decay=settings.weight_decay,
        momentum=MOMENTUM if moments else 0.0,
        lr=settings.learning_rate,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,  # moments begin at 0, so the first step needs no case of its own
    )


def _adam(
    weights: Tensors, gradients: Tensors, moments: Sequence[Tensors], clock: Clock, settings: StepSettings
) -> None:
    _fused_adam(weights, gradients, moments, clock.counter, settings)


def _adamw(
    weights: Tensors, gradients: Tensors, moments: Sequence[Tensors], clock: Clock, settings: StepSettings
) -> None:
    _fused_adam(weights, gradients, moments, clock.counter, settings, decoupled=True)


def _rmsprop(
    weights: Tensors, gradients: Tensors, moments: Sequence[Tensors], clock: Clock, settings: StepSettings
) -> None:
    _fused_adam(weights, gradients, (gradients, moments[0]), clock.endless, settings, betas=(0.0, RMS_SMOOTHING))


def _fused_adam(
    weights: Tensors,
    gradients: Tensors,
    moments: Sequence[Tensors],
    counter: Tensor,
    settings: StepSettings,
    *,
    betas: tuple[float, float] = (BETA_1, BETA_2),
    decoupled: bool = False,
) -> None:
    kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
    kernel(
        list(weights),
        list(gradients),
        list(moments[0]),
        list(moments[1]),
        [],
        [counter] * len(weights),
        lr=settings.learning_rate,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=settings.weight_decay,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
    )


def _adamax(
    weights: Tensors, gradients: Tensors, moments: Sequence[Tensors], clock: Clock, settings: StepSettings
) -> None:
    rate = _float32(settings.learning_rate / (1.0 - BETA_1**clock.step))
    decay = _float32(settings.weight_decay)
    for weight, gradient, mean, largest in zip(weights, gradients, *moments, strict=True):
        if decay:
            gradient.add_(weight, alpha=decay)
        mean.lerp_(gradient, 1.0 - BETA_1)
        gradient.abs_().add_(EPSILON)
        torch.maximum(largest.mul_(BETA_2), gradient, out=largest)
        weight.addcdiv_(mean, largest, value=-rate)


def _nadam(
    weights: Tensors, gradients: Tensors, moments: Sequence[Tensors], clock: Clock, settings: StepSettings
) -> None:
    now, following = nadam_momentum(clock.step), nadam_momentum(clock.step + 1)
    own = _float32(settings.learning_rate * (1.0 - now) / (1.0 - clock.momentum_product))
    averaged = _float32(settings.learning_rate * following / (1.0 - clock.momentum_product * following))
    decay = _float32(settings.weight_decay)
    for weight, gradient, mean, square in zip(weights, gradients, *moments, strict=True):
        if decay:
            gradient.add_(weight, alpha=decay)
        mean.lerp_(gradient, 1.0 - BETA_1)
        square.mul_(BETA_2).addcmul_(gradient, gradient, value=1.0 - BETA_2)
        scale = square.div(1.0 - BETA_2**clock.step).sqrt_().add_(EPSILON)
        weight.addcdiv_(gradient, scale, value=-own).addcdiv_(mean, scale, value=-averaged)


def _float32(factor: float) -> float:
    """The factor, infinite beyond float32: such a head is to fail alone, where torch would refuse the whole stack."""
    return factor if abs(factor) <= LARGEST else math.inf


def nadam_momentum(step: int) -> float:
    """Momentum factor of NAdam in a step.

    >>> round(nadam_momentum(1), 6)
    0.450073
    """
    return float(BETA_1 * (1.0 - 0.5 * 0.96 ** (step * MOMENTUM_DECAY)))


RULES: dict[str, UpdateRule] = {
    "sgd": UpdateRule(0, _sgd),
    "momentum": UpdateRule(1, _sgd),
    "rmsprop": UpdateRule(1, _rmsprop),
    "adam": UpdateRule(2, _adam),
    "adamw": UpdateRule(2, _adamw),
    "adamax": UpdateRule(2, _adamax),
    "nadam": UpdateRule(2, _nadam),
}
