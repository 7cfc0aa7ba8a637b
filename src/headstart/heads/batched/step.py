"""A training step of a stack: one forward and one backward pass for all lanes, written by hand, and the updates.

No operation adds numbers of different lanes: one that diverges leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from headstart.heads.batched.activations import Activation
from headstart.heads.batched.random_draws import RandomDraws
from headstart.heads.batched.stack import Block, Stack, UpdateGroup


@dataclass(frozen=True)
class LayerSlice:
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
        Number of rows of a batch.
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
        self.slices = [list(self._slices(layer)) for layer in range(len(outputs) - 1)]
        first = self.before[0].flatten(0, 1)
        self.product = first if stack.dtype == torch.float32 else torch.empty_like(first, dtype=stack.dtype)
        delta = self.deltas[0].flatten(0, 1)
        self.delta = delta if stack.dtype == torch.float32 else torch.empty_like(delta, dtype=stack.dtype)
        products = [blocks for updated in stack.updated for blocks in updated.products]
        self.gradient = empty(max(len(block.weights) for blocks in products for block in blocks), shape.n_columns)
        self.product_gradient = self.gradient
        if stack.dtype != torch.float32:
            max_rows = max(sum(len(block.weights) for block in blocks) for blocks in products)
            self.product_gradient = empty(max_rows, shape.n_columns, dtype=stack.dtype)
        self.updates = [self._update(updated) for updated in stack.updated]

    def _slices(self, layer: int) -> Iterator[LayerSlice]:
        before, units = self.before[layer], self.before[layer].shape[1]
        separate = any(alike.activation.needs_before for alike in self.stack.alike)
        after = torch.empty_like(before) if separate else before
        for alike in self.stack.alike:
            lanes = slice(alike.start, alike.stop)
            fed, gradient = self.fed[layer][lanes, :units], self.deltas[layer][lanes]
            mask = self.masks[layer].get(alike.dropout)
            yield LayerSlice(alike.activation, before[lanes], after[lanes], fed, gradient, mask)

    def _update(self, updated: UpdateGroup) -> Callable[[], None]:
        """Function that updates the weights of some lanes, every slice it needs made beforehand."""
        clock, rule, settings = self.stack.clock, updated.rule, updated.settings
        products = [self._product(blocks) for blocks in updated.products]
        upper_gradients = [gradient[updated.start : updated.stop] for gradient in self.upper_gradients]

        def update() -> None:
            for delta, product, parts in products:
                torch.mm(delta, self.inputs, out=product)
                for block, low_gradient, gradient in parts:
                    if block.low is not None:
                        gradient.copy_(low_gradient)
                    rule.update([block.weights], [gradient], block.moments, clock, settings)
                    if block.low is not None:
                        block.low.copy_(block.weights)
            if upper_gradients:
                rule.update(updated.upper, upper_gradients, updated.upper_moments, clock, settings)

        return update

    def _product(self, blocks: Sequence[Block]) -> tuple[Tensor, Tensor, list[tuple[Block, Tensor, Tensor]]]:
        """Factor and result of one product of gradients, and for each of its blocks its part and its fp32 gradient."""
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

    def step(self, targets: Tensor, totals: Tensor, draws: RandomDraws) -> None:
        """Change the weights by one step on the rows in `inputs`.

        Parameters
        ----------
        targets : Tensor of shape (lanes or 1, classes, rows)
            Share of the loss that falls to each class.
        totals : Tensor of shape (lanes or 1, 1, rows)
            Sum of the targets over the classes.
        draws : RandomDraws
        """
        self._draw_masks(draws)
        self._forward()
        self._backward(targets, totals)
        self.stack.clock.tick()
        for update in self.updates:
            update()

    def _draw_masks(self, draws: RandomDraws) -> None:
        for uniforms, masks in zip(self.uniforms, self.masks, strict=True):
            if masks:
                draws.uniforms(uniforms)
            for rate, mask in masks.items():
                torch.ge(uniforms, rate, out=mask).mul_(1.0 / (1.0 - rate))

    def _forward(self) -> None:
        torch.mm(self.stack.first, self.inputs.t(), out=self.product)
        if self.product.dtype != torch.float32:
            self.before[0].flatten(0, 1).copy_(self.product)
        for layer, slices in enumerate(self.slices):
            for part in slices:
                part.activation.apply(part.before, part.after)
                if part.mask is None:
                    part.fed.copy_(part.after)
                else:
                    torch.mul(part.after, part.mask, out=part.fed)
            torch.bmm(self.stack.weights[layer + 1], self.fed[layer], out=self.before[layer + 1])

    def _backward(self, targets: Tensor, totals: Tensor) -> None:
        delta = torch.softmax(self.before[-1], dim=1, out=self.deltas[-1])
        delta.mul_(totals).sub_(targets)
        for layer in reversed(range(len(self.slices))):
            weights, units = self.stack.weights[layer + 1], self.before[layer].shape[1]
            torch.bmm(delta, self.fed[layer].transpose(1, 2), out=self.upper_gradients[layer])
            delta = torch.bmm(weights[:, :, :units].transpose(1, 2), delta, out=self.deltas[layer])
            for part in self.slices[layer]:
                if part.mask is not None:
                    part.gradient.mul_(part.mask)
                part.activation.pull_back(part.gradient, part.before, part.after)
        if self.delta.dtype != torch.float32:
            self.delta.copy_(self.deltas[0].flatten(0, 1))
