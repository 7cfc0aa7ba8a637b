from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, mean_absolute_error, roc_auc_score

from headstart.errors import InputError
from headstart.metrics import METRICS, OutOfFold, evaluate
from headstart.metrics.ordinal import adjacent_accuracy, cohen_kappa, mean_class_error, threshold_auc
from headstart.metrics.thresholds import evaluate_thresholds

RNG = np.random.default_rng(11)
LABELS = RNG.integers(0, 4, 300)
PREDICTED = np.clip(LABELS + RNG.integers(-2, 3, 300), 0, 3)
WEIGHTS = RNG.uniform(0.2, 3.0, 300)
CONFUSION = confusion_matrix(LABELS, PREDICTED, sample_weight=WEIGHTS)


@pytest.mark.parametrize(("weights", "theirs"), [("plain", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_kappa_is_scikit_learns(weights: str, theirs: str | None) -> None:
    expected = cohen_kappa_score(LABELS, PREDICTED, weights=theirs, sample_weight=WEIGHTS)
    assert float(cohen_kappa(CONFUSION, weights)) == pytest.approx(expected, abs=1e-12)


def test_weighted_kappa_by_hand() -> None:
    """Of 10 rows 7 are right, 2 one class off, 1 two; by chance the distances are those of the margins."""
    confusion = np.array([[3.0, 1, 1], [0, 2, 1], [0, 0, 2]])
    rows, columns = np.array([5, 3, 2]) / 10, np.array([3, 3, 4]) / 10
    linear = rows[0] * (columns[1] + 2 * columns[2]) + rows[1] * (columns[0] + columns[2])
    linear += rows[2] * (2 * columns[0] + columns[1])
    assert float(cohen_kappa(confusion, "linear")) == pytest.approx(1 - 0.4 / linear)
    quadratic = rows[0] * (columns[1] + 4 * columns[2]) + rows[1] * (columns[0] + columns[2])
    quadratic += rows[2] * (4 * columns[0] + columns[1])
    assert float(cohen_kappa(confusion, "quadratic")) == pytest.approx(1 - 0.6 / quadratic)
    assert float(mean_class_error(confusion)) == pytest.approx(0.4)
    assert float(adjacent_accuracy(confusion)) == pytest.approx(0.9)


def test_with_two_classes_all_kappas_are_one() -> None:
    confusion = np.array([[20.0, 5], [10, 15]])
    found = [float(cohen_kappa(confusion, weights)) for weights in ("plain", "linear", "quadratic")]
    assert found == pytest.approx([0.4, 0.4, 0.4])  # the classical 50 grant proposals


def test_the_mean_error_is_scikit_learns() -> None:
    expected = mean_absolute_error(LABELS, PREDICTED, sample_weight=WEIGHTS)
    assert float(mean_class_error(CONFUSION)) == pytest.approx(expected)
    near = np.average(np.abs(LABELS - PREDICTED) <= 1, weights=WEIGHTS)
    assert float(adjacent_accuracy(CONFUSION)) == pytest.approx(near)


def test_leading_axes_are_so_many_tables() -> None:
    two = np.stack([CONFUSION, 2 * CONFUSION.T])
    for function in (cohen_kappa, mean_class_error, adjacent_accuracy):
        assert function(two) == pytest.approx([float(function(one)) for one in two])
    assert cohen_kappa(two)[0] == pytest.approx(cohen_kappa(two)[1]), "kappa knows no truth"


def test_where_nothing_can_be_said_it_is_nan() -> None:
    assert np.isnan(cohen_kappa(np.array([[5.0, 0], [0, 0]])))
    assert np.isnan(mean_class_error(np.zeros((3, 3))))
    assert np.isnan(adjacent_accuracy(np.zeros((3, 3))))
    assert np.isnan(threshold_auc([0, 1], [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])[1])


def test_the_auc_at_every_threshold_is_scikit_learns() -> None:
    probabilities = RNG.dirichlet(np.ones(4), 300)
    probabilities[np.arange(300), LABELS] += 0.3
    probabilities = np.round(probabilities / probabilities.sum(axis=1, keepdims=True), 2)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = threshold_auc(LABELS, probabilities, WEIGHTS)
    above = [np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1][:, threshold] for threshold in (1, 2, 3)]
    expected = [roc_auc_score(k <= LABELS, score, sample_weight=WEIGHTS) for k, score in enumerate(above, start=1)]
    assert found == pytest.approx(expected)


def test_unknown_weights_list_those_there_are() -> None:
    with pytest.raises(InputError, match=r"Unknown weights of kappa 'quadratics'. Did you mean 'quadratic'"):
        cohen_kappa(CONFUSION, "quadratics")


def _ordered(n_classes: int = 4, n: int = 200) -> OutOfFold:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, n_classes, n)
    probabilities = rng.dirichlet(np.ones(n_classes), n) + 0.6 * np.eye(n_classes)[labels]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return OutOfFold.from_test_set(labels, probabilities, classes="abcd"[:n_classes], ordered=True)


def test_ordered_classes_are_scored_by_their_order_with_intervals() -> None:
    oof = _ordered()
    found = evaluate(oof, correction="none", n_resamples=100)
    predicted = oof.probabilities[0].argmax(axis=1)
    estimate = found.metrics["quadratic_kappa"]
    assert estimate.value == pytest.approx(cohen_kappa_score(oof.labels, predicted, weights="quadratic"))
    assert found.metrics["class_error"].value == pytest.approx(mean_absolute_error(oof.labels, predicted))
    assert found.metrics["threshold_auc"].value == pytest.approx(threshold_auc(oof.labels, oof.probabilities[0]).mean())
    for name, metric in METRICS.items():
        if metric.on_request:
            one = found.metrics[name]
            assert not metric.has_interval or one.low <= one.value <= one.high, name


def test_unordered_classes_are_scored_as_before_and_refused_what_needs_an_order() -> None:
    unordered = replace(_ordered(), ordered=False)
    found = evaluate(unordered, correction="none", n_resamples=100)
    assert not {name for name in found.metrics if METRICS[name].on_request}
    named = evaluate(unordered, metrics=("cohen_kappa",), correction="none", n_resamples=100).metrics["cohen_kappa"]
    assert -1 <= named.low < named.value < named.high
    with pytest.raises(InputError, match=r"'quadratic_kappa' needs ordered classes.*--ordinal low,middle,high"):
        evaluate(unordered, metrics=("quadratic_kappa",), correction="none")
    also = evaluate(unordered, also=("cohen_kappa",), correction="none", n_resamples=100)
    assert set(also.metrics) - set(found.metrics) == {"cohen_kappa"}


def test_the_ranked_probability_score_by_hand() -> None:
    """Above a and b stand 0.8 and 0.3; the truth b is above a alone: (0.2^2 + 0.3^2) / 2."""
    assert METRICS["rps"]([1], [[0.2, 0.5, 0.3]]) == pytest.approx((0.04 + 0.09) / 2)


def test_thresholds_have_each_their_area_and_calibration() -> None:
    oof = _ordered(3)
    found = evaluate_thresholds(oof, correction="none", n_resamples=100)
    assert [one.above for one in found] == ["a", "b"]
    areas = threshold_auc(oof.labels, oof.probabilities[0])
    assert [one.roc_auc.value for one in found] == pytest.approx(areas.tolist())
    assert all(one.roc_auc.low < one.roc_auc.value < one.roc_auc.high and np.isnan(one.ece.low) for one in found)


def test_a_class_error_is_bounded_by_the_number_of_classes() -> None:
    assert METRICS["class_error"].bounds_for(4) == (0.0, 3.0) and METRICS["accuracy"].bounds_for(4) == (0.0, 1.0)
