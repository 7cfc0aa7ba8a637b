"""Scores of very many classes: the way without a matrix for each weighting is the way with one."""

import numpy as np
import pytest

from headstart.metrics import OutOfFold, evaluate
from headstart.metrics import tally as tallies
from headstart.metrics.confusion import confusion_matrix, margins_of_matrix, margins_of_rows
from headstart.metrics.rank_scores import area_under_roc, average_precision, contest, contest_scores, cumulative, rank


def predictions(n_classes, n_each, seed=0, decimals=12):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), n_each)
    logits = generator.standard_normal((len(labels), n_classes))
    logits[np.arange(len(labels)), labels] += 1.5
    shares = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), decimals)  # few decimals: many ties
    return labels, shares / shares.sum(axis=1, keepdims=True)


def test_margins_without_the_matrix_are_those_of_the_matrix():
    labels, probabilities = predictions(5, 6)
    weights = np.random.default_rng(1).integers(0, 3, (7, len(labels))).astype(float)
    predicted = probabilities.argmax(axis=1)
    slow = margins_of_matrix(confusion_matrix(labels, predicted, 6, weights))
    fast = margins_of_rows(labels, predicted, 6, weights)
    for name in ("hits", "misses", "true", "predicted", "total"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))


@pytest.mark.parametrize("decimals", [1, 12])
def test_a_contest_scores_as_the_whole_ranking_does(decimals):
    labels, probabilities = predictions(4, 15, decimals=decimals)
    weights = np.random.default_rng(2).integers(0, 3, (20, len(labels))).astype(float)
    weights[0, labels == 0] = 0  # nothing of a class: nan
    for code in range(4):
        scores, own = probabilities[:, code], labels == code
        true, false = cumulative(rank(scores), own, weights)
        area, precision = contest_scores(contest(scores, own), weights, weights[:, ~own].sum(axis=1))
        np.testing.assert_array_equal(area, area_under_roc(true, false))
        np.testing.assert_allclose(precision, average_precision(true, false), rtol=1e-12)


def test_a_class_without_rows_or_without_rivals_has_no_area():
    scores, nothing = np.array([0.1, 0.4, 0.2]), np.zeros(3, dtype=bool)
    weights = np.ones((2, 3))
    assert np.isnan(contest_scores(contest(scores, nothing), weights, np.full(2, 3.0))).all()
    area, precision = contest_scores(contest(scores, ~nothing), weights, np.zeros(2))
    assert np.isnan(area).all() and precision.tolist() == [1.0, 1.0]


def test_an_evaluation_of_many_classes_is_that_of_few(monkeypatch):
    labels, probabilities = predictions(6, 8)
    fold = np.arange(len(labels))[None] % 4
    oof = [OutOfFold(labels, probabilities[None], fold, tuple("abcdef")) for _ in range(2)]
    slow = evaluate(oof[0], n_resamples=100)
    monkeypatch.setattr(tallies, "MANY_CLASSES", 5)
    fast = evaluate(oof[1], n_resamples=100)
    np.testing.assert_array_equal(fast.confusion, slow.confusion)
    for one, other in [(fast.metrics, slow.metrics), *((fast.per_class[key], slow.per_class[key]) for key in "abcdef")]:
        for name, found in one.items():
            values = [found.value, found.low, found.high, found.fold_sd]
            np.testing.assert_allclose(
                values, [getattr(other[name], key) for key in ("value", "low", "high", "fold_sd")]
            )
