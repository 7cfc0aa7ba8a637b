"""A stack of dense heads: weights side by side, one forward and one backward pass for all, written by hand.

Axes: `lane` is one head of the stack; activations lie as (lanes, units, rows), so that what belongs to one lane is
contiguous and the product of all lanes with the rows they share is one matrix product. A bias is the weight of an input
that is always one. No operation adds numbers of different lanes: one that diverges leaves the others as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from headstart.heads.spec import HeadSpec
from headstart.heads.stacked.activations import ACTIVATIONS, Activation
from headstart.heads.stacked.draws import Draws
from headstart.heads.stacked.optimizers import RULES, Clock, Pace, Rule
from headstart.heads.stacked.plan import Lane, Shape

UPDATED_NUMBERS = 150_000
"""Weights of the first layer that are updated at once on a CPU: their gradient never leaves the level-2 cache."""

PRODUCT_NUMBERS = {torch.float32: UPDATED_NUMBERS, torch.bfloat16: 2 * UPDATED_NUMBERS}
"""Weights of the first layer whose gradient is one product on a CPU; small products in bf16 are slow."""


@dataclass(frozen=True)
class Alike:
    """Neighbouring lanes of one activation and one dropout rate."""

    start: int
    stop: int
    activation: Activation
    dropout: float


@dataclass(frozen=True)
class Block:
    """Rows of the first layer's weights that one update changes."""

    rows: slice
    weights: Tensor
    low: Tensor | None  # the bf16 copy, where products are in bf16
    moments: list[list[Tensor]]  # of each kind, a list as long as what is updated together


@dataclass(frozen=True)
class Updated:
    """Neighbouring lanes of one optimizer, learning rate and weight decay."""

    start: int
    stop: int
    rule: Rule
    pace: Pace
    products: list[list[Block]]  # blocks whose gradient is computed at once
    upper: list[Tensor]  # weights of the layers after the first
    upper_moments: list[list[Tensor]]


