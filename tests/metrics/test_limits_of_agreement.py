from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headstart.errors import InputError
from headstart.metrics.limits_of_agreement import limits_of_agreement

# Bland & Altman 1986, table 1: peak flow of 17 people, first readings of a large and of a mini meter, l/min.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_the_peak_flow_of_bland_and_altman() -> None:
    """They give a mean of -2.1, a deviation of 38.8 and, rounding to two deviations, limits of -79.7 and 75.5."""
    found = limits_of_agreement(LARGE, MINI)
    assert (found.n, round(found.bias, 1), round(found.deviation, 1)) == (17, -2.1, 38.8)
    assert found.bias - 2 * found.deviation == pytest.approx(-79.7, abs=0.1)
    assert found.limits == pytest.approx((-78.1, 73.9), abs=0.1)
    assert found.bias_interval == pytest.approx((-22.0, 17.8), abs=0.1), "the article's page 308"


def test_the_interval_of_the_bias_is_students() -> None:
    measured, truth = np.random.default_rng(0).normal(size=(2, 30))
    found = limits_of_agreement(measured, truth)
    interval = stats.ttest_rel(measured, truth).confidence_interval(0.95)
    assert found.bias_interval == pytest.approx((interval.low, interval.high))


def test_limits_cover_as_they_say() -> None:
    rng = np.random.default_rng(3)
    found = [limits_of_agreement(rng.normal(1.0, 2.0, 40), np.zeros(40)) for _ in range(400)]
    upper = 1.0 + 1.959964 * 2.0
    assert np.mean([one.limit_intervals[1][0] <= upper <= one.limit_intervals[1][1] for one in found]) >= 0.93


def test_equal_values_agree() -> None:
    found = limits_of_agreement([1, 2, 3], [1, 2, 3])
    assert found.to_json() == {
        "n": 3,
        "bias": 0.0,
        "bias_ci95": [0.0, 0.0],
        "deviation": 0.0,
        "limits": [0.0, 0.0],
        "limits_ci95": [[0.0, 0.0], [0.0, 0.0]],
    }


@pytest.mark.parametrize(
    ("measured", "truth", "words"),
    [
        ([1, 2], [1, 2], "at least 3 pairs"),
        ([1, 2, 3], [1, 2], "one each per pair"),
        ([1, 2, np.nan], [1, 2, 3], "finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(measured: list, truth: list, words: str) -> None:
    with pytest.raises(InputError, match=words):
        limits_of_agreement(measured, truth)
