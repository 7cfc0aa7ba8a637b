"""Decisions on arrays: equality with scikit-learn, answers worked out by hand, levels kept in simulation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss

from headstart.decisions import (
    ConformalSets,
    DecisionRules,
    Decisions,
    Isotonic,
    NoCalibration,
    OperatingPoint,
    OperatingRule,
    Platt,
    Temperature,
    abstention_curve,
    fit_calibrator,
    fit_conformal,
    fit_operating_point,
    min_calibration_size,
    parse_rule,
)
from headstart.decisions.calibration import MIN_ROWS
from headstart.decisions.calibrators import calibrator_from_json
from headstart.decisions.conformal import rank_of
from headstart.errors import InputError
from headstart.metrics import find_metric


def overconfident(n: int, *, factor: float = 3.0, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two-class probabilities whose log odds are `factor` times the true ones plus a shift, and labels."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(scale=1.5, size=n)
    labels = (rng.random(n) < expit(odds)).astype(np.int64)
    positive = expit(factor * odds + shift)
    return np.stack([1 - positive, positive], axis=1), labels


def three_classes(n: int = 600, *, factor: float = 2.5, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=1.3, size=(n, 3))
    true = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in true])
    given = np.exp(factor * scores)
    return given / given.sum(axis=1, keepdims=True), labels


class Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose decision values are its input, for scikit-learn to calibrate."""

    def fit(self, X: Any, y: Any) -> Scores:
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X: Any) -> Any:
        return np.asarray(X)[:, 0]

    def predict(self, X: Any) -> Any:
        return (np.asarray(X)[:, 0] > 0).astype(int)


# Calibration ----------------------------------------------------------------------------------------------------------


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


def test_calls_are_kept_where_asked_for() -> None:
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


# Operating points -----------------------------------------------------------------------------------------------------

FOUR = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])  # positive column .1 .4 .3 .8
FOUR_LABELS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        ("sensitivity>=1", 0.2),  # both positives, one of two negatives
        ("sensitivity>=0.5", 0.6),  # the positive at .8 alone: no false alarm
        ("specificity>=1", 0.6),
        ("specificity>=0.5", 0.2),
        ("cost:10", 0.2),  # 1 false alarm beats 10 for the miss
        ("cost:1/10", 0.6),  # a miss costs a tenth of a false alarm
        ("youden", 0.6),  # .6 and .2 are equally good (both 1.5): .6 is nearer to one half
    ],
)
def test_thresholds_by_hand(rule: str, threshold: float) -> None:
    assert fit_operating_point(FOUR, FOUR_LABELS, rule).threshold == pytest.approx(threshold)


def brute_force(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray, rule: OperatingRule) -> float:
    """Best gain over every cut between two rows."""
    gains = []
    values = np.sort(probabilities[:, 1])
    for cut in [-1.0, *((values[1:] + values[:-1]) / 2), 2.0]:
        matrix = confusion_matrix(labels, probabilities[:, 1] >= cut, labels=[0, 1], sample_weight=weights)
        (tn, fp), (fn, tp) = matrix
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        gains.append(gain(rule, sensitivity, specificity, fn, fp))
    return max(gains)


def gain(rule: OperatingRule, sensitivity: float, specificity: float, fn: float, fp: float) -> float:
    value = rule.value or 0.0
    if rule.name == "youden":
        return sensitivity + specificity
    if rule.name == "cost":
        return -(value * fn + fp)
    first, second = (sensitivity, specificity) if rule.name == "sensitivity" else (specificity, sensitivity)
    return second if first >= value - 1e-9 else -np.inf


@pytest.mark.parametrize("rule", ["youden", "sensitivity>=0.9", "specificity>=0.8", "cost:5"])
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16))
def test_no_cut_follows_the_rule_better(rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive, labels = rng.random(30).round(1), np.append([0, 1], rng.integers(0, 2, 28))
    weights = rng.uniform(0.5, 2.0, 30)
    probabilities = np.stack([1 - positive, positive], axis=1)
    point = fit_operating_point(probabilities, labels, rule, weights)
    (tn, fp), (fn, tp) = confusion_matrix(labels, point.predicted(probabilities), labels=[0, 1], sample_weight=weights)
    reached = gain(parse_rule(rule), tp / (tp + fn), tn / (tn + fp), fn, fp)
    assert reached == pytest.approx(brute_force(probabilities, labels, weights, parse_rule(rule)))


def test_the_positive_class_may_be_the_first() -> None:
    mirrored = fit_operating_point(FOUR[:, ::-1], 1 - FOUR_LABELS, "sensitivity>=1", positive=0)
    assert mirrored.threshold == pytest.approx(0.2)
    assert mirrored.predicted(FOUR[:, ::-1]).tolist() == [1, 0, 0, 0]


def test_a_class_without_rows_leaves_the_threshold_at_one_half_and_says_so() -> None:
    point = fit_operating_point(FOUR, np.zeros(4, dtype=int), "youden")
    assert point.threshold == 0.5 and "has no calibration rows" in point.note
    weightless = fit_operating_point(FOUR, FOUR_LABELS, "youden", [1, 1, 0, 0])
    assert weightless == point


def test_never_and_always_positive_are_points_too() -> None:
    never = fit_operating_point(FOUR, [1, 1, 0, 0], "cost:0.01")
    assert never.predicted(np.array([[0.0, 1.0]])).tolist() == [0]
    always = fit_operating_point(FOUR, [1, 1, 0, 0], "sensitivity>=1")
    assert always.predicted(np.array([[0.95, 0.05]])).tolist() == [1] and always.threshold == 0.0
    assert OperatingPoint.from_json(json.loads(json.dumps(never.to_json()))) == never


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("yuden", r"Unknown operating point 'yuden'\. Did you mean 'youden'\?"),
        ("sensitivity", "needs a share above 0 and at most 1, such as 0.95"),
        ("sensitivity>=95", "needs a share above 0"),
        ("sensitivity>=nan", "needs a share above 0"),
        ("specificity:0.9", r"Write it as in specificity>=0\.95"),
        ("cost>=3", "Write it as in cost:10"),
        ("cost:0", "needs the cost of a missed positive"),
        ("cost:1/0", "needs the cost of a missed positive"),
        ("youden:1", "takes no number"),
        ("", "Unknown operating point ''"),
    ],
)
def test_rules_that_are_none(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_rule(words)


def test_three_classes_have_no_operating_point() -> None:
    with pytest.raises(InputError, match="is for two classes; there are 3, where the most probable class is predicted"):
        fit_operating_point(*three_classes(30), "youden")


# Conformal sets -------------------------------------------------------------------------------------------------------


def test_sets_by_hand() -> None:
    """Ten rows of class 0 at .90 .91 ... .99 and 8 of class 1: at 90 % the 10th of 11 bounds, 8 are too few."""
    own = np.append(np.arange(90, 100) / 100, np.full(8, 0.7))
    labels = np.append(np.zeros(10, dtype=int), np.ones(8, dtype=int))
    probabilities = np.where(labels[:, None] == np.arange(2), own[:, None], 1 - own[:, None])
    found = fit_conformal(probabilities, labels, 0.9)
    assert found.thresholds == (0.9, 0.0) and found.uninformative == (False, True) and found.n_calibration == (10, 8)
    assert found.sets(np.array([[0.9, 0.1], [0.89, 0.11]])).tolist() == [[True, True], [False, True]]


def test_how_many_images_a_level_needs() -> None:
    for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.7, 1 / 3):
        n = min_calibration_size(level)
        assert rank_of(level, n) <= n and rank_of(level, n - 1) > n - 1
    assert min_calibration_size(0.9) == 9 and rank_of(0.9, 9) == 9 and rank_of(0.9, 8) == 9


