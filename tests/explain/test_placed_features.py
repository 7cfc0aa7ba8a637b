"""Features divided among places: they add up to what torch pools, and every place has its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explained import pictures, small_model

from headstart.backbones.feature_block import POOLINGS, FeatureBlock
from headstart.engines.block_pass import pool
from headstart.explain.methods.placed_features import PlacedFeatures, placed_features, shares_of_places
from headstart.explain.scored_model import ScoredModel


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("sides", [(3, 3), (5, 4), (2, 7)])
def test_shares_add_up_to_the_pooled_features_less_their_means(pooling: str, sides: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    maps = generator.standard_normal((2, *sides))
    pooled = pool(torch.from_numpy(maps)[None].float(), pooling)[0].numpy()
    means = generator.standard_normal(len(pooled))
    shares = shares_of_places(maps, pooling, means)
    assert shares.shape == (len(pooled), *sides)
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), pooled - means, atol=1e-5)


def test_shares_of_a_map_by_hand() -> None:
    maps, zero = np.array([[[1.0, 2.0], [3.0, 6.0]]]), np.zeros(1)
    np.testing.assert_array_equal(shares_of_places(maps, "mean", np.ones(1))[0], [[0, 0.25], [0.5, 1.25]])
    np.testing.assert_array_equal(shares_of_places(maps, "max", np.ones(1))[0], [[0, 0], [0, 5]])
    np.testing.assert_array_equal(
        shares_of_places(maps, "rows", np.array([0.0, 1.0])), [[[0.5, 1], [0, 0]], [[0, 0], [1, 2.5]]]
    )
    np.testing.assert_array_equal(
        shares_of_places(maps, "rowmax", np.array([0.0, 1.0])), [[[0, 2], [0, 0]], [[0, 0], [0, 5]]]
    )
    np.testing.assert_array_equal(
        shares_of_places(maps, "columns", np.zeros(2)), [[[0.5, 0], [1.5, 0]], [[0, 1], [0, 3]]]
    )
    np.testing.assert_array_equal(shares_of_places(maps, "grid2", np.zeros(4)).sum(axis=0), maps[0])
    gem = shares_of_places(maps, "gem", zero)[0]
    np.testing.assert_allclose(gem / gem.sum(), maps[0] ** 3 / 252, atol=1e-12)
    assert gem.sum() == pytest.approx((252 / 4) ** (1 / 3))


def test_features_are_those_of_the_model() -> None:
    blocks = tuple(FeatureBlock(*pair) for pair in [("layer3", "max"), ("layer4", "mean"), ("layer2", "grid2")])
    model = ScoredModel(small_model(blocks=blocks))
    shown = model.pictures(pictures(2))
    expected = model.standardise(model.features(shown))
    for placed, row in zip(placed_features(model, shown), expected, strict=True):
        np.testing.assert_allclose(placed.total, row, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(placed.on_cells(placed.coarsest).sum(axis=0), placed.total, atol=1e-9)


def test_places_go_to_the_cell_that_their_middle_lies_in() -> None:
    fine, coarse = np.arange(16.0).reshape(1, 4, 4), np.array([[[1.0, 2.0], [3.0, 4.0]]])
    placed = PlacedFeatures([(slice(0, 1), fine), (slice(1, 2), coarse)], np.array([0.0, 0.0, 7.0]))
    assert placed.coarsest == (2, 2)
    np.testing.assert_array_equal(placed.on_cells((2, 2)), [[10, 1, 0], [18, 2, 0], [42, 3, 0], [50, 4, 0]])
    np.testing.assert_array_equal(placed.total, [120, 10, 7])
