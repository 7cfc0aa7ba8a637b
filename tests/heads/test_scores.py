"""Scores of the classes and their gradients, held against probabilities and against finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from made_heads import SMALL, UNIFORM_KNN, blobs, fit_one

from headstart.decisions.scaling import softmax
from headstart.errors import InputError
from headstart.heads import HeadSpec
from headstart.heads.arithmetic import over_all_classes, standardised
from headstart.heads.kinds.dense import ACTIVATIONS

DENSE = [
    HeadSpec("dense", {"units": 11, "epochs": 4, "learning_rate": 1e-3, "activation": activation, "layers": layers})
    for activation, layers in itertools.product(ACTIVATIONS, (1, 2))
]
WITH_GRADIENT = [*SMALL.values(), *DENSE, HeadSpec("dense", {"layers": 0, "epochs": 3})]
WEIGHTS = np.array([[1.0, -1.0, 0.0], [1.0, -0.5, -0.5]])


def differences(values, rows, weights, step=1e-5):
    found = np.zeros_like(rows)
    for column in range(rows.shape[1]):
        moved = np.zeros(rows.shape[1])
        moved[column] = step
        found[:, column] = ((values(rows + moved) - values(rows - moved)) * weights).sum(axis=1) / (2 * step)
    return found


@pytest.mark.parametrize("spec", WITH_GRADIENT, ids=lambda spec: spec.label)
def test_gradients_are_those_of_finite_differences(spec: HeadSpec) -> None:
    features, labels = blobs(n=60, d=13)
    head = fit_one(spec, features, labels)
    scores, rows = head.class_scores(), standardised(blobs(n=2, d=13, seed=5)[0], head.arrays)
    expected = differences(scores.values, rows, WEIGHTS)
    assert scores.gradient is not None
    np.testing.assert_allclose(scores.gradient(rows, WEIGHTS), expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["logistic", "lda", "dense"])
def test_softmax_of_scores_are_the_probabilities(kind: str) -> None:
    features, labels = blobs(n=60, d=13)
    head = fit_one(SMALL[kind], features, labels)
    scores = head.class_scores().values(standardised(features, head.arrays))
    whole = over_all_classes(softmax(scores), head.arrays["present"])
    np.testing.assert_allclose(whole, head.predict_proba(features), atol=1e-12)


@pytest.mark.parametrize("kind", ["logistic", "lda", "ridge"])
def test_linear_scores_have_one_gradient(kind: str) -> None:
    features, labels = blobs(n=60, d=13)
    head = fit_one(SMALL[kind], features, labels)
    scores, rows = head.class_scores(), standardised(features[:2], head.arrays)
    assert scores.is_linear
    assert scores.gradient is not None
    np.testing.assert_array_equal(scores.gradient(rows, WEIGHTS), scores.gradient(0 * rows, WEIGHTS))


@pytest.mark.parametrize("kind", ["svm", "ridge"])
def test_scores_rank_as_probabilities_do(kind: str) -> None:
    features, labels = blobs(n=60, d=13, n_classes=2)
    head = fit_one(SMALL[kind], features, labels, n_classes=2)
    scores = head.class_scores().values(standardised(features, head.arrays))
    order = np.argsort(scores[:, 1] - scores[:, 0], kind="stable")
    assert (np.diff(head.predict_proba(features)[order, 1]) >= -1e-12).all()


@pytest.mark.parametrize("spec", [UNIFORM_KNN, HeadSpec("forest", {"trees": 5}), HeadSpec("majority")], ids=str)
def test_scores_that_rise_in_steps_have_no_gradient(spec: HeadSpec) -> None:
    features, labels = blobs(n=60, d=13)
    head = fit_one(spec, features, labels)
    scores = head.class_scores()
    assert scores.gradient is None
    values = scores.values(standardised(features, head.arrays))
    np.testing.assert_allclose(over_all_classes(values, head.arrays["present"]), head.predict_proba(features))


def test_neighbours_that_are_all_alike_pull_nowhere() -> None:
    features, labels = np.ones((12, 3), dtype=np.float32), np.arange(12) % 3
    features[:, 0] = labels == 0
    head = fit_one(HeadSpec("knn", {"k": 2}), features, labels)
    rows = np.zeros((2, 3))
    scores = head.class_scores()
    assert scores.gradient is not None
    assert scores.smooth_gradient is not None
    for gradient in (scores.gradient, scores.smooth_gradient):
        assert np.isfinite(gradient(rows, WEIGHTS)).all()
        assert not gradient(rows, WEIGHTS).any()


def test_smooth_votes_of_all_rows_have_the_smooth_gradient() -> None:
    features, labels = blobs(n=60, d=13)
    head = fit_one(HeadSpec("knn", {"k": 7}), features, labels)
    rows = standardised(blobs(n=2, d=13, seed=5)[0], head.arrays)
    units = standardised(features, head.arrays)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    spans = []
    for row in rows:
        similarities = np.sort(units @ row / np.linalg.norm(row))
        spans.append(similarities[-1] - similarities[-8])

    def shares(block):
        similarities = block @ units.T / np.linalg.norm(block, axis=1, keepdims=True)
        votes = np.exp(similarities / np.array(spans)[:, None])  # of the span as it is, which the gradient holds still
        return (votes / votes.sum(axis=1, keepdims=True)) @ np.eye(3)[labels]

    smooth = head.class_scores().smooth_gradient
    assert smooth is not None
    expected = differences(shares, rows, WEIGHTS)
    np.testing.assert_allclose(smooth(rows, WEIGHTS), expected, atol=1e-6 * np.abs(expected).max())


def test_among_neighbours_of_one_class_the_smooth_gradient_still_leads_to_it() -> None:
    features, labels = blobs(n=60, d=13, n_classes=2, shift=2.0)
    head = fit_one(HeadSpec("knn", {"k": 5}), features, labels, n_classes=2)
    scores, rows = head.class_scores(), standardised(features[labels == 1], head.arrays)
    weights = np.tile([-1.0, 1.0], (len(rows), 1))
    smooth = scores.smooth_gradient
    assert smooth is not None
    centre = rows.mean(axis=0)
    assert ((smooth(rows, weights) @ centre) > 0).all()


def test_a_head_of_one_class_has_no_scores() -> None:
    features, _ = blobs(n=10, d=3)
    head = fit_one(SMALL["logistic"], features, np.zeros(10, dtype=int))
    with pytest.raises(InputError, match="seen one class only"):
        head.class_scores()
