"""A model as explanations see it: from prepared pixels to scores of classes, and from those back to stage maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.backbones.feature_block import HANDCRAFTED, LAST, FeatureBlock
from headstart.backbones.stage_outputs import patches
from headstart.engines.block_pass import pool
from headstart.features.descriptors.handcrafted import handcrafted_extractor
from headstart.features.extractor import Extractor
from headstart.heads.arithmetic import standardised
from headstart.runtime.precision import full_precision
from headstart.runtime.threads import torch_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.model import Model

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images as the network takes them.

    Attributes
    ----------
    pixels : ndarray of shape (n, height, width, channels), uint8 or float32
    fixed : ndarray of shape (n, n_features), float64
        Features that do not come from the network, descriptors and table columns, at their columns; 0 elsewhere.
    """

    pixels: NDArray[Any]
    fixed: Floats

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True, eq=False)
class TracedPass:
    """One forward pass whose later part can be gone back through.

    Attributes
    ----------
    rows : Tensor of shape (n, n_features)
        Features of the network at their columns, 0 at the others.
    maps : dict of str to Tensor
        Outputs of stages that gradients are asked for with respect to, by stage; of None: the input.
    """

    rows: torch.Tensor
    maps: dict[str | None, torch.Tensor]

    def gradients(self, by_rows: NDArray[Any]) -> dict[str | None, torch.Tensor]:
        """Gradients with respect to every map, from those (n, n_features) with respect to the features."""
        pulls = torch.from_numpy(np.ascontiguousarray(by_rows)).float().to(self.rows)
        leaves = list(self.maps.values())
        found = torch.autograd.grad(self.rows, leaves, grad_outputs=pulls, allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if gradient is None else gradient
            for (name, leaf), gradient in zip(self.maps.items(), found, strict=True)
        }


