"""Linear probes, ridge and LDA: equality with scikit-learn, and probabilities that rest on rows left out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import log_loss
from test_heads import SMALL, blobs, fit_one

from headstart.decisions.scaling import fit_platt, fit_softmax_scale
from headstart.heads import HeadSpec, fit_heads
from headstart.heads.arithmetic import BLOCK_ROWS, standardised
from headstart.heads.kinds.ridge import ridge_decisions


@pytest.mark.parametrize("d", [41, 400], ids=["n > d", "n < d"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_ridge_decisions_equal_scikit_learn(n_classes, d):
    features, labels = blobs(d=d, n_classes=n_classes)
    weights = np.random.default_rng(1).uniform(0.2, 3.0, len(labels))
    specs = [HeadSpec("ridge", {"alpha": alpha}) for alpha in (0.5, 20.0, 3000.0)]
    for head in fit_heads(specs, features, labels, n_classes=n_classes, weights=weights, seed=0):
        rows = standardised(features, head.arrays)
        theirs = RidgeClassifier(alpha=head.spec.number("alpha"), solver="svd").fit(rows, labels, sample_weight=weights)
        expected = theirs.decision_function(rows[:BLOCK_ROWS])
        if n_classes == 2:
            expected = np.stack([-expected, expected], axis=1)
        np.testing.assert_allclose(ridge_decisions(head.arrays)(rows[:BLOCK_ROWS]), expected, atol=1e-8)


@pytest.mark.parametrize("grouped", [False, True])
def test_ridge_probabilities_rest_on_rows_left_out(grouped):
    """The closed form against a regression fitted anew without each row, or each group."""
    features, labels = blobs(60, 80, n_classes=3, shift=0.3)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 60)
    groups = np.random.default_rng(2).integers(15, size=60) if grouped else np.arange(60)
    head = fit_one(SMALL["ridge"], features, labels, weights=weights, groups=groups if grouped else None)
    rows = standardised(features, head.arrays)
    signs, left_out = 2.0 * np.eye(3)[labels] - 1, np.zeros((60, 3))
    for group in np.unique(groups):
        out = groups == group
        model = Ridge(alpha=30.0).fit(rows[~out], signs[~out], sample_weight=weights[~out])
        mean = np.average(signs[~out], axis=0, weights=weights[~out])
        left_out[out] = model.predict(rows[out]) - mean + np.average(signs, axis=0, weights=weights)
    slope, offsets = fit_softmax_scale(left_out, labels, weights)
    np.testing.assert_allclose(head.arrays["slope"], slope, rtol=1e-4)
    np.testing.assert_allclose(head.arrays["offsets"], offsets, atol=1e-4)


def test_softmax_scale_of_two_classes_is_platt_scaling():
    generator = np.random.default_rng(0)
    decisions, weights = generator.standard_normal(80), generator.uniform(0.5, 2, 80)
    positive = decisions + generator.standard_normal(80) > 0.4
    slope, offset = fit_platt(decisions, positive, weights)
    both = np.stack([-decisions, decisions], axis=1)
    found, offsets = fit_softmax_scale(both, positive.astype(np.int64), weights)
    assert (2 * found, offsets[1] - offsets[0]) == pytest.approx((slope, offset), abs=1e-5)
    reversed_slope, shares = fit_softmax_scale(-both, positive.astype(np.int64), weights)
    high, low = weights[positive].sum(), weights[~positive].sum()
    assert reversed_slope == 0 and shares[1] - shares[0] == pytest.approx(np.log((high + 1) / (low + 1)), abs=1e-5)


def test_ridge_on_noise_is_not_confident_and_one_group_gives_the_shares():
    features, _ = blobs(200, 400, seed=3)
    labels = np.random.default_rng(4).integers(2, size=200)
    weak = HeadSpec("ridge", {"alpha": 1.0})
    probabilities = fit_one(weak, features[:120], labels[:120], 2).predict_proba(features)
    assert log_loss(labels[120:], probabilities[120:]) < 0.75
    alone = fit_one(weak, features[:120], labels[:120], 2, groups=np.zeros(120)).predict_proba(features)
    share = (labels[:120].sum() + 1) / 122
    np.testing.assert_allclose(alone[:, 1], share, atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0.05, 0.7, "auto"])
@pytest.mark.parametrize(("n_classes", "d"), [(2, 41), (4, 41), (3, 200)])
def test_lda_equals_scikit_learn(n_classes, d, shrinkage):
    features, labels = blobs(d=d, n_classes=n_classes, shift=0.2)
    head = fit_one(HeadSpec("lda", {"shrinkage": shrinkage}), features, labels, n_classes)
    rows = standardised(features, head.arrays)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(rows, labels)
    np.testing.assert_allclose(head.predict_proba(features), theirs.predict_proba(rows), atol=5e-6)


def test_lda_of_integer_weights_is_lda_of_repeated_rows():
    features, labels = blobs(d=60)
    weights = np.random.default_rng(1).integers(1, 4, len(labels))
    rows = np.repeat(np.arange(len(labels)), weights)
    for shrinkage in ("auto", 0.2):
        spec = HeadSpec("lda", {"shrinkage": shrinkage})
        weighted = fit_one(spec, features, labels, weights=weights).predict_proba(features)
        repeated = fit_one(spec, features[rows], labels[rows]).predict_proba(features)
        np.testing.assert_allclose(weighted, repeated, atol=1e-9)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_penalty_of_next_to_nothing_still_judges_by_rows_left_out(grouped):
    """More features than rows: the regression passes through every row, whose residual is then 0 divided by 0."""
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = (generator.standard_normal((60, 200)) + 0.5 * labels[:, None]).astype(np.float32)
    groups = np.arange(60) // 3 if grouped else None
    specs = [HeadSpec("ridge", {"alpha": alpha}) for alpha in (1e-300, 1e-12, 1e-4)]
    heads = fit_heads(specs, features, labels, n_classes=2, groups=groups, seed=0)
    least, less, small = (head.predict_proba(features) for head in heads)
    np.testing.assert_allclose(least, small, atol=1e-3)
    np.testing.assert_allclose(less, small, atol=1e-3)
    assert (small.argmax(axis=1) == labels).all()


def test_a_strong_penalty_is_no_worse_than_guessing():
    """Left out with its row, the mean target would move away from the row's class and turn the slope around."""
    features, labels = blobs(80, 300, n_classes=2, shift=0.25)
    head = fit_one(HeadSpec("ridge", {"alpha": 1e6}), features[:60], labels[:60], 2)
    assert head.arrays["slope"] > 0
    shares = np.bincount(labels[:60]) / 60
    assert log_loss(labels[60:], head.predict_proba(features[60:])) < log_loss(labels[60:], np.tile(shares, (20, 1)))


def test_rows_that_equal_the_mean_of_their_class_leave_lda_its_shares():
    features = np.repeat(np.eye(2, dtype=np.float32), [6, 3], axis=0)
    probabilities = fit_one(HeadSpec("lda"), features, np.repeat([0, 1], [6, 3]), 2).predict_proba(features)
    np.testing.assert_allclose(probabilities, np.tile([2 / 3, 1 / 3], (9, 1)), atol=1e-5)
