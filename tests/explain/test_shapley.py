"""Shapley values held against all orders, written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from headstart.explain.methods.shapley import shapley_values


def game(n_places: int, n_features: int = 3):
    generator = np.random.default_rng(n_places)
    shares, base = generator.standard_normal((n_places, n_features)), generator.standard_normal(n_features)

    def value(rows: np.ndarray) -> np.ndarray:
        return np.tanh(rows).prod(axis=1) + (rows > 0.5).sum(axis=1)

    return shares, base, value


def by_all_orders(shares, base, value) -> np.ndarray:
    found = np.zeros(len(shares))
    orders = list(itertools.permutations(range(len(shares))))
    for order in orders:
        sums = np.concatenate([base[None], base + shares[list(order)].cumsum(axis=0)])
        found[list(order)] += np.diff(value(sums))
    return found / len(orders)


@pytest.mark.parametrize("n_places", [1, 2, 5, 7])
def test_equal_to_all_orders(n_places: int) -> None:
    np.testing.assert_allclose(shapley_values(*game(n_places)), by_all_orders(*game(n_places)), atol=1e-12)


def test_ten_places_equal_to_all_subsets() -> None:
    shares, base, value = game(10)
    expected = np.zeros(10)
    for place, size in itertools.product(range(10), range(10)):
        rest = [other for other in range(10) if other != place]
        subsets = list(itertools.combinations(rest, size))
        without = np.array([base + shares[list(subset)].sum(axis=0) for subset in subsets])
        expected[place] += (value(without + shares[place]) - value(without)).mean() / 10
    np.testing.assert_allclose(shapley_values(shares, base, value), expected, atol=1e-12)


@pytest.mark.parametrize("n_places", [10, 11, 49])
def test_together_they_are_the_whole(n_places: int) -> None:
    shares, base, value = game(n_places)
    whole, none = value(np.stack([base + shares.sum(axis=0), base]))
    assert shapley_values(shares, base, value).sum() == pytest.approx(whole - none, abs=1e-9)


def test_drawn_orders_come_near_and_are_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shares, base, value = game(8)
    exact = shapley_values(shares, base, value)
    monkeypatch.setattr("headstart.explain.methods.shapley.MAX_ENUMERATED", 4)
    drawn = shapley_values(shares, base, value)
    np.testing.assert_array_equal(drawn, shapley_values(shares, base, value))
    np.testing.assert_allclose(drawn, exact, atol=0.2)


def test_a_place_that_adds_nothing_has_no_value() -> None:
    shares, base, value = game(6)
    shares[2] = 0.0
    assert shapley_values(shares, base, value)[2] == 0.0
