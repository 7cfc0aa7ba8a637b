"""Krippendorff's alpha: published examples, its definition, its interval."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from label_tables import (
    SECTION_A,
    SECTION_B,
    SECTION_C,
    ratings,
)

from headstart.data.labels.raters import Ratings
from headstart.errors import InputError
from headstart.metrics.rater_agreement import krippendorff_alpha, rater_agreement


def votes(codes: np.ndarray, n_classes: int) -> np.ndarray:
    return Ratings(codes, tuple(f"rater {number}" for number in range(codes.shape[1]))).votes(n_classes)


def pairs_alpha(codes: np.ndarray, difference: Any) -> float:
    """Alpha by its definition: every pair of votes on one image against every pair of all pairable votes."""
    images = [[int(code) for code in row if code >= 0] for row in codes]
    images = [votes for votes in images if len(votes) > 1]
    pooled = [vote for votes in images for vote in votes]
    observed = sum(
        sum(difference(a, b) for a, b in itertools.permutations(votes, 2)) / (len(votes) - 1) for votes in images
    )
    expected = sum(difference(a, b) for a, b in itertools.permutations(pooled, 2)) / (len(pooled) - 1)
    return 1 - observed / expected


def test_alpha_of_the_published_examples() -> None:
    assert round(krippendorff_alpha(votes(ratings(SECTION_A, "01"), 2)), 3) == 0.095
    assert round(krippendorff_alpha(votes(ratings(SECTION_B, "abcde"), 5)), 3) == 0.692
    gaps = votes(ratings(SECTION_C, "12345"), 5)
    assert gaps.sum() == 41  # of which one, on the last image, has no other to pair with
    assert round(krippendorff_alpha(gaps), 3) == 0.743
    assert round(krippendorff_alpha(gaps, level="ordinal"), 3) == 0.815


def test_alpha_by_hand() -> None:
    # Images (0, 0), (0, 1), (1, 1): three of each class, six votes. Observed 2 of 6 ordered pairs differ, expected
    # 2 * 3 * 3 / (6 * 5) = 0.6, so alpha = 1 - (1/3) / 0.6.
    assert krippendorff_alpha([[2, 0], [1, 1], [0, 2]]) == pytest.approx(1 - (1 / 3) / 0.6)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_equals_its_definition_over_pairs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    codes = np.where(generator.random((12, 4)) < 0.25, -1, generator.integers(0, 4, (12, 4)))
    counts = votes(codes, 4)
    pairable = counts[counts.sum(axis=1) > 1].sum(axis=0)
    middle = np.cumsum(pairable) - pairable / 2
    assert krippendorff_alpha(counts) == pytest.approx(pairs_alpha(codes, lambda a, b: float(a != b)))
    ordinal = krippendorff_alpha(counts, level="ordinal")
    assert ordinal == pytest.approx(pairs_alpha(codes, lambda a, b: (middle[a] - middle[b]) ** 2))


def test_alpha_heeds_the_order_of_classes_and_nothing_else() -> None:
    codes = ratings(SECTION_C, "12345")
    backwards, mixed = np.where(codes < 0, -1, 4 - codes), np.where(codes < 0, -1, np.array([2, 0, 4, 1, 3])[codes])
    nominal = krippendorff_alpha(votes(codes, 5))
    ordinal = krippendorff_alpha(votes(codes, 5), level="ordinal")
    assert krippendorff_alpha(votes(mixed, 5)) == pytest.approx(nominal)
    assert krippendorff_alpha(votes(backwards, 5), level="ordinal") == pytest.approx(ordinal)
    assert krippendorff_alpha(votes(mixed, 5), level="ordinal") != pytest.approx(ordinal, abs=0.05)
    two = votes(ratings(SECTION_A, "01"), 2)
    assert krippendorff_alpha(two, level="ordinal") == pytest.approx(krippendorff_alpha(two))


def test_alpha_where_it_is_undefined_says_why() -> None:
    alone = rater_agreement([[1, 0], [0, 1]])
    assert np.isnan(alone.value) and alone.interval is None and "no image was rated by two" in alone.reason
    same = rater_agreement([[2, 0], [2, 0]])
    assert np.isnan(same.value) and "all ratings are of one class" in same.reason
    assert same.to_json() == {"value": None, "ci95": None, "reason": same.reason}
    with pytest.raises(InputError, match=r"Did you mean 'ordinal'"):
        krippendorff_alpha([[1, 1]], level="ordinl")  # type: ignore[arg-type]


def test_interval_of_alpha_repeats_covers_the_value_and_widens_with_groups() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat(generator.integers(0, 2, 20), 5)
    wrong = np.repeat(generator.random((20, 3)) < 0.2, 5, axis=0)  # the same raters err on all five of a group
    counts = votes(np.where(wrong, 1 - truth[:, None], truth[:, None]), 2)
    plain, again = rater_agreement(counts, seed=1), rater_agreement(counts, seed=1)
    grouped = rater_agreement(counts, groups=np.repeat(np.arange(20), 5), seed=1)
    assert plain == again
    assert plain.interval is not None and grouped.interval is not None
    assert plain.interval[0] < plain.value < plain.interval[1]
    assert np.ptp(grouped.interval) > 1.5 * np.ptp(plain.interval)


def test_perfect_agreement_on_few_images_is_no_proof() -> None:
    few, many = rater_agreement([[2, 0]] * 3 + [[0, 2]] * 3), rater_agreement([[2, 0]] * 300 + [[0, 2]] * 300)
    assert few.value == many.value == 1
    assert few.interval is not None and many.interval is not None
    assert few.interval[0] < 0.3 and 0.98 < many.interval[0] < 1 == many.interval[1]


def test_interval_of_alpha_is_efrons_by_the_slow_way() -> None:
    """Resampled, and left out one by one, image for image."""
    from scipy.stats import norm, t

    generator = np.random.default_rng(2)
    truth = generator.integers(0, 3, 40)[:, None]
    counts = votes(np.where(generator.random((40, 3)) < 0.25, generator.integers(0, 3, (40, 3)), truth), 3)
    found = rater_agreement(counts, level="ordinal", seed=4, n_resamples=300)
    draws = np.random.default_rng(4)
    drawn = [krippendorff_alpha(counts[draws.integers(0, 40, 40)], level="ordinal") for _ in range(300)]
    left = [krippendorff_alpha(np.delete(counts, row, axis=0), level="ordinal") for row in range(40)]
    push = np.mean(left) - np.array(left)
    skew = (push**3).sum() / (6 * (push**2).sum() ** 1.5)
    bias = norm.ppf(np.mean(np.array(drawn) < found.value))
    for end, side in zip(found.interval or (), (-1, 1), strict=True):
        point = bias + side * t.ppf(0.975, 39) * np.sqrt(40 / 39)
        assert end == pytest.approx(np.percentile(drawn, 100 * norm.cdf(bias + point / (1 - skew * point))))
