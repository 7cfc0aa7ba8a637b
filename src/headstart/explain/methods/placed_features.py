"""Features taken apart into what every place of a stage map gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.backbones.feature_block import HANDCRAFTED, LAST
from headstart.engines.block_pass import GEM_EXPONENT, GEM_FLOOR
from headstart.errors import InputError
from headstart.explain.input_grid import as_maps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from headstart.backbones.feature_block import FeatureBlock
    from headstart.explain.scored_model import Pictures, ScoredModel

    Floats = NDArray[np.float64]

_MEAN_TOLERANCE = 1e-4
"""Largest difference, in units of the largest feature, at which a network's own pooling counts as the mean."""


class PlacedFeatures:
    """Features of one image as sums over places, block by block, in units of the training images' deviations.

    Attributes
    ----------
    shares : list of (slice, ndarray of shape (n_columns, h, w))
        Columns of a block, and what every place of its map adds to their standardised values.
    beside : ndarray of shape (n_features,)
        Standardised features that have no place: descriptors and table columns; 0 at the others.
    """

    def __init__(self, shares: list[tuple[slice, Floats]], beside: Floats) -> None:
        self.shares = shares
        self.beside = beside

    @property
    def total(self) -> Floats:
        """Standardised features (n_features,)."""
        found = self.beside.copy()
        for columns, share in self.shares:
            found[columns] += share.sum(axis=(1, 2))
        return found

    def weighted(self, weights: Floats) -> list[Floats]:
        """Sum over features of the shares times weights (n_features,): a map of every block."""
        return [np.asarray(np.tensordot(weights[columns], share, axes=1)) for columns, share in self.shares]

    @property
    def coarsest(self) -> tuple[int, int]:
        """Height and width of the coarsest map."""
        return min(((share.shape[1], share.shape[2]) for _, share in self.shares), key=lambda grid: grid[0] * grid[1])

    def on_cells(self, grid: tuple[int, int]) -> Floats:
        """What every cell of a grid adds to the features, (n_cells, n_features); places go where their middle lies."""
        n_cells = grid[0] * grid[1]
        found = np.zeros((n_cells, len(self.beside)))
        for columns, share in self.shares:
            down, along = (_cell_of(n_places, n) for n_places, n in zip(share.shape[1:], grid, strict=True))
            cells = (down[:, None] * grid[1] + along).ravel()
            np.add.at(found[:, columns], cells, share.reshape(len(share), -1).T)
        return found


def placed_features(model: ScoredModel, pictures: Pictures) -> Iterator[PlacedFeatures]:
    """Features of some images taken apart, one image after another, in float64.

    Raises
    ------
    InputError
        When the features are no pooled map.
    """
    blocks = [(block, columns) for block, columns in model.blocks if block not in HANDCRAFTED]
    images = model.images(pictures.pixels)
    outputs = model.stage_maps(images, {model.stage_of(block) for block, _ in blocks})
    if any(block == LAST for block, _ in blocks):
        check_pooled_by_mean(model, outputs[model.staged.names[-1]])
    maps = {
        name: as_maps(output, model.staged.network, model.size).cpu().double().numpy()
        for name, output in outputs.items()
    }
    standard, means = model.standardise(pictures.fixed), model.model.head.arrays["mean"]
    for row in range(len(pictures)):
        shares = []
        for block, columns in blocks:
            parts = shares_of_places(maps[model.stage_of(block)][row], _pooling(block), means[columns])
            shares.append((columns, parts * model.inverse_scale[columns, None, None]))
        yield PlacedFeatures(shares, np.where(model.is_fixed, standard[row], 0.0))


