"""The frozen part as one module: normalised images in, rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from headstart.backbones.stages import StagedNetwork


class FrozenPass(nn.Module):
    """Forward pass up to a stage, or to the pooled features.

    Parameters
    ----------
    staged : StagedNetwork
    stage : str or None
        Give the output of this stage; None gives the pooled output of the last one.
    """

    def __init__(self, staged: StagedNetwork, stage: str | None = None) -> None:
        super().__init__()
        last = len(staged.stages) - 1 if stage is None else staged.index(stage)
        self.stages = nn.ModuleList([item.module for item in staged.stages[: last + 1]])
        self.pool: nn.Module = nn.Identity() if stage is not None else staged.pool
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Rows of shape (n_images, *row shape) from images of shape (n_images, 3, height, width)."""
        for stage in self.stages:
            images = stage(images)
        rows: torch.Tensor = self.pool(images)
        return rows
