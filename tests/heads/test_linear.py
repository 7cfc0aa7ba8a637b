"""Linear heads by descent: the loss against finite differences, the least loss against scikit-learn's, odd rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_heads import blobs, fit_one, same_arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.svm import LinearSVC

from headstart.heads import FittedHead, HeadSpec, fit_heads, training_rows
from headstart.heads.arithmetic import in_blocks, standardised
from headstart.heads.kinds.logistic import EXACT_VALUES
from headstart.heads.kinds.svm import svm_decisions
from headstart.heads.linear import loss as loss_module
from headstart.heads.linear.descent import least_loss
from headstart.heads.linear.directions import (
    MANY_SCORES,
    Curvature,
    PrincipalDirections,
    has_own_curvatures,
)
from headstart.heads.linear.landmarks import JITTER, kernel_features
from headstart.heads.linear.loss import LogisticLoss, SquaredHingeLoss


def overlapping(n_rows: int, n_features: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of few common causes, in classes that overlap."""
    generator = np.random.default_rng(5)
    labels = np.arange(n_rows) % n_classes
    causes = generator.standard_normal((n_rows, 20)) + 0.5 * generator.standard_normal((n_classes, 20))[labels]
    features = causes @ generator.standard_normal((20, n_features)) + generator.standard_normal((n_rows, n_features))
    return features.astype(np.float32), labels


def total_loss(linear: tuple[np.ndarray, np.ndarray], rows: np.ndarray, labels: np.ndarray, C: float) -> float:
    """Penalised loss of one score a class, or of two classes by the one of class 1."""
    coefficients, intercepts = linear
    scores = rows @ coefficients.T + intercepts
    if len(coefficients) == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    own = scores[np.arange(len(labels)), labels]
    return float(C * (np.logaddexp.reduce(scores, axis=1) - own).sum() + (coefficients**2).sum() / 2)


@pytest.mark.parametrize("n_classes", [2, 7, MANY_SCORES])
@pytest.mark.parametrize("C", [1e-3, 3e-2])
def test_the_least_loss_of_many_rows_is_that_of_scikit_learn(n_classes: int, C: float) -> None:
    features, labels = overlapping(420, 640, n_classes)
    assert features.size >= EXACT_VALUES  # in float32
    rows = training_rows(features, labels, n_classes=n_classes, weights=None, groups=None, seed=0)
    theirs = LogisticRegression(C=C, tol=1e-8, max_iter=5000).fit(rows.standardised, labels)
    (head,) = fit_heads([HeadSpec("logistic", {"C": C})], features, labels, n_classes=n_classes, seed=0)
    ours = head.arrays["coefficients"], head.arrays["intercepts"]
    if n_classes == 2:
        ours = 2 * ours[0][1:], 2 * ours[1][1:]
    least = total_loss((theirs.coef_, theirs.intercept_), rows.standardised, labels, C)
    assert total_loss(ours, rows.standardised, labels, C) <= least * (1 + 1e-6)
    expected = theirs.predict_proba(rows.standardised)
    np.testing.assert_allclose(head.predict_proba(features), expected, atol=1e-3)


def test_a_head_of_many_rows_is_the_same_to_the_bit_beside_others() -> None:
    features, labels = overlapping(420, 640, 3)
    specs = [HeadSpec("logistic", {"C": C}) for C in (1e-3, 1e-2, 3e-2)]
    together = fit_heads(specs, features, labels, n_classes=3, seed=0)
    for spec, head in zip(specs, together, strict=True):
        (alone,) = fit_heads([spec], features, labels, n_classes=3, seed=1)
        assert same_arrays(head, alone)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_gradient_is_that_of_finite_differences_in_blocks_of_any_size(
    n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    shares = generator.uniform(0.5, 2, 11)
    labels = np.arange(11) % n_classes
    loss = LogisticLoss(generator.standard_normal((11, 4)), labels, shares / shares.sum(), n_classes, 0.3)
    point = generator.standard_normal(loss.start.shape)
    value, gradient = loss(point)
    for place in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[place] = 1e-5
        assert (loss(point + step)[0] - loss(point - step)[0]) / 2e-5 == pytest.approx(gradient[place], abs=1e-8)
    monkeypatch.setattr(loss_module, "BLOCK_ROWS", 4)
    assert loss(point)[0] == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(loss(point)[1], gradient, atol=1e-14)


def test_directions_are_orthonormal_and_leave_nothing_where_there_is_no_more() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 6)) @ np.random.default_rng(1).standard_normal((6, 90))
    found = PrincipalDirections.of(rows)
    assert found.vectors.shape == (90, 6)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(6), atol=1e-8)
    assert found.beyond == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("n_scores", [1, 3])
