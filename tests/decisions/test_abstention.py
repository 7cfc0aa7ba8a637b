"""Abstention: the curve by hand, its area by random orders of ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_probabilities import overconfident

from headstart.decisions import (
    abstention_curve,
)
from headstart.errors import InputError


def test_abstention_by_hand() -> None:
    """Certainties .9 .8 .7 .6, the third wrong: errors 0, 0, 1/3, 1/4; area their mean."""
    probabilities = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]
    curve = abstention_curve(probabilities, [0, 1, 1, 0])
    np.testing.assert_allclose(curve.answered, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.error, [0, 0, 1 / 3, 1 / 4])
    assert curve.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    assert curve.at(0.5) == (0.8, 0.0) and curve.at(0.6) == (0.7, pytest.approx(1 / 3)) and curve.at(1.0)[0] == 0.6
    other = abstention_curve(probabilities, [0, 1, 1, 0], predicted=[0, 1, 1, 0])
    assert other.area == 0 and not other.error.any()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_the_area_is_the_mean_over_random_orders_of_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive, labels = rng.random(12).round(1), rng.integers(0, 2, 12)
    probabilities = np.stack([1 - positive, positive], axis=1)
    certainty, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
    orders = np.lexsort((rng.random((3000, 12)), np.broadcast_to(-certainty, (3000, 12))))
    areas = np.mean(np.cumsum(wrong[orders], axis=1) / np.arange(1, 13), axis=1)
    curve = abstention_curve(probabilities, labels)
    assert curve.area == pytest.approx(np.mean(areas), abs=5 * np.std(areas) / np.sqrt(3000) + 1e-9)
    turned = rng.permutation(12)
    assert abstention_curve(probabilities[turned], labels[turned]).area == pytest.approx(curve.area)


def test_abstention_weighs_rows() -> None:
    probabilities, labels = overconfident(40)
    counts = np.random.default_rng(0).integers(0, 3, 40)
    rows = np.repeat(np.arange(40), counts)
    weighted, plain = (
        abstention_curve(probabilities, labels, counts),
        abstention_curve(probabilities[rows], labels[rows]),
    )
    np.testing.assert_allclose(weighted.error, plain.error)
    np.testing.assert_allclose(weighted.answered, plain.answered)
    with pytest.raises(InputError, match="All rows weigh 0"):
        abstention_curve(probabilities, labels, np.zeros(40))