def check_pooled_by_mean(model: ScoredModel, output: object) -> None:
    """Refuse a network whose own features are no mean of its last map.

    Raises
    ------
    InputError
        Naming what can be done instead.
    """
    import torch

    name, remedy = model.model.backbone.name, "Use the method 'sharp' or 'occlusion'."
    if not isinstance(output, torch.Tensor) or output.ndim < 3:
        raise InputError(f"The features of {name} come from dense layers, which know no places any more. {remedy}")
    maps = as_maps(output, model.staged.network, model.size).float()
    if maps.shape[2] * maps.shape[3] == 1:
        height, width = model.size
        raise InputError(
            f"The last map of {name} has a single place at {height} x {width} pixels, so there is nothing to divide "
            f"the score among. {remedy}"
        )
    with torch.no_grad():
        own = model.staged.pool(output).float()
    mean = maps.mean(dim=(2, 3))
    scale = float(own.abs().max()) if own.numel() else 0.0
    if own.shape != mean.shape or float((own - mean).abs().max()) > _MEAN_TOLERANCE * max(scale, 1e-12):
        raise InputError(
            f"The features of {name} are not the mean of its last map (a class token, or a layer behind the mean), so "
            f"they cannot be divided among places. {remedy}"
        )


def shares_of_places(maps: Floats, pooling: str, means: Floats) -> Floats:
    """What every place of a map adds to its pooled features, beyond the training images' mean.

    A mean is divided among its places, a maximum goes to the place that has it, a generalised mean in proportion to
    the powers that it is made of.

    Parameters
    ----------
    maps : ndarray of shape (channels, h, w)
    pooling : str
        One of `headstart.backbones.feature_block.POOLINGS`.
    means : ndarray of shape (n_columns,)
        Mean of every feature over the training images.

    Returns
    -------
    ndarray of shape (n_columns, h, w)
        Sums over places to the features less their means.
    """
    if pooling == "max":
        return _of_maximum(maps, means)
    if pooling == "gem":
        return _of_generalised_mean(maps, means)
    if pooling == "rowmax":
        return _of_row_maxima(maps, means)
    n_channels, height, width = maps.shape
    cells = list(_cells(pooling, height, width))
    found = np.zeros((n_channels, len(cells), height, width))
    means = means.reshape(n_channels, len(cells))
    for number, (down, along) in enumerate(cells):
        inside = maps[:, down, along]
        found[:, number, down, along] = (inside - means[:, number, None, None]) / (inside.shape[1] * inside.shape[2])
    return found.reshape(-1, height, width)


def _of_maximum(maps: Floats, means: Floats) -> Floats:
    flat = maps.reshape(len(maps), -1)
    found, channels, places = np.zeros_like(flat), np.arange(len(flat)), flat.argmax(axis=1)
    found[channels, places] = flat[channels, places] - means
    return found.reshape(maps.shape)


def _of_row_maxima(maps: Floats, means: Floats) -> Floats:
    n_channels, height, width = maps.shape
    found = np.zeros((n_channels, height, height, width))
    channels, rows = np.indices((n_channels, height))
    places = maps.argmax(axis=2)
    found[channels, rows, rows, places] = maps[channels, rows, places] - means.reshape(n_channels, height)
    return found.reshape(-1, height, width)


def _of_generalised_mean(maps: Floats, means: Floats) -> Floats:
    powers = np.maximum(maps, GEM_FLOOR) ** GEM_EXPONENT
    pooled = powers.mean(axis=(1, 2), keepdims=True) ** (1 / GEM_EXPONENT)
    n_places = maps.shape[1] * maps.shape[2]
    return np.asarray(pooled * powers / powers.sum(axis=(1, 2), keepdims=True) - means[:, None, None] / n_places)


def _cells(pooling: str, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Parts of a map whose means are the features of a channel, in their order."""
    n_down, n_along = {"rows": (height, 1), "columns": (1, width), "grid2": (2, 2)}.get(pooling, (1, 1))
    for down in _parts(height, n_down):
        for along in _parts(width, n_along):
            yield down, along


def _parts(length: int, n_parts: int) -> list[slice]:
    """Parts as torch's adaptive pooling cuts them: where a length does not divide, neighbours share a place."""
    return [slice(number * length // n_parts, -(-(number + 1) * length // n_parts)) for number in range(n_parts)]


def _cell_of(n_places: int, n_cells: int) -> NDArray[np.int64]:
    return np.asarray((np.arange(n_places) * 2 + 1) * n_cells // (2 * n_places))


def _pooling(block: FeatureBlock) -> str:
    return "mean" if block == LAST else block.pooling
