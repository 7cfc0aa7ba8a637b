"""A stack of dense heads: weights and running averages side by side, and which of them share calls.

Axes: `lane` is one head of the stack; activations lie as (lanes, units, rows), so that what belongs to one lane is
contiguous and the product of all lanes with the rows they share is one matrix product. A bias is the weight of an input
that is always one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from headstart.heads.batched.activations import ACTIVATIONS, Activation
from headstart.heads.batched.optimizers import RULES, Clock, StepSettings, UpdateRule
from headstart.heads.batched.plan import Lane, Shape
from headstart.heads.batched.random_draws import RandomDraws
from headstart.heads.spec import HeadSpec

UPDATED_NUMBERS = 150_000
"""Weights of the first layer that are updated at once on a CPU: their gradient never leaves the level-2 cache."""

PRODUCT_NUMBERS = {torch.float32: UPDATED_NUMBERS, torch.bfloat16: 2 * UPDATED_NUMBERS}
"""Weights of the first layer whose gradient is one product on a CPU; small products in bf16 are slow."""


@dataclass(frozen=True)
class ActivationGroup:
    """Neighbouring lanes of one activation and one dropout rate."""

    start: int
    stop: int
    activation: Activation
    dropout: float


@dataclass(frozen=True)
class Block:
    """Rows of the first layer's weights that one update changes, and their running averages."""

    rows: slice
    weights: Tensor
    low: Tensor | None  # the bf16 copy, where products are in bf16
    moments: list[list[Tensor]]  # of each kind, a list as long as what is updated together


@dataclass(frozen=True)
class UpdateGroup:
    """Neighbouring lanes of one optimizer, learning rate and weight decay."""

    start: int
    stop: int
    rule: UpdateRule
    settings: StepSettings
    products: list[list[Block]]  # blocks whose gradient is computed at once
    upper: list[Tensor]  # weights of the layers after the first
    upper_moments: list[list[Tensor]]


class Stack:
    """Weights and running averages of dense heads of one shape.

    Parameters
    ----------
    lanes : sequence of Lane
    shape : Shape
    draws : RandomDraws
        Source of the initial values, the same for every lane.
    device : torch.device
    precision : {"fp32", "bf16"}
        Precision of the two large products of a step. Weights, updates and all else are fp32.
    """

    def __init__(
        self, lanes: Sequence[Lane], shape: Shape, draws: RandomDraws, device: torch.device, precision: str
    ) -> None:
        self.shape, self.device, self.n_lanes = shape, device, len(lanes)
        self.dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        self.weights = [
            _joined(weights, bias, columns).to(device).repeat(len(lanes), 1, 1)
            for (weights, bias), (_, columns) in zip(draws.initial(shape), shape.matrices, strict=True)
        ]
        first = self.weights[0].flatten(0, 1)
        self.first = first if self.dtype == torch.float32 else first.to(self.dtype)  # (lanes * outputs, columns)
        self.clock = Clock(device)
        self.alike = [
            ActivationGroup(start, stop, ACTIVATIONS[str(first.settings["activation"])], first.number("dropout"))
            for start, stop, first in _runs(lanes, ("activation", "dropout"))
        ]
        self.updated = [
            self._updated(start, stop, first)
            for start, stop, first in _runs(lanes, ("optimizer", "learning_rate", "weight_decay"))
        ]

    def _updated(self, start: int, stop: int, spec: HeadSpec) -> UpdateGroup:
        rule, settings = (
            RULES[str(spec.settings["optimizer"])],
            StepSettings(spec.number("learning_rate"), spec.number("weight_decay")),
        )
        outputs = self.shape.matrices[0][0]
        first = self.weights[0].flatten(0, 1)

        def block(rows: slice) -> Block:
            low = None if self.dtype == torch.float32 else self.first[rows]
            return Block(rows, first[rows], low, _zeros([first[rows]], rule.n_moments))

        products = [
            [block(rows) for rows in self._parts(product, UPDATED_NUMBERS)]
            for product in self._parts(slice(start * outputs, stop * outputs), PRODUCT_NUMBERS[self.dtype])
        ]
        upper = [weights[start:stop] for weights in self.weights[1:]]
        return UpdateGroup(start, stop, rule, settings, products, upper, _zeros(upper, rule.n_moments))

    def _parts(self, rows: slice, n_numbers: int) -> list[slice]:
        """Rows of the first layer cut into equal parts of at most so many weights; whole on another device."""
        n_rows = rows.stop - rows.start
        n_parts = -(-n_rows * self.shape.n_columns // n_numbers) if self.device.type == "cpu" else 1
        size = -(-n_rows // n_parts)
        return [slice(begin, min(begin + size, rows.stop)) for begin in range(rows.start, rows.stop, size)]

    def finite(self) -> Tensor:
        """Whether all parameters of a lane are finite; (lanes,), bool."""
        checks = [torch.isfinite(weights).flatten(1).all(dim=1) for weights in self.weights]
        return torch.stack(checks).all(dim=0)

    def scores(self, inputs: Tensor) -> Tensor:
        """Unnormalised log probabilities (lanes, classes, rows) in fp32, dropout off, of inputs (rows, columns)."""
        outputs = self.shape.matrices[0][0]
        values = torch.mm(self.weights[0].flatten(0, 1), inputs.t()).view(self.n_lanes, outputs, len(inputs))
        ones = torch.ones((self.n_lanes, 1, len(inputs)), device=self.device)
        for weights in self.weights[1:]:
            after = torch.empty_like(values)
            for alike in self.alike:
                alike.activation.apply(values[alike.start : alike.stop], after[alike.start : alike.stop])
            values = torch.bmm(weights, torch.cat([after, ones], dim=1))
        return values


def _joined(weights: Tensor, bias: Tensor, n_columns: int) -> Tensor:
    """Weights (outputs, inputs), the bias as a column after them, and zeros up to `n_columns`."""
    joined = torch.zeros((len(weights), n_columns))
    joined[:, : weights.shape[1]] = weights
    joined[:, weights.shape[1]] = bias
    return joined


def _zeros(tensors: Sequence[Tensor], n: int) -> list[list[Tensor]]:
    return [[torch.zeros_like(tensor) for tensor in tensors] for _ in range(n)]


def _runs(lanes: Sequence[Lane], names: Sequence[str]) -> Iterator[tuple[int, int, HeadSpec]]:
    """First lane, lane after the last, and the first spec, of neighbouring lanes that agree in the settings named."""
    start = 0
    for _, members in itertools.groupby(lanes, key=lambda lane: tuple(lane.spec.settings[n] for n in names)):
        n = len(list(members))
        yield start, start + n, lanes[start].spec
        start += n