class Stack:
    """Weights and running averages of dense heads of one shape.

    Parameters
    ----------
    lanes : sequence of Lane
    shape : Shape
    draws : Draws
        Its initial values go to every lane.
    device : torch.device
    precision : {"fp32", "bf16"}
        Of the two large products of a step. Weights, updates and all else are fp32.
    """

    def __init__(self, lanes: Sequence[Lane], shape: Shape, draws: Draws, device: torch.device, precision: str) -> None:
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
            Alike(start, stop, ACTIVATIONS[str(first.settings["activation"])], first.number("dropout"))
            for start, stop, first in _runs(lanes, ("activation", "dropout"))
        ]
        self.updated = [
            self._updated(start, stop, first)
            for start, stop, first in _runs(lanes, ("optimizer", "learning_rate", "weight_decay"))
        ]

    def _updated(self, start: int, stop: int, spec: HeadSpec) -> Updated:
        rule, pace = (
            RULES[str(spec.settings["optimizer"])],
            Pace(spec.number("learning_rate"), spec.number("weight_decay")),
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
        return Updated(start, stop, rule, pace, products, upper, _zeros(upper, rule.n_moments))

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


@dataclass(frozen=True)
class Piece:
    """The part of a hidden layer's buffers that lanes alike share one call for."""

    activation: Activation
    before: Tensor
    after: Tensor
    fed: Tensor
    gradient: Tensor
    mask: Tensor | None  # (units, rows): 0 where dropped, else 1 / (1 - rate); None without dropout


class Workspace:
    """Buffers of a training step for batches of one number of rows, and the step itself.

    Parameters
    ----------
    stack : Stack
    n_rows : int
        Rows of a batch.
    """

    def __init__(self, stack: Stack, n_rows: int) -> None:
        shape, lanes, device = stack.shape, stack.n_lanes, stack.device
        self.stack, self.n_rows = stack, n_rows
        outputs = [rows for rows, _ in shape.matrices]

        def empty(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(size, device=device, dtype=dtype)

        self.inputs = empty(n_rows, shape.n_columns, dtype=stack.dtype)
        self.before = [empty(lanes, rows, n_rows) for rows in outputs]
        self.deltas = [empty(lanes, rows, n_rows) for rows in outputs]
        self.fed = [torch.ones((lanes, rows + 1, n_rows), device=device) for rows in outputs[:-1]]
        self.uniforms = [empty(rows, n_rows) for rows in outputs[:-1]]
        self.upper_gradients = [empty(lanes, *size) for size in shape.matrices[1:]]
        self.masks: list[dict[float, Tensor]] = [
            {alike.dropout: empty(rows, n_rows) for alike in stack.alike if alike.dropout} for rows in outputs[:-1]
        ]
        self.pieces = [list(self._pieces(layer)) for layer in range(len(outputs) - 1)]
        first = self.before[0].flatten(0, 1)
        self.product = first if stack.dtype == torch.float32 else torch.empty_like(first, dtype=stack.dtype)
        delta = self.deltas[0].flatten(0, 1)
        self.delta = delta if stack.dtype == torch.float32 else torch.empty_like(delta, dtype=stack.dtype)
        products = [blocks for updated in stack.updated for blocks in updated.products]
        self.gradient = empty(max(len(block.weights) for blocks in products for block in blocks), shape.n_columns)
        self.product_gradient = self.gradient
        if stack.dtype != torch.float32:
            n_rows_at_most = max(sum(len(block.weights) for block in blocks) for blocks in products)
            self.product_gradient = empty(n_rows_at_most, shape.n_columns, dtype=stack.dtype)
        self.updates = [self._update(updated) for updated in stack.updated]

    def _pieces(self, layer: int) -> Iterator[Piece]:
        before, units = self.before[layer], self.before[layer].shape[1]
        separate = any(alike.activation.needs_before for alike in self.stack.alike)
        after = torch.empty_like(before) if separate else before
        for alike in self.stack.alike:
            lanes = slice(alike.start, alike.stop)
            fed, gradient = self.fed[layer][lanes, :units], self.deltas[layer][lanes]
            mask = self.masks[layer].get(alike.dropout)
            yield Piece(alike.activation, before[lanes], after[lanes], fed, gradient, mask)

    def _update(self, updated: Updated) -> Callable[[], None]:
        """The update of some lanes, with every slice it needs made beforehand."""
        clock, rule, pace = self.stack.clock, updated.rule, updated.pace
        products = [self._product(blocks) for blocks in updated.products]
        upper_gradients = [gradient[updated.start : updated.stop] for gradient in self.upper_gradients]

        def update() -> None:
            for delta, product, parts in products:
                torch.mm(delta, self.inputs, out=product)
                for block, low_gradient, gradient in parts:
                    if block.low is not None:
                        gradient.copy_(low_gradient)
                    rule.update([block.weights], [gradient], block.moments, clock, pace)
                    if block.low is not None:
                        block.low.copy_(block.weights)
            if upper_gradients:
                rule.update(updated.upper, upper_gradients, updated.upper_moments, clock, pace)

        return update

    def _product(self, blocks: Sequence[Block]) -> tuple[Tensor, Tensor, list[tuple[Block, Tensor, Tensor]]]:
        """What one product of gradients reads and writes, and for each of its blocks its part and its fp32 gradient."""
        rows = slice(blocks[0].rows.start, blocks[-1].rows.stop)
        product = self.product_gradient[: rows.stop - rows.start]
        parts = [
            (
                block,
                product[block.rows.start - rows.start : block.rows.stop - rows.start],
                self.gradient[: len(block.weights)],
            )
            for block in blocks
        ]
        return self.delta[rows], product, parts

    def step(self, targets: Tensor, totals: Tensor, draws: Draws) -> None:
        """Change the weights by one step on the rows in `inputs`.

        Parameters
        ----------
        targets : Tensor of shape (lanes or 1, classes, rows)
            The share of the loss that falls to each class.
        totals : Tensor of shape (lanes or 1, 1, rows)
            Their sum over the classes.
        draws : Draws
        """
        self._draw_masks(draws)
        self._forward()
        self._backward(targets, totals)
        self.stack.clock.tick()
        for update in self.updates:
            update()

    def _draw_masks(self, draws: Draws) -> None:
        for uniforms, masks in zip(self.uniforms, self.masks, strict=True):
            if masks:
                draws.uniforms(uniforms)
            for rate, mask in masks.items():
                torch.ge(uniforms, rate, out=mask).mul_(1.0 / (1.0 - rate))

    def _forward(self) -> None:
        torch.mm(self.stack.first, self.inputs.t(), out=self.product)
        if self.product.dtype != torch.float32:
            self.before[0].flatten(0, 1).copy_(self.product)
        for layer, pieces in enumerate(self.pieces):
            for piece in pieces:
                piece.activation.apply(piece.before, piece.after)
                if piece.mask is None:
                    piece.fed.copy_(piece.after)
                else:
                    torch.mul(piece.after, piece.mask, out=piece.fed)
            torch.bmm(self.stack.weights[layer + 1], self.fed[layer], out=self.before[layer + 1])

    def _backward(self, targets: Tensor, totals: Tensor) -> None:
        delta = torch.softmax(self.before[-1], dim=1, out=self.deltas[-1])
        delta.mul_(totals).sub_(targets)
        for layer in reversed(range(len(self.pieces))):
            weights, units = self.stack.weights[layer + 1], self.before[layer].shape[1]
            torch.bmm(delta, self.fed[layer].transpose(1, 2), out=self.upper_gradients[layer])
            delta = torch.bmm(weights[:, :, :units].transpose(1, 2), delta, out=self.deltas[layer])
            for piece in self.pieces[layer]:
                if piece.mask is not None:
                    piece.gradient.mul_(piece.mask)
                piece.activation.pull_back(piece.gradient, piece.before, piece.after)
        if self.delta.dtype != torch.float32:
            self.delta.copy_(self.deltas[0].flatten(0, 1))


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