class ScoredModel:
    """A model taken apart for explanations: its network in fp32 with torch, its head as scores of classes.

    The parameters stay frozen throughout: gradients are asked for with respect to outputs of stages alone.

    Parameters
    ----------
    model : Model

    Attributes
    ----------
    model : Model
    class_scores : ClassScores
        Scores of standardised features.
    blocks : tuple of (FeatureBlock, slice)
        Blocks that the head takes from the network or from descriptors, with their columns.
    is_fixed : ndarray of shape (n_features,), bool
        Columns that do not come from the network.
    device : torch.device
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.class_scores = model.head.class_scores()
        self.staged = model.backbone.staged
        self.size = model.preparation.size
        recipe = model.features
        extractor = Extractor(
            model.backbone, model.preparation, model.engine, blocks=recipe.blocks, beside=recipe.beside
        )
        ends = np.cumsum([0, *extractor.block_widths]).tolist()
        self.blocks = tuple(
            (block, slice(start, end)) for block, start, end in zip(extractor.blocks, ends, ends[1:], strict=False)
        )
        self.is_fixed = np.ones(model.head.n_features, dtype=bool)
        for block, columns in self.blocks:
            self.is_fixed[columns] = block in HANDCRAFTED
        self.device = torch.device(model.engine.device)
        model.backbone.module.to(self.device)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Run a block with the threads of the model's engine, fp32 meaning fp32."""
        with torch_threads(self.model.engine.n_threads), full_precision():
            yield

    def pictures(self, pixels: NDArray[Any], table: NDArray[np.float32] | None = None) -> Pictures:
        """Prepared images with what the head knows of them beside the network's features.

        Parameters
        ----------
        pixels : ndarray of shape (n, height, width, channels)
        table : ndarray of shape (n, n_columns), optional
            Encoded table columns of the images.
        """
        fixed = np.zeros((len(pixels), self.model.head.n_features))
        for block, columns in self.blocks:
            if block in HANDCRAFTED:
                measured = handcrafted_extractor(block, self.model.preparation, n_threads=1).compute(pixels)
                fixed[:, columns] = measured
        if table is not None:
            fixed[:, self.blocks[-1][1].stop :] = table
        return Pictures(pixels, fixed)

    def images(self, pixels: NDArray[Any]) -> torch.Tensor:
        """Network input of prepared pixels, on the model's device."""
        return self.model.backbone.normalise(pixels, self.device)

    def standardise(self, features: NDArray[Any]) -> Floats:
        """Features (n, n_features) in units of the training images' deviations."""
        return standardised(features, self.model.head.arrays)

    @property
    def inverse_scale(self) -> Floats:
        """Factor from a feature to its standardised value, per column."""
        return np.asarray(self.model.head.arrays["inverse_scale"])

    def features(self, pictures: Pictures) -> Floats:
        """Features (n, n_features) of pictures, by one forward pass."""
        return self.features_of(self.images(pictures.pixels)) + pictures.fixed

    def features_of(self, images: torch.Tensor) -> Floats:
        """Features (n, n_features) that the network gives for its input, 0 at the columns of others."""
        with torch.no_grad():
            rows = self._rows(images)
        return np.asarray(rows.cpu().double().numpy())

    def scores(self, pictures: Pictures, weights: Floats) -> Floats:
        """Weighted scores (n,) of pictures; weights are of shape (n, P), one for each class seen in training."""
        return self.score_rows(self.standardise(self.features(pictures)), weights)

    def score_rows(self, standard: Floats, weights: Floats) -> Floats:
        """Weighted scores (n,) of standardised features."""
        return np.asarray((self.class_scores.values(standard) * weights).sum(axis=1))

    def traced(self, images: torch.Tensor, stage: str | None) -> TracedPass:
        """A forward pass that remembers what comes after a stage.

        Blocks of earlier stages are remembered too, by their own maps: no later map says anything of them.

        Parameters
        ----------
        images : Tensor
            Network input.
        stage : str or None
            None: everything is remembered, from the input on.
        """
        with torch.enable_grad():
            maps: dict[str | None, torch.Tensor] = {}
            if stage is None:
                maps[None] = images.detach().requires_grad_()
                images = maps[None].clone()  # what follows may work in place, which no leaf allows
            return TracedPass(self._rows(images, stage, maps), maps)

    def stage_maps(self, images: torch.Tensor, stages: set[str]) -> dict[str, torch.Tensor]:
        """Outputs of some stages, as the network lays them out."""
        found = {}
        with torch.no_grad():
            for stage in self.staged.stages[: max(map(self.staged.index, stages)) + 1]:
                images = stage.module(images)
                if stage.name in stages:
                    found[stage.name] = images
        return found

    def stage_of(self, block: FeatureBlock) -> str:
        """Name of the stage that a block of the network pools."""
        return self.staged.names[-1] if block == LAST else block.stage

    def _rows(
        self, images: torch.Tensor, stage: str | None = None, leaves: dict[str | None, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Features at their columns; outputs of stages up to `stage` that they depend on become `leaves`."""
        last_leaf = -1 if leaves is None or stage is None else self.staged.index(stage)
        pooled: list[torch.Tensor | None] = [None] * len(self.blocks)
        for place, part in enumerate(self.staged.stages):
            with torch.set_grad_enabled(torch.is_grad_enabled() and place > last_leaf):
                images = part.module(images)
            blocks = self._blocks_at(part.name)
            seen = images
            if leaves is not None and (place == last_leaf or (place < last_leaf and blocks)):
                leaves[part.name] = seen = images.detach().requires_grad_()
            if place == last_leaf:
                images = seen = seen.clone()
            for number in blocks:
                pooled[number] = self._pooled(seen, self.blocks[number][0])
        return self._side_by_side(pooled, images)

    def _blocks_at(self, stage: str) -> list[int]:
        return [
            number
            for number, (block, _) in enumerate(self.blocks)
            if block not in HANDCRAFTED and self.stage_of(block) == stage
        ]

    def _pooled(self, output: torch.Tensor, block: FeatureBlock) -> torch.Tensor:
        if block == LAST:
            rows: torch.Tensor = self.staged.pool(output)
            return rows.float()
        return pool(patches(output, self.staged.network), block.pooling)

    def _side_by_side(self, pooled: list[torch.Tensor | None], like: torch.Tensor) -> torch.Tensor:
        parts = [
            torch.zeros(len(like), columns.stop - columns.start, device=like.device) if rows is None else rows
            for rows, (_, columns) in zip(pooled, self.blocks, strict=True)
        ]
        n_beside = self.model.head.n_features - self.blocks[-1][1].stop
        return torch.cat([*parts, torch.zeros(len(like), n_beside, device=like.device)], dim=1)
