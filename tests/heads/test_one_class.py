"""One-class heads: equality with the definition, row by row, kept and restored, damage and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import BundleError, InputError
from headstart.heads.one_class import ONE_CLASS_KINDS, OneClassHead, fit_one_class


def rows(n: int = 120, d: int = 6, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3).astype(np.float32)


def test_mahalanobis_is_that_of_the_shrunk_covariance() -> None:
    from sklearn.covariance import LedoitWolf

    normal, new = rows(), rows(9, seed=1)
    scaled = (normal - normal.mean(axis=0, dtype=float)) / normal.std(axis=0, dtype=float)
    by_sklearn = LedoitWolf(assume_centered=True).fit(scaled)
    moved = (new - normal.mean(axis=0, dtype=float)) / normal.std(axis=0, dtype=float)
    expected = np.sqrt(by_sklearn.mahalanobis(moved) / normal.shape[1])
    np.testing.assert_allclose(fit_one_class("mahalanobis", normal).distances(new), expected, rtol=1e-6)


def test_nearest_is_the_mean_distance_to_five_rows() -> None:
    normal, new = rows(), rows(9, seed=1)
    mean, spread = normal.mean(axis=0, dtype=float), normal.std(axis=0, dtype=float)
    pairs = np.linalg.norm((new - mean)[:, None] / spread - (normal - mean)[None] / spread, axis=2)
    expected = np.sort(pairs, axis=1)[:, :5].mean(axis=1) / np.sqrt(normal.shape[1])
    np.testing.assert_allclose(fit_one_class("knn", normal).distances(new), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", list(ONE_CLASS_KINDS))
def test_a_row_is_judged_alone_as_among_others(kind: str) -> None:
    head, new = fit_one_class(kind, rows()), rows(70, seed=2)
    together = head.distances(new)
    assert [float(head.distances(new[place : place + 1])[0]) for place in range(70)] == together.tolist()
    again = OneClassHead.from_tensors(kind, head.to_tensors())
    assert again.distances(new).tolist() == together.tolist()


@pytest.mark.parametrize("kind", list(ONE_CLASS_KINDS))
def test_fewer_rows_than_features_and_constant_features_are_borne(kind: str) -> None:
    normal = rows(25, 40)
    normal[:, 3] = 7.0
    head = fit_one_class(kind, normal)
    far = normal.copy()
    far[:, 0] += 100
    assert np.isfinite(head.distances(normal)).all()
    assert head.distances(far).min() > head.distances(normal).max()


def test_many_rows_are_thinned_evenly() -> None:
    head = fit_one_class("knn", rows(5000, 2))
    assert head.arrays["rows"].shape == (4096, 2)


def test_too_little_or_constant_running_is_refused() -> None:
    with pytest.raises(InputError, match="19 windows of normal running; at least 20"):
        fit_one_class("knn", rows(19))
    with pytest.raises(InputError, match="nothing varies"):
        fit_one_class("knn", np.ones((30, 2), dtype=np.float32))
    with pytest.raises(InputError, match="mahalanobis"):
        fit_one_class("mahalanobi", rows())
    with pytest.raises(InputError, match="4 features"):
        fit_one_class("knn", rows()).distances(rows(3, 4))


def test_damaged_arrays_are_refused() -> None:
    sound = fit_one_class("mahalanobis", rows()).to_tensors()
    damaged = [
        {name: array for name, array in sound.items() if name != "mean"},
        sound | {"whitening": sound["whitening"][:, :3]},
        sound | {"mean": np.full_like(sound["mean"], np.nan)},
        sound | {"mean": sound["mean"].astype(np.float32)},
        sound | {"more": sound["mean"]},
    ]
    for arrays in damaged:
        with pytest.raises(BundleError, match="array"):
            OneClassHead.from_tensors("mahalanobis", arrays)
    with pytest.raises(BundleError, match="no one-class head"):
        OneClassHead.from_tensors("forest", sound)
