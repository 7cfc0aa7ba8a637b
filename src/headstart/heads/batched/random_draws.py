"""Random numbers in training a dense head: initial values, order of the rows, dropout.

Everything is drawn on the CPU, in an order that depends on the seed, the shape, the batch size and the rows alone: all
heads of a stack see the same draws, with any settings, in any company and on any device.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from headstart.heads.batched.plan import Shape


class RandomDraws:
    """Source of the random numbers of one trajectory.

    Parameters
    ----------
    seed : int >= 0
    """

    def __init__(self, seed: int) -> None:
        first, second = np.random.SeedSequence(seed).generate_state(2).tolist()
        self._order = torch.Generator().manual_seed(first)
        self._dropout = torch.Generator().manual_seed(second)

    def initial(self, shape: Shape) -> list[tuple[Tensor, Tensor]]:
        """Weights (outputs, inputs) and bias (outputs,) of every layer, to be drawn before any order of rows.

        Uniform within 1 / sqrt(inputs), as those of `torch.nn.Linear`.
        """
        layers = []
        for inputs, outputs in shape.layers:
            bound = 1.0 / math.sqrt(inputs)
            weights = bound * (2.0 * torch.rand((outputs, inputs), generator=self._order) - 1.0)
            bias = bound * (2.0 * torch.rand((outputs,), generator=self._order) - 1.0)
            layers.append((weights, bias))
        return layers

    def order(self, n_rows: int) -> Tensor:
        """Order of the rows in the next epoch; (n_rows,)."""
        return torch.randperm(n_rows, generator=self._order)

    def uniforms(self, out: Tensor) -> Tensor:
        """Fill `out` (units, batch rows) with the next step's uniform numbers: below its rate, a unit is dropped."""
        if out.device.type == "cpu":
            return out.uniform_(generator=self._dropout)
        return out.copy_(torch.rand(out.shape, generator=self._dropout))
