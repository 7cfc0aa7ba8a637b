"""Neighbours among many kept rows: those of float64, with the same bits in any company."""

from __future__ import annotations

import numpy as np
import pytest
import threadpoolctl
from made_heads import UNIFORM_KNN, blobs, fit_one

import headstart.heads.kinds.knn
import headstart.heads.neighbours
from headstart.heads import HeadSpec, fit_heads
from headstart.heads.arithmetic import standardised
from headstart.heads.neighbours import KeptRows

SPECS = [HeadSpec("knn", {"k": k, "votes": votes}) for k in (1, 7, 50, 400) for votes in ("uniform", "distance")]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of kept rows counts as many."""
    monkeypatch.setattr(headstart.heads.kinds.knn, "MAX_COMPARED", 0)


def copied(n: int = 300, d: int = 301) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of rows of which many are there twice, sixty times or nearly so."""
    features, labels = blobs(n, d)
    features[40:80] = features[:40]
    features[100:160] = features[100]
    features[160:170] = features[160] * (1 + 1e-7 * np.arange(10)[:, None])
    return features.astype(np.float32), labels


def similarities(kept: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ kept.astype(np.float64).T


@pytest.mark.parametrize("n_nearest", [1, 8, 51, 296, 300])
def test_the_nearest_are_found_and_all_that_equal_the_last(n_nearest: int) -> None:
    features, _ = copied()
    kept = KeptRows.of({"rows": features, "mean": features.mean(axis=0), "inverse_scale": np.ones(301)})
    rows = features.astype(np.float64) - features.mean(axis=0)
    found, instead = kept.nearest(rows, n_nearest)
    for row, expected in enumerate(similarities(kept.directions, rows)):
        near = instead.get(row, found)
        places, values = near.places[row if near is found else 0], near.similarities[row if near is found else 0]
        last = np.sort(expected)[-n_nearest]
        assert set(np.flatnonzero(expected > last - 1e-12)) <= set(places.tolist())
        assert (np.diff(places) > 0).all()
        np.testing.assert_allclose(values, expected[places], atol=1e-14)
    assert bool(instead) == (n_nearest < 296)
    assert all(found.similarities[place].shape == (min(n_nearest + 4, 300),) for place in range(300))


def test_copies_are_equally_similar_to_the_last_bit() -> None:
    features, _ = copied(d=77)
    kept = KeptRows.of({"rows": features, "mean": np.zeros(77), "inverse_scale": np.ones(77)})
    _, instead = kept.nearest(features.astype(np.float64), 8)
    for row in range(100, 160):
        found = dict(zip(instead[row].places[0].tolist(), instead[row].similarities[0], strict=True))
        assert len({found[place] for place in range(100, 160)}) == 1


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.label)
def test_many_rows_vote_as_few_do(spec: HeadSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = copied()
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 300)
    for rows in (features, blobs(300, 301)[0]):
        head = fit_one(spec, rows, labels, weights=weights)
        with monkeypatch.context() as context:
            few = head.predict_proba(rows)
            context.setattr(headstart.heads.kinds.knn, "MAX_COMPARED", 299)
            many = head.predict_proba(rows)
        apart = np.r_[:160, 170:300] if rows is features else np.arange(300)  # the ten differ by rounding alone
        np.testing.assert_allclose(many[apart], few[apart], atol=1e-6)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("d", [64, 301])
@pytest.mark.parametrize("spec", SPECS[2:6], ids=lambda spec: spec.label)
def test_a_row_has_the_same_bits_in_any_company_of_many(spec: HeadSpec, d: int) -> None:
    features, labels = copied(435, d)
    head, features = fit_one(spec, features, labels), features[-390:]
    alone = np.concatenate([head.predict_proba(features[i : i + 1]) for i in range(len(features))])
    for size in (2, 65, 255, 257, 390):
        parts = [head.predict_proba(features[i : i + size]) for i in range(0, len(features), size)]
        assert np.array_equal(np.concatenate(parts), alone)
    for n_threads in (1, 2):
        order = np.random.default_rng(n_threads).permutation(len(features))
        with threadpoolctl.threadpool_limits(n_threads, user_api="blas"):
            assert np.array_equal(head.predict_proba(features[order]), alone[order])


@pytest.mark.usefixtures("many")
def test_heads_of_many_rows_predict_together_as_alone() -> None:
    features, labels = copied()
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 300)
    heads = fit_heads(SPECS, features, labels, n_classes=4, weights=weights, seed=0)
    alone = np.stack([head.predict_proba(features) for head in heads])
    assert heads[0].predict_together(heads[1:], features).tobytes() == alone.tobytes()
    assert heads[2].predict_together(heads[:2], features).tobytes() == alone[[2, 0, 1]].tobytes()


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(("rounding", "n_spare"), [(3.0, 4), (0.01, 0), (1e-5, 30)])
def test_how_many_rows_are_compared_changes_no_bit(
    rounding: float, n_spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = copied()
    heads = fit_heads(SPECS, features, labels, n_classes=3, seed=0)
    expected = heads[0].predict_together(heads[1:], features)
    monkeypatch.setattr(KeptRows, "rounding", rounding)
    monkeypatch.setattr(headstart.heads.neighbours, "N_SPARE", n_spare)
    assert heads[0].predict_together(heads[1:], features).tobytes() == expected.tobytes()


def test_float32_errs_less_than_is_reckoned_with() -> None:
    generator = np.random.default_rng(0)
    for d in (65, 1500):
        rows = generator.standard_normal((2000, d))
        kept = KeptRows.of({"rows": rows.astype(np.float32), "mean": np.zeros(d), "inverse_scale": np.ones(d)})
        block = generator.standard_normal((64, d)) + rows[:64]
        units = block / np.linalg.norm(block, axis=1, keepdims=True)
        errors = units.astype(np.float32) @ kept.directions.T - similarities(kept.directions, block)
        assert np.abs(errors).max() < kept.rounding / 2


@pytest.mark.usefixtures("many")
def test_gradients_fit_the_votes_of_many_rows() -> None:
    features, labels = blobs(n=60, d=13)
    head = fit_one(HeadSpec("knn", {"k": 7}), features, labels)
    scores, row = head.class_scores(), standardised(blobs(n=1, d=13, seed=5)[0], head.arrays)
    weights = np.array([[1.0, -0.5, -0.5]])
    steps = 1e-5 * np.eye(13)
    expected = ((scores.values(row + steps) - scores.values(row - steps)) * weights).sum(axis=1) / 2e-5
    assert scores.gradient is not None
    np.testing.assert_allclose(scores.gradient(row, weights)[0], expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.usefixtures("many")
def test_rows_of_no_direction_and_no_rows_are_answered() -> None:
    features, labels = copied()
    head = fit_one(UNIFORM_KNN, features, labels)
    middle = head.class_scores().values(np.zeros((1, 301)))  # equally similar to all: all vote
    np.testing.assert_allclose(middle[0], (np.bincount(labels) + 1) / 303)
    assert head.predict_proba(features[:0]).shape == (0, 3)


def test_beyond_1000_rows_few_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs(1001, 5)
    made: list[int] = []
    of = KeptRows.of
    monkeypatch.setattr(KeptRows, "of", lambda arrays: made.append(len(arrays["rows"])) or of(arrays))
    for n_rows in (1000, 1001):
        assert fit_one(UNIFORM_KNN, features[:n_rows], labels[:n_rows]).predict_proba(features[:3]).shape == (3, 3)
    assert made == [1001]
