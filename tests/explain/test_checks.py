"""Tests of maps: hand-computed on small grids, and on models whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from explained import pictures, small_model
from scipy.stats import spearmanr

from headstart.data import ImageDataset
from headstart.explain import Explanation, explain
from headstart.explain.checks import (
    inside_mask,
    likeness,
    mask_on_input,
    on_cells,
    order_tests,
    permuted_head,
    random_network,
    rank_correlation,
)
from headstart.explain.scored_model import Pictures

SIDE = 28


def test_cells_are_means_that_cover_every_pixel() -> None:
    values = np.random.default_rng(0).normal(size=(30, 45)).astype(np.float32)
    found = on_cells(values)
    assert found.shape == (14, 14)
    rows = np.linspace(0, 30, 15).round().astype(int)
    columns = np.linspace(0, 45, 15).round().astype(int)
    brute = [[values[a:b, c:d].mean() for c, d in pairwise(columns)] for a, b in pairwise(rows)]
    np.testing.assert_allclose(found, brute, atol=1e-6)
    assert on_cells(values[:3, :2]).shape == (3, 2)


def test_likeness_is_spearmans_correlation_of_cells() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 28, 28)).astype(np.float32)
    expected = spearmanr(on_cells(one).ravel(), on_cells(other).ravel()).statistic
    assert rank_correlation(one, other) == pytest.approx(expected)
    assert rank_correlation(one, one) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    assert rank_correlation(one, np.zeros_like(one)) == 0


def test_heat_inside_a_mask_by_hand() -> None:
    values = np.array([[4.0, -9.0], [1.0, 0.0]], dtype=np.float32)
    mask = np.array([[True, True], [False, False]])
    assert inside_mask(values, mask) == (0.8, 0.5)
    assert inside_mask(-np.abs(values), mask) == (None, 0.5)


def test_a_mask_is_shown_as_its_picture_is() -> None:
    mask = np.zeros((20, 40), dtype=np.uint8)
    mask[:, 10:30] = 255
    dataset = ImageDataset.from_arrays(mask[None])
    squashed = mask_on_input(dataset, 0, (8, 8), "squash")
    assert squashed[:, 2:6].all()
    assert squashed.mean() == 0.5
    assert mask_on_input(dataset, 0, (8, 8), "crop").all()


def corner(map_: np.ndarray) -> tuple[Any, Pictures, Explanation]:
    """A model whose score is the brightness of the upper left corner, and an explanation of one bright corner."""
    pixels = np.zeros((1, SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:, :8, :8] = 200

    class Corner:
        model = SimpleNamespace(head=SimpleNamespace(arrays={"present": np.ones(2, dtype=bool)}))

        @staticmethod
        def scores(given: Pictures, weights: np.ndarray) -> np.ndarray:
            return given.pixels[:, :8, :8].mean(axis=(1, 2, 3)).astype(np.float64)

    told = Explanation(
        images=("a",),
        pixels=pixels,
        maps=map_[None].astype(np.float32),
        targets=("x",),
        against=("y",),
        predicted=("x",),
        probabilities=np.array([[1.0, 0.0]]),
        classes=("x", "y"),
        method="sharp",
        stage="s",
        scores=np.ones(1),
        references=np.zeros(1),
        elsewhere=np.zeros(1),
        attributed=np.ones(1),
        limits={"x": 1.0},
    )
    return Corner(), Pictures(pixels, np.zeros((1, 1))), told


def test_a_map_that_is_right_beats_random_order_and_one_that_is_wrong_loses() -> None:
    right = np.zeros((SIDE, SIDE))
    right[:8, :8] = 1
    (good,) = order_tests(*corner(right))
    (bad,) = order_tests(*corner(-right))
    assert good.deletion > 0.2
    assert good.insertion > 0.2
    assert bad.deletion < -0.2
    assert bad.insertion < -0.2
    assert order_tests(*corner(right)) == [good], "random orders are drawn by the seed"


def test_a_model_is_like_itself_and_unlike_one_that_learned_nothing() -> None:
    model = small_model(side=64)
    dataset = ImageDataset.from_arrays(pictures(3, side=64))
    told = explain(model, dataset)
    np.testing.assert_allclose(likeness(told, model, dataset), 1, atol=1e-6)
    other = random_network(model, seed=8)
    assert max(likeness(told, other, dataset)) < 0.95
    assert likeness(told, other, dataset) == likeness(told, random_network(model, seed=8), dataset)


def test_a_head_of_permuted_labels_is_of_the_same_kind_and_another_head() -> None:
    model = small_model()
    features = np.random.default_rng(0).normal(size=(60, model.head.n_features)).astype(np.float32)
    labels = np.arange(60) % 3
    one, again = (permuted_head(model.head, features, labels, seed=2) for _ in range(2))
    assert one.spec == model.head.spec
    assert {name: array.tobytes() for name, array in one.arrays.items()} == {
        name: array.tobytes() for name, array in again.arrays.items()
    }
    assert one.arrays["coefficients"].tobytes() != model.head.arrays["coefficients"].tobytes()
    assert replace(model, head=one).head is one
