"""Heads of ordered classes against statsmodels, scikit-learn and hand-computed probabilities."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from headstart.errors import BundleError, InputError
from headstart.heads import FittedHead, HeadSpec, fit_heads, grid
from headstart.heads.kinds.cumulative import _objective, log_between
from headstart.heads.spec import check_order
from headstart.heads.training_rows import training_rows

RNG = np.random.default_rng(5)
FEATURES = RNG.normal(size=(240, 4)).astype(np.float32)
LATENT = FEATURES @ [1.0, -0.5, 0.25, 0.0] + RNG.logistic(size=240)
LABELS = np.digitize(LATENT, [-1.0, 0.2, 1.5])
WEIGHTS = RNG.integers(1, 4, 240).astype(float)


def fitted(kind: str, C: float = 0.1, **changed: Any) -> FittedHead:
    given = {"features": FEATURES, "labels": LABELS, "weights": None, "n_classes": 4, "seed": 0} | changed
    features, labels = given.pop("features"), given.pop("labels")
    return fit_heads([HeadSpec(kind, {"C": C})], features, labels, **given)[0]


def hand_made(kind: str, **arrays: Any) -> FittedHead:
    """A head on one feature as it is, of three classes."""
    common = {"present": np.ones(3, dtype=bool), "mean": np.zeros(1), "inverse_scale": np.ones(1)}
    return FittedHead.from_tensors(HeadSpec(kind), common | arrays)


def test_without_a_penalty_the_cumulative_logit_is_that_of_statsmodels() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.miscmodels.ordinal_model import OrderedModel

        theirs = OrderedModel(LABELS, FEATURES.astype(float), distr="logit").fit(method="bfgs", gtol=1e-8, disp=False)
    head = fitted("cumulative", C=1e9)
    scale = head.arrays["inverse_scale"]
    assert head.arrays["coefficients"] * scale == pytest.approx(theirs.params[:4], abs=1e-6)
    thresholds = head.arrays["thresholds"] + head.arrays["coefficients"] @ (head.arrays["mean"] * scale)
    assert thresholds == pytest.approx(theirs.model.transform_threshold_params(theirs.params)[1:-1], abs=1e-6)
    expected = theirs.model.predict(theirs.params, FEATURES.astype(float))
    assert head.predict_proba(FEATURES) == pytest.approx(expected, abs=5e-6)  # the floor of probabilities


def test_the_gradient_of_the_cumulative_loss_is_that_of_finite_differences() -> None:
    rows = training_rows(FEATURES, LABELS, n_classes=4, weights=WEIGHTS, groups=None, seed=0)
    place = np.random.default_rng(1).normal(size=4 + 3)
    _, gradient = _objective(place, rows, 0.3)
    steps = np.eye(7) * 1e-6
    slopes = [(_objective(place + s, rows, 0.3)[0] - _objective(place - s, rows, 0.3)[0]) / 2e-6 for s in steps]
    assert gradient == pytest.approx(slopes, abs=1e-8)


def test_the_penalised_cumulative_logit_is_at_its_minimum() -> None:
    rows = training_rows(FEATURES, LABELS, n_classes=4, weights=WEIGHTS, groups=None, seed=0)
    head = fitted("cumulative", weights=WEIGHTS)
    thresholds = head.arrays["thresholds"]
    steps = np.concatenate([thresholds[:1], np.log(np.diff(thresholds))])
    _, gradient = _objective(np.concatenate([head.arrays["coefficients"], steps]), rows, 0.1)
    assert np.abs(gradient).max() < 1e-6


def test_cumulative_probabilities_by_hand() -> None:
    head = hand_made("cumulative", coefficients=np.array([2.0]), thresholds=np.array([-1.0, 1.0]))
    below, up_to = 1 / (1 + np.exp(1 + 2 * 0.5)), 1 / (1 + np.exp(-1 + 2 * 0.5))
    expected = np.array([below, up_to - below, 1 - up_to])
    found = head.predict_proba(np.array([[0.5]], dtype=np.float32))[0]
    assert (found - 1e-6) / (1 - 3e-6) == pytest.approx(expected, abs=1e-12)


def test_corn_probabilities_by_hand() -> None:
    """Above the first class 0.8, above the second given that 0.25: classes of 0.2, 0.6 and 0.2."""
    logits = np.log([0.8 / 0.2, 0.25 / 0.75])
    head = hand_made("corn", coefficients=np.zeros((2, 1)), intercepts=logits)
    found = head.predict_proba(np.zeros((1, 1), dtype=np.float32))[0]
    assert (found - 1e-6) / (1 - 3e-6) == pytest.approx([0.2, 0.6, 0.2], abs=1e-12)


def test_corn_is_made_of_conditional_logistic_regressions() -> None:
    head = fitted("corn", weights=WEIGHTS)
    scaled = (FEATURES - head.arrays["mean"]) * head.arrays["inverse_scale"]
    for threshold in range(3):
        reached = threshold <= LABELS
        theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000)
        theirs.fit(scaled[reached], LABELS[reached] > threshold, sample_weight=WEIGHTS[reached])
        assert head.arrays["coefficients"][threshold] == pytest.approx(theirs.coef_[0], abs=1e-5)
        assert head.arrays["intercepts"][threshold] == pytest.approx(theirs.intercept_[0], abs=1e-5)


@pytest.mark.parametrize("kind", ["cumulative", "corn"])
def test_with_two_classes_both_are_the_logistic_head(kind: str) -> None:
    labels = (LABELS > 1).astype(int)
    found = fitted(kind, labels=labels, n_classes=2).predict_proba(FEATURES)
    expected = fitted("logistic", labels=labels, n_classes=2).predict_proba(FEATURES)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["cumulative", "corn"])
class TestOrdinalHeads:
    def test_a_weight_of_two_is_the_row_twice(self, kind: str) -> None:
        times = WEIGHTS.astype(int)
        repeated = fitted(kind, features=np.repeat(FEATURES, times, axis=0), labels=np.repeat(LABELS, times))
        assert fitted(kind, weights=WEIGHTS).predict_proba(FEATURES) == pytest.approx(
            repeated.predict_proba(FEATURES), abs=1e-5
        )

    def test_a_head_is_stored_and_fitted_again_to_the_last_bit(self, kind: str) -> None:
        head = fitted(kind)
        again = FittedHead.from_tensors(head.spec, head.to_tensors())
        assert np.array_equal(head.predict_proba(FEATURES), again.predict_proba(FEATURES))
        assert np.array_equal(fitted(kind).predict_proba(FEATURES), head.predict_proba(FEATURES))
        alone = np.concatenate([head.predict_proba(FEATURES[row : row + 1]) for row in range(70)])
        assert np.array_equal(alone, head.predict_proba(FEATURES[:70]))

    def test_a_class_without_rows_keeps_the_order_of_the_others(self, kind: str) -> None:
        kept = LABELS != 1
        head = fitted(kind, features=FEATURES[kept], labels=LABELS[kept])
        found = head.predict_proba(FEATURES)
        assert (found[:, 1] == 1e-6).all() and found.sum(axis=1) == pytest.approx(1.0)
        assert np.corrcoef(found @ np.arange(4), LATENT)[0, 1] > 0.4

    def test_order_matters(self, kind: str) -> None:
        shuffled = np.array([2, 0, 3, 1])[LABELS]
        right = fitted(kind).predict_proba(FEATURES).argmax(axis=1) == LABELS
        wrong = fitted(kind, labels=shuffled).predict_proba(FEATURES).argmax(axis=1) == shuffled
        assert right.mean() >= wrong.mean()

    def test_scores_are_logs_of_probabilities_and_their_gradient_is_true(self, kind: str) -> None:
        head = fitted(kind)
        scaled = (FEATURES[:5] - head.arrays["mean"]) * head.arrays["inverse_scale"]
        scores, weights = head.class_scores(), np.random.default_rng(3).normal(size=(5, 4))
        probabilities = head.predict_proba(FEATURES[:5])
        assert np.exp(scores.values(scaled)) == pytest.approx(probabilities, abs=5e-6)
        found = scores.gradient(scaled, weights)
        for feature in range(4):
            step = np.eye(4)[feature] * 1e-5
            change = scores.values(scaled + step) - scores.values(scaled - step)
            assert found[:, feature] == pytest.approx((change * weights).sum(axis=1) / 2e-5, abs=1e-6)


def test_far_away_probabilities_stay_exact() -> None:
    step = 2.0**-30
    assert log_between(np.array([40.0]), np.array([40.0 + step]))[0] == pytest.approx(-40 + np.log(step), abs=1e-8)


def test_only_ordered_classes_are_offered_ordinal_heads() -> None:
    assert not {"cumulative", "corn"} & {spec.kind for spec in grid()}
    assert {"cumulative", "corn"} <= {spec.kind for spec in grid(ordered=True)}
    assert [spec for spec in grid(ordered=True) if spec.kind not in ("cumulative", "corn")] == grid()
    check_order([HeadSpec("corn")], ordered=True)
    with pytest.raises(InputError, match=r"The head 'CORN C = 0.01' needs ordered classes.*--ordinal low,middle,high"):
        check_order([HeadSpec("logistic"), HeadSpec("corn")], ordered=False)


def test_damaged_heads_are_refused() -> None:
    with pytest.raises(BundleError, match="the thresholds do not rise"):
        hand_made("cumulative", coefficients=np.array([2.0]), thresholds=np.array([1.0, 1.0]))
    with pytest.raises(BundleError, match="3 classes need 2 thresholds, not 1"):
        hand_made("cumulative", coefficients=np.array([2.0]), thresholds=np.array([1.0]))
    with pytest.raises(BundleError, match="3 classes need 2 regressions, not 3"):
        hand_made("corn", coefficients=np.zeros((3, 1)), intercepts=np.zeros(3))