def test_split_conformal_keeps_its_level_in_each_class() -> None:
    """Exchangeable rows: coverage of class c is ceil(level (n + 1)) / (n + 1) on average over calibrations."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(400):
        probabilities, labels = overconfident(140, seed=int(rng.integers(2**31)))
        calibration, test = np.arange(140) < 60, np.arange(140) >= 60
        found = fit_conformal(probabilities[calibration], labels[calibration], 0.8)
        inside = found.sets(probabilities[test])[np.arange(80), labels[test]]
        expected = [rank_of(0.8, n) / (n + 1) for n in found.n_calibration]
        covered.append([inside[labels[test] == code].mean() - expected[code] for code in range(2)])
    error = np.std(covered, axis=0, ddof=1) / np.sqrt(len(covered))
    assert (np.abs(np.mean(covered, axis=0)) < 3 * error).all() and (error < 0.01).all()


def test_rows_of_no_weight_are_left_out_of_sets() -> None:
    probabilities, labels = overconfident(60)
    weights = (np.arange(60) % 3 > 0).astype(float)
    there = weights > 0
    assert fit_conformal(probabilities, labels, 0.9, weights) == fit_conformal(probabilities[there], labels[there], 0.9)


@pytest.mark.parametrize(
    ("level", "hint"), [(90, r"For 90 % write 0\.9"), (1.0, "is 1;"), (0, "is 0;"), (np.nan, "nan")]
)
def test_levels_out_of_range(level: float, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        fit_conformal(FOUR, FOUR_LABELS, level)


# Abstention -----------------------------------------------------------------------------------------------------------


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
    areas = []
    for _ in range(3000):
        order = np.lexsort((rng.random(12), -certainty))
        areas.append(np.mean(np.cumsum(wrong[order]) / np.arange(1, 13)))
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


# Together -------------------------------------------------------------------------------------------------------------


def test_decisions_apply_in_their_order_and_come_back_from_json() -> None:
    point = OperatingPoint("youden", 1, 0.28)
    decisions = Decisions(Platt(0.5, 0.2), point, ConformalSets(0.9, (0.4, 0.25), (30, 20)))
    raw = np.array([[0.5, 0.5], [0.7, 0.3], [0.9, 0.1], [0.99, 0.01]])
    said = decisions.apply(raw)
    np.testing.assert_allclose(said.probabilities[:, 1], expit(0.5 * logit(raw[:, 1]) + 0.2))
    assert said.predicted.tolist() == (said.probabilities[:, 1] >= 0.28).astype(int).tolist() == [1, 1, 1, 0]
    assert said.sets is not None  # on what the head says, not on what became of it
    assert said.sets.tolist() == [[True, True], [True, True], [True, False], [True, False]]
    assert Decisions.from_json(json.loads(json.dumps(decisions.to_json())), 2) == decisions
    plain = Decisions().apply(raw)
    assert np.array_equal(plain.probabilities, raw) and plain.sets is None and not plain.predicted.any()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("operating_point", {"rule": "youden", "positive": 2, "threshold": 0.5, "note": ""}),
        ("operating_point", {"rule": "youden", "positive": 1, "threshold": 1.5, "note": ""}),
        ("conformal", {"level": 0.9, "floors": [0.1], "n_calibration": [5]}),
        ("conformal", {"level": 9.0, "floors": [0.1, 0.1], "n_calibration": [5, 5]}),
    ],
)
def test_damaged_decisions_are_refused(key: str, value: dict[str, Any]) -> None:
    stored = {**Decisions().to_json(), key: value}
    with pytest.raises(InputError):
        Decisions.from_json(stored, 2)
    with pytest.raises(InputError):
        DecisionRules("auto", OperatingRule("youden"), None).check_classes(3)
