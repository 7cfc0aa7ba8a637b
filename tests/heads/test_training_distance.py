"""Distances from training images: brute force, many columns, few rows, and the same bits in any company."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import BundleError, InputError
from headstart.heads.training_distance import (
    MAX_DIRECTIONS,
    MAX_ROWS,
    MEASURES,
    Measure,
    TrainingDistance,
    fit_distance,
    unit_blocks,
)

rng = np.random.default_rng(0)


def rows(n: int, d: int, *, seed: int = 0) -> np.ndarray:
    """Positive features with a few strong directions, as pooled stages have."""
    draw = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(3, d))
    return np.abs(2 + draw.normal(size=(n, 3)) @ mixing + 0.3 * draw.normal(size=(n, d))).astype(np.float32)


def test_nearest_by_brute_force() -> None:
    known, new = rows(40, 12), rows(9, 12, seed=1)
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (known.astype(float), new.astype(float))]
    slow = np.linalg.norm(unit[1][:, None] - unit[0][None], axis=2).min(axis=1)
    assert np.allclose(fit_distance(known).distances(new), slow, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 20), (20, 60)])
def test_mahalanobis_by_the_whole_covariance(n: int, d: int) -> None:
    """Where all directions are told apart it is the textbook distance under scikit-learn's Ledoit-Wolf covariance."""
    from sklearn.covariance import LedoitWolf

    known, new = rows(n, d), rows(7, d, seed=1)
    unit = [unit_blocks(one.astype(float), [d]) for one in (known, new)]
    fitted = LedoitWolf().fit(unit[0])
    slow = np.sqrt(fitted.mahalanobis(unit[1]) / d)
    assert np.allclose(fit_distance(known, "mahalanobis").distances(new), slow, rtol=2e-3)


def test_blocks_weigh_alike() -> None:
    """A block of huge numbers drowns none of small ones: both have the same length."""
    known = np.concatenate([1e4 * rows(30, 4), 1e-3 * rows(30, 50, seed=2)], axis=1)
    lengths = np.linalg.norm(unit_blocks(known.astype(float), [4, 50])[:, :4], axis=1)
    assert np.allclose(lengths, np.sqrt(0.5))
    dark = np.zeros((1, 54), dtype=np.float32)
    assert np.isfinite(fit_distance(known, blocks=[4, 50]).distances(dark)).all()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("n", "d"), [(2, 3), (3, 700), (500, 2), (30, 1)])
def test_few_rows_and_many_columns(measure: Measure, n: int, d: int) -> None:
    known = rows(n, d) + rng.uniform(0, 1e-3, size=(n, d)).astype(np.float32)
    if d == 1 and measure == "mahalanobis":
        with pytest.raises(InputError, match="no spread"):  # one feature has length 1 whatever it is
            fit_distance(known, measure)
        return
    found = fit_distance(known, measure)
    assert np.isfinite(found.distances(known)).all() and np.isfinite(found.distances(-known)).all()
    assert d == 1 or found.distances(-known).mean() > found.distances(known).mean()


def test_many_rows_and_directions_are_bounded() -> None:
    known = rows(MAX_ROWS + 100, 4)
    assert len(fit_distance(known).arrays["reference"]) == MAX_ROWS
    wide = fit_distance(rows(400, 600), "mahalanobis")
    assert wide.arrays["directions"].shape == (MAX_DIRECTIONS, 600) and not wide.holds_training_features


@pytest.mark.parametrize("measure", MEASURES)
def test_the_same_bits_in_any_company_and_after_storing(measure: Measure) -> None:
    found = fit_distance(rows(70, 33), measure, blocks=[3, 30])
    new = rows(100, 33, seed=4)
    together = found.distances(new)
    assert np.concatenate([found.distances(new[row : row + 1]) for row in range(0, 100, 9)]).tobytes() == (
        together[::9].tobytes()
    )
    again = TrainingDistance.from_tensors(measure, [3, 30], found.to_tensors())
    assert again.distances(new).tobytes() == together.tobytes()


def test_what_cannot_be_is_refused() -> None:
    known = rows(10, 4)
    with pytest.raises(InputError, match="knn"):
        fit_distance(known, "knm")  # type: ignore[arg-type]  # a user's slip
    with pytest.raises(InputError, match="at least 2"):
        fit_distance(known[:1])
    with pytest.raises(InputError, match="have 3 features, but the rows 4"):
        fit_distance(known, blocks=[1, 2])
    with pytest.raises(InputError, match="no spread"):
        fit_distance(np.ones((5, 3), dtype=np.float32), "mahalanobis")
    with pytest.raises(InputError, match="5 columns, but distances were learned on 4"):
        fit_distance(known).distances(rows(2, 5))
    tensors = fit_distance(known, "mahalanobis").to_tensors()
    for damage in ({"variances": -tensors["variances"]}, {"mean": tensors["mean"] * np.nan}):
        with pytest.raises(BundleError, match=r"variance|'mean'"):
            TrainingDistance.from_tensors("mahalanobis", [4], {**tensors, **damage})
    with pytest.raises(BundleError, match="no distance 'other'"):
        TrainingDistance.from_tensors("other", [4], tensors)
