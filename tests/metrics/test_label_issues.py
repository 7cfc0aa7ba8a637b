"""Label issues: found by out-of-fold probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headstart.metrics import OutOfFold
from headstart.metrics.label_issues import class_thresholds, confident_class, find_label_issues


def out_of_fold(labels: Any, probabilities: Any, fold: Any = None, **more: Any) -> OutOfFold:
    """One array of probabilities, or one for each repeat."""
    stacked = np.asarray(probabilities, dtype=float)
    stacked = stacked[None] if stacked.ndim == 2 else stacked
    folds = np.zeros(stacked.shape[:2], dtype=np.int64) if fold is None else np.asarray(fold)
    classes = tuple("abcdef"[: stacked.shape[2]])
    return OutOfFold(np.asarray(labels), stacked, folds, classes, **more)


def test_label_issues_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    first = np.array([0.9, 0.8, 0.1, 0.65, 0.3, 0.4])  # of class 0; means 0.6 and 0.55
    probabilities = np.stack([first, 1 - first], axis=1)
    assert class_thresholds(labels, probabilities) == pytest.approx([0.6, 0.55])
    assert confident_class(probabilities, np.array([0.6, 0.55])).tolist() == [0, 0, 1, 0, 1, 1]
    found = find_label_issues(out_of_fold(labels, probabilities))
    assert found.rows.tolist() == [2, 3] and found.labels.tolist() == [0, 1] and found.suggested.tolist() == [1, 0]
    assert found.own == pytest.approx([0.1, 0.35]) and found.other == pytest.approx([0.9, 0.65])
    assert found.joint.tolist() == [[2, 1], [1, 2]]
    assert found.n_wrong == pytest.approx(2) and found.n_judged == 6


def test_a_label_that_is_the_most_probable_class_is_never_an_issue() -> None:
    # The models are so sure of class 1 and so unsure of class 0 that 0.4 for class 0 reaches its threshold.
    probabilities = np.array([[0.4, 0.6], [0.35, 0.65], [0.4, 0.6], [0.0, 1.0], [0.0, 1.0]])
    found = find_label_issues(out_of_fold([0, 0, 1, 1, 1], probabilities))
    assert found.thresholds == pytest.approx([0.375, 2.6 / 3])
    assert found.joint.tolist() == [[1, 0], [1, 2]]  # by thresholds alone the third image would be called class 0
    assert found.rows.tolist() == []


def test_repeats_that_agree_are_counted_each_by_itself() -> None:
    certain = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.05, 0.95]])
    doubting = certain.copy()
    doubting[4] = 0.55, 0.45
    fold = np.zeros((3, 5), dtype=np.int64)
    fold[2, 4] = -1  # not judged in the last repeat
    found = find_label_issues(out_of_fold([0, 0, 1, 1, 0], [certain, doubting, certain], fold))
    assert found.rows.tolist() == [4] and found.own == pytest.approx([0.3])
    assert found.n_agree.tolist() == [1] and found.n_repeats.tolist() == [2]


def test_images_of_weight_zero_and_images_not_judged_take_no_part() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95], [0.02, 0.98]])
    labels = [0, 0, 1, 1, 0, 0]
    whole = find_label_issues(out_of_fold(labels, probabilities))
    assert whole.rows.tolist() == [5, 4]
    weighted = find_label_issues(out_of_fold(labels, probabilities, weights=np.array([1.0, 1, 1, 1, 1, 0])))
    held_out = find_label_issues(out_of_fold(labels, probabilities, [[0, 0, 0, 0, 0, -1]]))
    for found in (weighted, held_out):
        assert found.rows.tolist() == [4] and found.n_judged == 5
        assert found.thresholds == pytest.approx([(0.9 + 0.8 + 0.05) / 3, 0.85])


def test_labels_flipped_at_random_are_found() -> None:
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 3, 3000)
    logits = generator.normal(0, 1, (3000, 3))
    logits[np.arange(3000), truth] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    flipped = generator.random(3000) < 0.1
    given = np.where(flipped, (truth + generator.integers(1, 3, 3000)) % 3, truth)
    found = find_label_issues(out_of_fold(given, probabilities))
    listed = np.isin(np.arange(3000), found.rows)
    assert (listed & flipped).sum() / flipped.sum() > 0.9  # recall
    assert (listed & flipped).sum() / listed.sum() > 0.8  # precision; one in ten by chance
    assert flipped[found.rows[:100]].mean() > 0.98
    assert found.n_wrong == pytest.approx(flipped.sum(), rel=0.25)
    agreeing = found.rows[flipped[found.rows]]
    assert (found.suggested[flipped[found.rows]] == truth[agreeing]).mean() > 0.95
