"""Calibration: equality with scikit-learn, what `auto` takes, order and sums kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_probabilities import overconfident, three_classes
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from headstart.decisions import (
    Isotonic,
    NoCalibration,
    Platt,
    Temperature,
    fit_calibrator,
)
from headstart.decisions.calibration import MIN_ROWS
from headstart.decisions.calibrators import calibrator_from_json
from headstart.errors import InputError
from headstart.metrics import find_metric


class Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose decision values are its input, for scikit-learn to calibrate."""

    def fit(self, X: Any, y: Any) -> Scores:
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X: Any) -> Any:
        return np.asarray(X)[:, 0]

    def predict(self, X: Any) -> Any:
        return (np.asarray(X)[:, 0] > 0).astype(int)


def test_platt_is_scikit_learns_sigmoid() -> None:
    probabilities, labels = overconfident(300, shift=1.0)
    ours = fit_calibrator(probabilities, labels, kind="platt").calibrator
    odds = logit(probabilities[:, 1])[:, None]
    theirs = CalibratedClassifierCV(FrozenEstimator(Scores().fit(odds, labels)), method="sigmoid", cv=3, ensemble=False)
    theirs.fit(odds, labels)
    np.testing.assert_allclose(ours.apply(probabilities), theirs.predict_proba(odds), atol=2e-4)


def test_temperature_is_the_slope_of_a_logistic_regression_without_offset() -> None:
    probabilities, labels = overconfident(4000)
    found = fit_calibrator(probabilities, labels, kind="temperature").calibrator
    assert isinstance(found, Temperature)
    odds = logit(probabilities[:, 1])[:, None]
    slope = LogisticRegression(C=1e8, fit_intercept=False, tol=1e-10).fit(odds, labels).coef_[0, 0]
    assert found.inverse == pytest.approx(slope, rel=1e-4)
    assert found.inverse == pytest.approx(1 / 3, rel=0.15)  # the odds are three times the true ones


@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_rows_do_not_make_a_temperature_certain(n_classes: int) -> None:
    labels = np.arange(60) % n_classes
    probabilities = np.full((60, n_classes), 0.3 / (n_classes - 1))
    probabilities[np.arange(60), labels] = 0.7
    found = fit_calibrator(probabilities, labels, kind="temperature").calibrator
    own = found.apply(probabilities)[np.arange(60), labels]
    n_own = 60 / n_classes  # Platt's target, which two distinct rows can meet
    np.testing.assert_allclose(own, (n_own + 1) / (n_own + n_classes), atol=1e-5)
    unlike = np.full((1, n_classes), 1e-6 / (n_classes - 1))
    unlike[0, 0] = 1 - 1e-6
    assert found.apply(unlike).min() > 1e-30


def test_temperature_of_three_classes_is_the_best_on_a_fine_grid() -> None:
    probabilities, labels = three_classes()
    found = fit_calibrator(probabilities, labels, kind="temperature").calibrator
    assert isinstance(found, Temperature)
    losses = {
        inverse: log_loss(labels, Temperature(inverse).apply(probabilities)) for inverse in np.linspace(0.2, 1, 161)
    }
    assert found.inverse == pytest.approx(min(losses, key=lambda one: losses[one]), abs=0.005)
    assert np.array_equal(found.apply(probabilities).argmax(axis=1), probabilities.argmax(axis=1))


def test_isotonic_is_scikit_learns_kept_from_certainty() -> None:
    probabilities, labels = overconfident(400)
    weights = np.random.default_rng(3).uniform(0.5, 2, 400)
    found = fit_calibrator(probabilities, labels, weights, kind="isotonic").calibrator
    theirs = IsotonicRegression(out_of_bounds="clip").fit(probabilities[:, 1], labels, sample_weight=weights)
    expected = np.clip(theirs.predict(probabilities[:, 1]), 1 / 402, 1 - 1 / 402)
    np.testing.assert_allclose(found.apply(probabilities)[:, 1], expected, atol=1e-12)


