"""Scores of subgroups: shares by hand, intervals of groups, and a test that noise passes and a real gap does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from headstart.metrics import OutOfFold
from headstart.metrics.subgroups import score_subgroups


def predicted(right, *, groups=None, repeats=1):
    """Out-of-fold predictions of which some are right: shape (n,) or (R, n)."""
    hits = np.broadcast_to(np.asarray(right), (repeats, np.shape(right)[-1]))
    labels = np.arange(hits.shape[1]) % 2
    probabilities = np.eye(2)[np.where(hits, labels, 1 - labels)]
    return OutOfFold(labels, probabilities, np.zeros(hits.shape, dtype=int), ("a", "b"), groups=groups)


def test_shares_and_intervals_are_those_of_hand_and_of_scipy():
    right = np.r_[np.ones(9), np.zeros(1), np.ones(5), np.zeros(5)].astype(bool)
    found = score_subgroups(predicted(right), "sex", ["male"] * 10 + ["female"] * 10)
    assert [(one.name, one.n_images, one.right) for one in found.scores] == [("female", 10, 0.5), ("male", 10, 0.9)]
    expected = binomtest(9, 10).proportion_ci(method="wilson")
    assert found.scores[1].ci95 == pytest.approx((expected.low, expected.high))
    assert found.gap == pytest.approx(0.4)


def test_images_of_one_patient_count_as_one_in_the_interval():
    right = np.tile([True, False], 20)
    alone = score_subgroups(predicted(right), "sex", ["male"] * 40)
    joined = score_subgroups(predicted(right, groups=np.arange(40) // 4), "sex", ["male"] * 40)
    assert (alone.scores[0].n_groups, joined.scores[0].n_groups) == (40, 10)
    assert np.ptp(joined.scores[0].ci95) > np.ptp(alone.scores[0].ci95)


def test_missing_values_are_counted_and_small_subgroups_not_tested():
    found = score_subgroups(predicted(np.ones(12, dtype=bool)), "site", ["arm"] * 8 + ["leg"] * 2 + [""] * 2)
    assert (found.n_missing, found.gap, found.p) == (2, None, None)
    assert [one.name for one in found.scores] == ["arm", "leg"]


def test_the_mean_over_repeats_is_judged_and_rows_never_judged_are_not():
    oof = predicted(np.array([[True] * 4, [False] * 4]), repeats=2)
    fold = np.zeros((2, 4), dtype=int)
    fold[:, 3] = -1
    unjudged = OutOfFold(oof.labels, oof.probabilities, fold, oof.classes)
    (score,) = score_subgroups(unjudged, "sex", ["male"] * 4).scores
    assert (score.n_images, score.right) == (3, 0.5)


def test_a_real_gap_is_found_and_noise_is_not_more_often_than_promised():
    generator = np.random.default_rng(0)
    values = ["male"] * 30 + ["female"] * 30
    real = np.r_[generator.random(30) < 0.95, generator.random(30) < 0.4]
    assert score_subgroups(predicted(real), "sex", values).p < 0.01
    small = sum(score_subgroups(predicted(generator.random(60) < 0.7), "sex", values).p <= 0.2 for _ in range(20))
    assert small <= 10


def test_the_same_seed_gives_the_same_p():
    right = np.random.default_rng(1).random(40) < 0.7
    first, second = (score_subgroups(predicted(right), "sex", ["a", "b"] * 20, seed=3) for _ in range(2))
    assert first == second
