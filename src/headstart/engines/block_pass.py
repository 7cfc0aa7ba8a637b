"""The frozen part as one module that gives any number of feature blocks of one forward pass, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from headstart.backbones.feature_block import LAST
from headstart.backbones.stage_outputs import patches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.backbones.feature_block import FeatureBlock
    from headstart.backbones.stages import StagedNetwork

GEM_EXPONENT = 3.0
GEM_FLOOR = 1e-6


class BlockPass(nn.Module):
    """Forward pass that pools the outputs of several stages on its way.

    Parameters
    ----------
    frozen : torch.nn.Module
        A `FrozenPass` of all stages with the network's own pooling, or a copy of one.
    staged : StagedNetwork
        Gives names to the stages, and says how the outputs are laid out.
    blocks : sequence of FeatureBlock
        In the order of the columns.
    """

    def __init__(self, frozen: nn.Module, staged: StagedNetwork, blocks: Sequence[FeatureBlock]) -> None:
        super().__init__()
        self.frozen: Any = frozen
        self._pooled = [
            [(place, block.pooling) for place, block in enumerate(blocks) if block != LAST and block.stage == name]
            for name in staged.names
        ]
        self._own = [place for place, block in enumerate(blocks) if block == LAST]
        needed = [number for number, pooled in enumerate(self._pooled) if pooled or self._own]
        self._n_stages = needed[-1] + 1  # what comes later is not looked at
        self._n_blocks = len(blocks)
        object.__setattr__(self, "network", staged.network)  # not a part of this module: it holds the same stages
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Rows of shape (n_images, n_columns), float32, from images of shape (n_images, 3, height, width)."""
        found: list[torch.Tensor] = [images] * self._n_blocks
        for stage, pooled in zip(self.frozen.stages[: self._n_stages], self._pooled, strict=False):
            images = stage(images)
            for place, pooling in pooled:
                found[place] = pool(patches(images, self.network), pooling)
        for place in self._own:
            found[place] = self.frozen.pool(images).float()
        return torch.cat(found, dim=1)


def pool(maps: torch.Tensor, pooling: str) -> torch.Tensor:
    """Rows (n_images, n_columns), float32, from maps (n_images, channels, height, width) or tokens (..., n_patches).

    Columns go channel by channel, and within a channel in the order of rows, columns, or cells.
    """
    places = tuple(range(2, maps.ndim))
    if pooling == "max":
        return maps.amax(dim=places).float()
    maps = maps.float()
    if pooling == "rowmax":
        return maps.amax(dim=3).flatten(1)
    if pooling == "gem":
        powers = maps.clamp_min(GEM_FLOOR) ** GEM_EXPONENT
        return powers.mean(dim=places) ** (1 / GEM_EXPONENT)
    if pooling in ("rows", "columns"):
        return maps.mean(dim=3 if pooling == "rows" else 2).flatten(1)
    if pooling == "grid2":
        return nn.functional.adaptive_avg_pool2d(maps, 2).flatten(1)
    return maps.mean(dim=places)
