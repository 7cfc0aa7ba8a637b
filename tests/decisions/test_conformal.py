"""Prediction sets: answers by hand, levels kept in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from made_probabilities import FOUR, FOUR_LABELS, overconfident

from headstart.decisions import (
    fit_conformal,
    min_calibration_size,
)
from headstart.decisions.conformal import rank_of
from headstart.errors import InputError


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