def test_isotonic_of_three_classes_is_one_against_the_rest_made_to_sum_to_one() -> None:
    probabilities, labels = three_classes()
    found = fit_calibrator(probabilities, labels, kind="isotonic").calibrator
    columns = [
        np.clip(
            IsotonicRegression(out_of_bounds="clip").fit(probabilities[:, code], labels == code).predict(column),
            1 / 602,
            1 - 1 / 602,
        )
        for code, column in enumerate(probabilities.T)
    ]
    table = np.stack(columns, axis=1)
    np.testing.assert_allclose(found.apply(probabilities), table / table.sum(axis=1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("kind", ["none", "temperature", "platt", "isotonic"])
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), n=st.integers(10, 60))
def test_every_calibrator_is_monotone_sums_to_one_and_comes_back_from_json(kind: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random(n).round(int(rng.integers(1, 6)))  # ties, zeros and ones among them
    labels = np.append([0, 1], rng.integers(0, 2, n - 2))
    found = fit_calibrator(np.stack([1 - positive, positive], axis=1), labels, kind=kind).calibrator
    line = np.linspace(0, 1, 101)
    out = found.apply(np.stack([1 - line, line], axis=1))
    assert (np.diff(out[:, 1]) >= -1e-12).all()
    np.testing.assert_allclose(out.sum(axis=1), 1)
    again = calibrator_from_json(json.loads(json.dumps(found.to_json())), 2)
    assert again == found and np.array_equal(again.apply(np.stack([1 - line, line], axis=1)), out)


def test_weights_count_rows_and_zero_leaves_them_out() -> None:
    probabilities, labels = overconfident(80)
    counts = np.random.default_rng(5).integers(0, 3, 80)
    repeated = np.repeat(np.arange(80), counts)
    for kind in ("temperature", "isotonic"):
        weighted = fit_calibrator(probabilities, labels, counts, kind=kind).calibrator.apply(probabilities)
        plain = fit_calibrator(probabilities[repeated], labels[repeated], kind=kind).calibrator.apply(probabilities)
        if kind == "temperature":
            np.testing.assert_allclose(weighted, plain, atol=1e-6)
        else:  # only the margin from certainty knows rows from weights
            inside = (counts > 0) & (plain[:, 1] > 0.05) & (plain[:, 1] < 0.95)
            np.testing.assert_allclose(weighted[inside], plain[inside], atol=1e-12)


def test_the_size_of_the_data_decides_what_auto_considers() -> None:
    for n, expected in ((19, set()), (60, {"none", "temperature"}), (400, {"none", "temperature", "platt"})):
        found = fit_calibrator(*overconfident(n, shift=1.0))
        assert set(found.cross_fitted) == expected and found.n_rows == n
    assert set(fit_calibrator(*overconfident(1500)).cross_fitted) == {"none", "temperature", "platt", "isotonic"}
    assert set(fit_calibrator(*three_classes(1500)).cross_fitted) == {"none", "temperature"}
    assert MIN_ROWS["isotonic"] == (1000, 100)


def test_auto_takes_what_helps_on_rows_left_out_and_none_where_none_does() -> None:
    assert isinstance(fit_calibrator(*overconfident(60)).calibrator, Temperature)
    assert isinstance(fit_calibrator(*overconfident(600, shift=2.0)).calibrator, Platt)
    calibrated = fit_calibrator(*overconfident(60, factor=1.0, seed=2))
    assert isinstance(calibrated.calibrator, NoCalibration)
    assert calibrated.cross_fitted["none"] == min(calibrated.cross_fitted.values())
    assert "Smallest log loss on rows left out (none " in calibrated.reason


def test_auto_takes_isotonic_regression_where_the_distortion_is_no_sigmoid() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(3000)
    labels = (rng.random(3000) < np.where(positive < 0.5, 0.3, 0.7)).astype(int)
    found = fit_calibrator(np.stack([1 - positive, positive], axis=1), labels)
    assert isinstance(found.calibrator, Isotonic)
    np.testing.assert_allclose(found.calibrator.apply(np.array([[0.8, 0.2], [0.2, 0.8]]))[:, 1], [0.3, 0.7], atol=0.05)


def test_the_log_loss_that_auto_compares_leaves_each_fold_out() -> None:
    probabilities, labels = overconfident(90)
    folds = np.arange(90) % 3
    expected = np.empty_like(probabilities)
    for fold in range(3):
        fit = fit_calibrator(probabilities[folds != fold], labels[folds != fold], kind="temperature").calibrator
        expected[folds == fold] = fit.apply(probabilities[folds == fold])
    found = fit_calibrator(probabilities, labels, folds=folds)
    assert found.cross_fitted["temperature"] == pytest.approx(log_loss(labels, expected), abs=1e-9)
    assert found.cross_fitted["none"] == pytest.approx(log_loss(labels, probabilities), abs=1e-6)


def test_predicted_classes_are_kept_on_request() -> None:
    probabilities, labels = overconfident(600, shift=2.0)
    found = fit_calibrator(probabilities, labels, keep_predicted=True)
    assert isinstance(found.calibrator, Temperature)
    assert np.array_equal(found.calibrator.apply(probabilities).argmax(axis=1), probabilities.argmax(axis=1))
    assert [find_metric(name).uses_probabilities for name in ("mcc", "recall", "roc_auc", "brier")] == [
        False,
        False,
        True,
        True,
    ]


def test_predictions_worse_than_chance_never_lose_their_order_to_auto() -> None:
    probabilities, labels = overconfident(400)
    found = fit_calibrator(probabilities[:, ::-1], labels)
    assert found.cross_fitted["platt"] == np.inf and found.calibrator.kind == "temperature"


def test_rows_of_one_class_calibrate_nothing() -> None:
    probabilities, _ = overconfident(200)
    for kind in ("temperature", "platt", "isotonic", "auto"):
        found = fit_calibrator(probabilities, np.zeros(200, dtype=int), kind=kind)
        assert isinstance(found.calibrator, NoCalibration)
    three, labels = three_classes(90)
    found = fit_calibrator(three, np.minimum(labels, 1), kind="isotonic")  # the third class has vanished
    assert found.reason == "1 of 3 classes have no calibration row, so isotonic cannot be fitted."
    assert isinstance(fit_calibrator(three, np.minimum(labels, 1), kind="temperature").calibrator, Temperature)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "isotonik"}, r"Unknown calibration 'isotonik'\. Did you mean 'isotonic'\?"),
        ({"folds": [0.5] * 40}, "Folds must be 40 whole numbers"),
        ({"weights": -np.ones(40)}, "not negative"),
        ({"weights": np.ones((2, 40))}, r"Weights must have shape \(40,\)"),
    ],
)
def test_calibration_refuses_what_it_cannot_use(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_calibrator(*overconfident(40), **arguments)


def test_platt_is_for_two_classes() -> None:
    with pytest.raises(InputError, match=r"is for two classes; there are 3\. Take temperature, isotonic or auto"):
        fit_calibrator(*three_classes(60), kind="platt")


@pytest.mark.parametrize(
    "stored",
    [
        {"kind": "temperature", "inverse": -1.0},
        {"kind": "platt", "slope": -0.1, "offset": 0.0},
        {"kind": "isotonic", "curves": [[[0.1, 0.2], [0.5, 0.4]]]},
        {"kind": "isotonic", "curves": [[[0.1, 0.2], [0.5, 1.0]]]},
        {"kind": "isotonic", "curves": []},
        {"kind": "magic"},
    ],
)
def test_damaged_calibrators_are_refused(stored: dict[str, Any]) -> None:
    with pytest.raises((InputError, ValueError, KeyError)):
        calibrator_from_json(stored, 2)
