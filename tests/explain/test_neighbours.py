"""Neighbours as brute force finds them; the map of all images as an eigendecomposition by scikit-learn draws it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from headstart.errors import InputError
from headstart.explain import neighbours
from headstart.explain.neighbours import image_map, nearest


def features(n_rows: int, n_columns: int = 6, *, seed: int = 0) -> np.ndarray:
    scales = 10.0 ** np.arange(n_columns)
    return (np.random.default_rng(seed).normal(size=(n_rows, n_columns)) * scales).astype(np.float32)


def test_neighbours_are_those_of_scikit_learn() -> None:
    training, asked = features(600), features(7, seed=1)
    found = nearest(asked, training, n_neighbours=4)
    scaler = StandardScaler().fit(training.astype(np.float64))
    peer = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(scaler.transform(training.astype(np.float64)))
    distances, rows = peer.kneighbors(scaler.transform(asked.astype(np.float64)))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances / np.sqrt(6), rtol=1e-9)


def test_an_image_left_out_is_not_its_own_neighbour() -> None:
    training = features(20)
    left_out = np.eye(20, dtype=bool)
    found = nearest(training, training, left_out=left_out)
    assert (nearest(training, training).rows[:, 0] == np.arange(20)).all()
    assert not (found.rows == np.arange(20)[:, None]).any()


def test_a_feature_that_never_varies_counts_for_nothing() -> None:
    training = np.column_stack([features(30), np.full(30, 3.0, dtype=np.float32)])
    found = nearest(training[:3], training)
    np.testing.assert_array_equal(found.rows, nearest(training[:3, :-1], training[:, :-1]).rows)


def test_fewer_training_images_than_neighbours_are_all_named() -> None:
    assert nearest(features(2), features(3)).rows.shape == (2, 3)


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="have no neighbours among training features of shape"):
        nearest(features(2, 5), features(3))
    with pytest.raises(InputError, match="have no neighbours"):
        nearest(features(2), features(0))


@pytest.mark.parametrize("n_rows", [40, 4])
def test_the_map_is_that_of_principal_components(n_rows: int) -> None:
    values = features(n_rows)
    found = image_map(values)
    standard = StandardScaler().fit_transform(values.astype(np.float64))
    peer = PCA(n_components=2, svd_solver="full").fit(standard)
    np.testing.assert_allclose(np.abs(found.points), np.abs(peer.transform(standard)), atol=1e-6)
    assert found.explained == pytest.approx(peer.explained_variance_ratio_.sum())
    assert found.projection == "pca"


@pytest.mark.parametrize(("n_rows", "n_columns"), [(40, 30), (30, 40)])
def test_the_two_directions_of_a_large_matrix_are_those_of_all(
    n_rows: int, n_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(2).normal(size=(n_rows, n_columns))
    expected = image_map(values)
    monkeypatch.setattr(neighbours, "_LARGE_MATRIX", 20)
    found = image_map(values)
    np.testing.assert_allclose(found.points, expected.points, atol=1e-9)
    assert found.explained == pytest.approx(expected.explained)
    on_a_line = image_map(np.outer(np.arange(n_rows), np.ones(n_columns)))
    assert on_a_line.explained == pytest.approx(1.0)
    assert image_map(np.ones((n_rows, n_columns))).points.tolist() == [[0.0, 0.0]] * n_rows


def test_the_map_turns_no_axis_round() -> None:
    values = features(30)
    shuffled = np.random.default_rng(3).permutation(30)
    np.testing.assert_allclose(image_map(values[shuffled]).points, image_map(values).points[shuffled], atol=1e-8)


def test_equal_images_and_too_few_ones() -> None:
    assert image_map(np.ones((5, 3), dtype=np.float32)).points.tolist() == [[0.0, 0.0]] * 5
    with pytest.raises(InputError, match="A map of 2 images shows nothing"):
        image_map(features(2))


def test_umap_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r'pip install "headstart\[umap\]"'):
        image_map(features(10), projection="umap")


def test_very_many_images_are_worked_on_in_blocks_with_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(3).standard_normal((50, 6)).astype(np.float32) * [1, 2, 3, 4, 5, 0] + 7
    whole, near = image_map(features), nearest(features[:4], features)
    monkeypatch.setattr(neighbours, "_MANY_ROWS", 20)
    monkeypatch.setattr(neighbours, "_LARGE_BLOCK", 7)
    blocks, near_in_blocks = image_map(features), nearest(features[:4], features)
    np.testing.assert_allclose(blocks.points, whole.points, atol=1e-10)
    assert blocks.explained == pytest.approx(whole.explained)
    assert near_in_blocks.rows.tolist() == near.rows.tolist()
    np.testing.assert_allclose(near_in_blocks.distances, near.distances, atol=1e-12)