def test_the_curvature_along_all_directions_is_the_exact_one_without_a_penalty_on_intercepts(
    n_scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.heads.linear.directions.MANY_SCORES", n_scores)
    monkeypatch.setattr("headstart.heads.linear.directions.WIDE", 1)
    features, labels = np.random.default_rng(3).standard_normal((30, 4)), np.arange(30) % max(2, n_scores)
    loss = SquaredHingeLoss(features, labels, np.full(30, 1 / 30), max(2, n_scores), 5.0)
    loss(np.random.default_rng(4).standard_normal((5, n_scores)))
    directions = PrincipalDirections.of(features)
    with_ones, change = np.hstack([features, np.ones((30, 1))]), np.random.default_rng(5).standard_normal((5, n_scores))
    curvature = Curvature(replace(directions, beyond=1.0), loss)
    expected = np.empty_like(change)
    for score in range(n_scores):
        own = (loss.curvatures[:, score] + loss.curvatures.mean(axis=1)) / 2  # drawn to the mean by half
        bent = with_ones.T @ (with_ones * (own[:, None] / 30)) + np.diag([5.0] * 4 + [0.0])
        expected[:, score] = np.linalg.solve(bent, change[:, score])
    np.testing.assert_allclose(curvature.solve(change), expected, rtol=1e-7)


def test_machines_of_many_classes_that_keep_their_margins_are_found_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(4)
    labels = np.arange(1000) % 100
    features = 4 * generator.standard_normal((100, 512))[labels] + generator.standard_normal((1000, 512))
    features = np.maximum(0, features).astype(np.float32)
    rows = training_rows(features, labels, n_classes=100, weights=None, groups=None, seed=0)
    kernel = kernel_features(rows, np.arange(1000), 0.25 / 512)
    calls = []
    slopes = SquaredHingeLoss._slopes
    monkeypatch.setattr(SquaredHingeLoss, "_slopes", lambda *given: calls.append(1) or slopes(*given))
    loss = SquaredHingeLoss(kernel.features, labels, np.full(1000, 1 / 1000), 100, 1 / 10_000)
    found = least_loss(loss, PrincipalDirections.of(kernel.features), tolerance=1e-3, max_iterations=500)
    assert has_own_curvatures(100, 1000) and found.converged
    assert len(calls) < 80 and np.abs(loss(found.parameters)[1]).max() <= 1e-3


def test_a_strong_penalty_slows_no_intercept() -> None:
    features, labels = overlapping(420, 640, 7)
    labels[labels > 4] = 0  # unequal classes, whose shares the intercepts hold
    rows = training_rows(features, labels, n_classes=7, weights=None, groups=None, seed=0)
    loss = LogisticLoss(rows.standardised, rows.labels, np.full(420, 1 / 420), rows.n_present, 100.0)
    found = least_loss(loss, PrincipalDirections.of(rows.standardised), tolerance=1e-6, max_iterations=50)
    assert found.converged and found.n_iterations <= 8
    shares = np.bincount(rows.labels) / 420
    intercepts, expected = found.parameters[-1], np.log(shares)
    np.testing.assert_allclose(intercepts - intercepts.mean(), expected - expected.mean(), atol=0.02)


@pytest.mark.parametrize(
    "features",
    [np.zeros((6, 3)), np.ones((6, 1)) * np.arange(6)[:, None], np.repeat(np.eye(6), 20, axis=1)],
    ids=["nothing varies", "one column", "columns repeated"],
)
def test_rows_that_span_little_are_fitted(features: np.ndarray) -> None:
    labels = np.array([0, 0, 1, 0, 1, 1])
    loss = LogisticLoss(features, labels, np.full(6, 1 / 6), 2, 0.1)
    found = least_loss(loss, PrincipalDirections.of(features), tolerance=1e-8, max_iterations=200)
    assert found.converged and np.abs(loss(found.parameters)[1]).max() <= 1e-8


@pytest.mark.parametrize("n_classes", [2, 3])
def test_landmarks_at_every_row_give_the_machine_of_the_whole_kernel(
    n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = blobs(120, 9, n_classes)
    monkeypatch.setattr("headstart.heads.kinds.svm.MAX_KERNEL_WORK", 0)
    monkeypatch.setattr("headstart.heads.kinds.svm.LANDMARK_TOLERANCE", 1e-6)
    head = fit_one(HeadSpec("svm", {"C": 2.0, "gamma": 0.7}), features, labels, n_classes)
    rows = standardised(features, head.arrays)
    distances = ((rows[:, None] - rows) ** 2).sum(axis=2)
    values, vectors = np.linalg.eigh(np.exp(-0.7 / 9 * distances) + JITTER * np.eye(120))
    mapped = vectors * np.sqrt(values)  # inner products of these rows are the kernel
    decided = in_blocks(features, lambda block: svm_decisions(head.arrays)(standardised(block, head.arrays)), n_classes)
    for label in range(n_classes):
        machine = LinearSVC(C=2.0, tol=1e-10, max_iter=100_000, intercept_scaling=1e3)
        expected = machine.fit(mapped, labels == label).decision_function(mapped)
        np.testing.assert_allclose(decided[:, label], expected, atol=0.01)


def test_many_rows_are_fitted_by_landmarks_and_come_near_the_whole_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs(900, 12, 3)
    train, test = slice(0, 600), slice(600, None)
    spec = HeadSpec("svm", {"C": 1.0})
    whole = fit_one(spec, features[train], labels[train])
    monkeypatch.setattr("headstart.heads.kinds.svm.MAX_KERNEL_ROWS", 599)
    monkeypatch.setattr("headstart.heads.linear.landmarks.N_LANDMARKS", 200)
    head = fit_one(spec, features[train], labels[train])
    assert head.arrays["rows"].shape == (200, 12) and head.arrays["dual"].shape == (3, 200)
    assert same_arrays(fit_one(spec, features[train], labels[train]), head)
    beside = fit_heads([HeadSpec("svm", {"C": 9.0}), spec], features[train], labels[train], n_classes=3, seed=0)
    assert same_arrays(beside[1], head)
    losses = [log_loss(labels[test], one.predict_proba(features[test])) for one in (whole, head)]
    assert losses[1] < losses[0] + 0.02
    assert same_arrays(FittedHead.from_tensors(spec, head.to_tensors()), head)


def test_a_class_of_one_row_has_its_share_where_landmarks_cannot_calibrate_it(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs(60, 5, 3)
    kept = np.flatnonzero((labels != 2) | (np.arange(60) == np.flatnonzero(labels == 2)[0]))
    monkeypatch.setattr("headstart.heads.kinds.svm.MAX_KERNEL_WORK", 0)
    head = fit_one(HeadSpec("svm"), features[kept], labels[kept])
    assert head.arrays["platt_slope"][2] == 0 and np.isfinite(head.predict_proba(features)).all()


def test_one_fold_calibrates_only_where_it_holds_rows_of_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs(300, 5, 3)
    monkeypatch.setattr("headstart.heads.kinds.svm.MAX_KERNEL_WORK", 0)
    monkeypatch.setattr("headstart.heads.kinds.svm.MIN_LEFT_OUT", 20)
    of_one = fit_one(HeadSpec("svm"), features, labels)
    monkeypatch.setattr("headstart.heads.kinds.svm.MIN_LEFT_OUT", 301)
    of_all = fit_one(HeadSpec("svm"), features, labels)
    assert not np.array_equal(of_one.arrays["platt_slope"], of_all.arrays["platt_slope"])
    np.testing.assert_allclose(of_one.predict_proba(features), of_all.predict_proba(features), atol=0.15)
    few = np.flatnonzero((labels != 2) | (np.cumsum(labels == 2) <= 30))  # ten or so in a fold
    one_large = np.where(np.arange(300) < 220, 0, np.arange(300))  # a group that is most of a fold
    for rows, groups in ((few, None), (np.arange(300), one_large)):
        given = features[rows], labels[rows]
        monkeypatch.setattr("headstart.heads.kinds.svm.MIN_LEFT_OUT", 301)
        of_all = fit_one(HeadSpec("svm"), *given, groups=groups)
        monkeypatch.setattr("headstart.heads.kinds.svm.MIN_LEFT_OUT", 20)
        assert same_arrays(fit_one(HeadSpec("svm"), *given, groups=groups), of_all)


@pytest.mark.parametrize("groups", [np.zeros(60, dtype=np.int64), np.arange(60) % 2])
def test_rows_in_one_or_two_groups_are_fitted_by_landmarks(groups: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs(60, 5, 3)
    monkeypatch.setattr("headstart.heads.kinds.svm.MAX_KERNEL_WORK", 0)
    head = fit_one(HeadSpec("svm"), features, labels, groups=groups)
    probabilities = head.predict_proba(features)
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.8 or not groups.any()
