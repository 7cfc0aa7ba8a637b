"""Operating points: thresholds worked out by hand and by brute force, rules refused in words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_probabilities import FOUR, FOUR_LABELS, three_classes
from sklearn.metrics import confusion_matrix

from headstart.decisions import (
    OperatingPoint,
    OperatingRule,
    fit_operating_point,
    parse_rule,
)
from headstart.errors import InputError


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
    """Best gain over every cut between two rows that differ."""
    gains = []
    values = np.unique(probabilities[:, 1])
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
