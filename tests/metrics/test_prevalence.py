from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import betabinom
from sklearn.metrics import confusion_matrix

from headstart.errors import InputError
from headstart.metrics.prevalence import (
    NOTHING_KNOWN,
    ErrorRates,
    Likeness,
    Rate,
    called_share,
    corrected_share,
    counted_share,
    effective_size,
    error_rates,
    likeness,
    rogan_gladen,
)

SURE = Rate(1e9, 1e9, 0.0, 1e9)
PERFECT = ErrorRates(SURE, SURE)
USUAL = ErrorRates(Rate(920, 1000, 0.0, 1000), Rate(945, 1000, 0.0, 1000))


def in_clusters(
    rng: np.random.Generator, share: float, alike: float, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Truth of the cells of one well and their fields: shares of the fields follow a beta distribution."""
    strength = 1 / alike - 1
    shares = rng.beta(share * strength, (1 - share) * strength, len(sizes))
    field = np.repeat(np.arange(len(sizes)), sizes)
    return rng.random(len(field)) < shares[field], field


def called(rng: np.random.Generator, truth: np.ndarray, sensitivity: float, specificity: float) -> np.ndarray:
    drawn = rng.random(len(truth))
    return np.where(truth, drawn < sensitivity, drawn >= specificity)


def test_the_intracluster_correlation_is_the_one_way_analysis_of_variance() -> None:
    fields = [[1, 1, 1, 0], [0, 0, 1, 0], [1, 1], [0, 0, 0, 0, 1]]
    every = np.concatenate([np.array(one, float) for one in fields])
    sizes = np.array([len(one) for one in fields])
    between = sum(len(one) * (np.mean(one) - every.mean()) ** 2 for one in fields) / 3
    within = sum(((np.array(one) - np.mean(one)) ** 2).sum() for one in fields) / (15 - 4)
    size = (15 - (sizes**2).sum() / 15) / 3
    found = likeness([sum(one) for one in fields], sizes)
    assert found == Likeness(pytest.approx((between - within) / (between + (size - 1) * within)), 3)


def test_wells_that_differ_do_not_make_their_fields_alike() -> None:
    hits, sizes, wells = [2, 2, 8, 8], [10, 10, 10, 10], ["A1", "A1", "B1", "B1"]
    assert likeness(hits, sizes, wells) == Likeness(0.0, 2)
    assert likeness(hits, sizes).correlation > 0.3


@pytest.mark.parametrize(
    ("hits", "sizes"), [([], []), ([3], [7]), ([0, 0], [0, 0]), ([0, 0], [5, 4]), ([1, 0], [1, 1])]
)
def test_where_nothing_can_be_known_of_likeness_answers_count_as_independent(hits: list, sizes: list) -> None:
    assert likeness(hits, sizes) == NOTHING_KNOWN


def test_the_correlation_is_found_again() -> None:
    rng = np.random.default_rng(0)
    truth, field = in_clusters(rng, 0.4, 0.2, np.full(2000, 12))
    assert likeness(np.bincount(field, truth), np.full(2000, 12)).correlation == pytest.approx(0.2, abs=0.02)


def test_cells_of_one_field_are_worth_fewer() -> None:
    assert effective_size([10, 10, 10], 0.1) == pytest.approx(30 / 1.9)
    assert effective_size([], 0.5) == 0


def test_error_rates_are_those_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.4
    calls = called(rng, truth, 0.9, 0.8)
    (no_no, no_yes), (yes_no, yes_yes) = confusion_matrix(truth, calls)
    found = error_rates(truth, calls)
    assert found.sensitivity.observed == yes_yes / (yes_yes + yes_no)
    assert found.specificity.observed == no_no / (no_no + no_yes)
    assert found.sensitivity.effective == truth.sum(), "without groups every cell counts"
    pairs = np.repeat(np.arange(150), 2)
    assert error_rates(np.repeat(truth[:150], 2), np.repeat(calls[:150], 2), pairs).sensitivity.effective == (
        pytest.approx(truth[:150].sum())
    ), "a picture seen twice is one"


def test_errors_can_only_be_known_where_both_truths_are() -> None:
    with pytest.raises(InputError, match="all are of the class"):
        error_rates([True, True], [True, False])
    with pytest.raises(InputError, match="all are of others"):
        error_rates([False], [False])


def test_wilson_for_independent_cells() -> None:
    """Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E: 81 of 263."""
    found = called_share([81], [263], NOTHING_KNOWN)
    assert [round(value, 4) for value in (found.low, found.high)] == [0.2553, 0.3662]


def test_lang_and_reiczigel_by_hand() -> None:
    """Each step of the formula for 60 of 200 with a sensitivity of 45 in 50 and a specificity of 76 in 80."""
    z = 1.959963984540054
    sensitivity, specificity = 46 / 52, 77 / 82
    apparent = (60 + z**2 / 2) / (200 + z**2)
    youden = sensitivity + specificity - 1
    share = (apparent + specificity - 1) / youden
    of_right, of_wrong = sensitivity * (1 - sensitivity) / 52, specificity * (1 - specificity) / 82
    shift = 2 * z**2 * (share * of_right - (1 - share) * of_wrong)
    spread = apparent * (1 - apparent) / (200 + z**2) + share**2 * of_right + (1 - share) ** 2 * of_wrong
    rates = ErrorRates(Rate(45, 50, 0.0, 50), Rate(76, 80, 0.0, 80))
    found = corrected_share([60], [200], NOTHING_KNOWN, rates)
    assert found.value == pytest.approx((0.3 + 0.95 - 1) / (0.9 + 0.95 - 1))
    assert found.low == pytest.approx(share + shift - z * spread**0.5 / youden)
    assert found.high == pytest.approx(share + shift + z * spread**0.5 / youden)


def test_a_perfect_classifier_needs_no_correction() -> None:
    alike = Likeness(0.1, 12)
    raw, corrected = called_share([8, 3], [16, 20], alike), corrected_share([8, 3], [16, 20], alike, PERFECT)
    assert corrected.value == pytest.approx(raw.value, abs=1e-6)
    assert corrected.low == pytest.approx(raw.low, abs=0.02)


@pytest.mark.parametrize("hits", [0, 16])
def test_none_and_all_dead_have_an_interval_inside_0_and_1(hits: int) -> None:
    for found in (called_share([hits], [16], NOTHING_KNOWN), corrected_share([hits], [16], NOTHING_KNOWN, USUAL)):
        assert found.value == hits / 16
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high - found.low > 0.05
    assert counted_share(hits, 16, USUAL).value == hits / 16


def test_a_classifier_that_guesses_corrects_nothing() -> None:
    guessing = ErrorRates(Rate(55, 100, 0.0, 100), Rate(50, 100, 0.0, 100))
    for correct in (lambda: rogan_gladen(0.4, guessing), lambda: counted_share(4, 10, guessing)):
        with pytest.raises(InputError, match=r"sensitivity of 55% and a specificity of 50% .* hardly tells"):
            correct()


def test_no_cells_have_no_share() -> None:
    with pytest.raises(InputError, match="0 answers"):
        called_share([0], [0], NOTHING_KNOWN)
    with pytest.raises(InputError, match="0 of 0 rows"):
        counted_share(0, 0, USUAL)
    with pytest.raises(InputError, match="from 0 to all"):
        called_share([3], [2], NOTHING_KNOWN)


def test_the_cells_of_one_image_by_brute_force() -> None:
    """Every truth of 5 cells and every way to call them, under fixed rates."""
    n, hits, right, kept = 5, 2, 0.9, 0.8
    fixed = ErrorRates(Rate(right * 1e9, 1e9, 0.0, 1e9), Rate(kept * 1e9, 1e9, 0.0, 1e9))
    inside = []
    for dead in range(n + 1):
        tail = 0.0
        for calls in product((0, 1), repeat=n):
            chance = np.prod(
                [
                    (right if call else 1 - right) if cell < dead else (1 - kept if call else kept)
                    for cell, call in enumerate(calls)
                ]
            )
            tail += chance * (1.0 if sum(calls) < hits else 0.5 if sum(calls) == hits else 0.0)
        if 0.025 < tail < 0.975:
            inside.append(dead)
    found = counted_share(hits, n, fixed)
    assert (found.low * n, found.high * n) == (pytest.approx(inside[0]), pytest.approx(inside[-1]))


def test_many_cells_take_the_normal_way_to_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = counted_share(70, 190, USUAL)
    monkeypatch.setattr("headstart.metrics.prevalence.counted.MAX_EXACT", 10)
    normal = counted_share(70, 190, USUAL)
    assert normal.low == pytest.approx(exact.low, abs=2 / 190)
    assert normal.high == pytest.approx(exact.high, abs=2 / 190)


def test_errors_that_come_together_widen_the_interval_of_an_image() -> None:
    together = ErrorRates(Rate(920, 1000, 0.1, 400), Rate(945, 1000, 0.1, 400))
    alone, wider = counted_share(50, 100, USUAL), counted_share(50, 100, together)
    assert wider.high - wider.low > 1.3 * (alone.high - alone.low)


def test_the_beta_binomial_is_scipys() -> None:
    from headstart.metrics.prevalence.counted import _beta_binomial, _moments

    assert _beta_binomial(7, 2.5, 0.7) == pytest.approx(betabinom.pmf(range(8), 7, 2.5, 0.7))
    mean, variance = _moments(np.array([7.0]), 2.5, 0.7)
    assert (mean[0], variance[0]) == pytest.approx(betabinom.stats(7, 2.5, 0.7))
    assert _beta_binomial(4, 1e9, 1e9) == pytest.approx([comb(4, k) / 16 for k in range(5)], rel=1e-4)


def test_intervals_cover_in_a_simulated_assay() -> None:
    """Twelve wells of four fields; cells of one field alike, errors of the classifier learned from 60 micrographs."""
    rng = np.random.default_rng(20)
    covered, of_wells, widths = [], [], []
    for _ in range(25):
        known, micrograph = in_clusters(rng, 0.5, 0.1, rng.poisson(16, 60) + 1)
        rates = error_rates(known, called(rng, known, 0.92, 0.945), micrograph)
        shares = rng.uniform(0.05, 0.95, 12)
        wells = [in_clusters(rng, share, 0.1, rng.poisson(16, 4) + 1) for share in shares]
        counts = []
        for truth, field in wells:
            calls = called(rng, truth, 0.92, 0.945)
            dead, hits, sizes = (np.bincount(field, one, minlength=4) for one in (truth, calls, np.ones(len(field))))
            counts.append((hits, sizes))
            for number in range(4):
                found = counted_share(int(hits[number]), int(sizes[number]), rates)
                covered.append(found.low - 1e-9 <= dead[number] / sizes[number] <= found.high + 1e-9)
                widths.append(found.high - found.low)
        alike = likeness(*(np.concatenate(one) for one in zip(*counts, strict=True)), np.repeat(np.arange(12), 4))
        found_wells = [corrected_share(hits, sizes, alike, rates) for hits, sizes in counts]
        of_wells += [one.low <= share <= one.high for one, share in zip(found_wells, shares, strict=True)]
    assert np.mean(covered) >= 0.93
    assert np.mean(of_wells) >= 0.92  # 300 wells: a standard error of 1.3 points
    assert np.mean(widths) < 0.28


def test_what_few_rows_show_to_be_guessing_corrects_nothing() -> None:
    truth = np.array([True] * 60 + [False] * 3)
    found = error_rates(truth, np.ones(63))
    assert found.youden > 0.1, "three rows leave much open"
    assert not found.can_correct
    with pytest.raises(InputError, match="hardly tells the class from others"):
        rogan_gladen(1.0, found)
