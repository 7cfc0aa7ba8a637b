"""Scores equal scikit-learn's, batches equal loops, intervals keep their bounds and their promise."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from headstart.errors import InputError, SplitError
from headstart.metrics import (
    CLASS_METRICS,
    METRICS,
    OutOfFold,
    bootstrap,
    compare_paired,
    evaluate,
    find_metric,
    metrics_for,
    precision_recall_band,
    precision_recall_curve,
    reliability,
    roc_band,
    roc_curve,
    score,
    score_interval,
)
from headstart.metrics.bootstrap import Column, draw_counts
from headstart.metrics.calibration_error import debiased_ece, equal_count_bins, folded_normal_mean
from headstart.metrics.intervals import count_units, difference_interval, variance_factor


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels holding every class, probabilities with many ties, weights with zeros."""
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(2, 6))
    n_rows = int(rng.integers(4 * n_classes, 60))
    labels = np.append(np.arange(n_classes), rng.integers(0, n_classes, n_rows - n_classes))
    steps = rng.integers(1, 5, (n_rows, n_classes)).astype(float)
    probabilities = steps / steps.sum(axis=1, keepdims=True)
    kind = rng.integers(3)
    weights = [np.ones(n_rows), rng.integers(0, 4, n_rows).astype(float), rng.random(n_rows)][kind]
    weights[:n_classes] = 1.0
    return labels, probabilities, weights


def sklearn_scores(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    n_classes = probabilities.shape[1]
    called = probabilities.argmax(axis=1)
    weighted = {"sample_weight": weights}
    hot = np.eye(n_classes)[labels]
    names = list(range(n_classes))
    averaged = {"average": "macro", "labels": names, "zero_division": 0, **weighted}
    areas = [oracle.roc_auc_score(hot[:, k], probabilities[:, k], **weighted) for k in names]
    precisions = [oracle.average_precision_score(hot[:, k], probabilities[:, k], **weighted) for k in names]
    specificities = [oracle.recall_score(labels != k, called != k, **weighted) for k in names]
    scores = {
        "accuracy": oracle.accuracy_score(labels, called, **weighted),
        "balanced_accuracy": oracle.balanced_accuracy_score(labels, called, **weighted),
        "precision_macro": oracle.precision_score(labels, called, **averaged),
        "recall_macro": oracle.recall_score(labels, called, **averaged),
        "specificity_macro": np.mean(specificities),
        "f1_macro": oracle.f1_score(labels, called, **averaged),
        "mcc": oracle.matthews_corrcoef(labels, called, **weighted),
        "log_loss": oracle.log_loss(labels, probabilities, labels=names, **weighted),
        "roc_auc": areas[1] if n_classes == 2 else np.mean(areas),
        "pr_auc": precisions[1] if n_classes == 2 else np.mean(precisions),
    }
    if n_classes > 2:
        return scores | {"brier": np.average(((probabilities - hot) ** 2).sum(axis=1), weights=weights)}
    single = {"zero_division": np.nan, **weighted}
    return scores | {
        "brier": oracle.brier_score_loss(labels, probabilities[:, 1], **weighted),
        "precision": oracle.precision_score(labels, called, **single),
        "recall": oracle.recall_score(labels, called, **single),
        "specificity": oracle.recall_score(labels, called, pos_label=0, **single),
        "f1": oracle.f1_score(labels, called, **single),
    }


def out_of_fold(n_rows: int = 120, n_classes: int = 2, *, repeats: int = 1, seed: int = 0, **options) -> OutOfFold:
    rng = np.random.default_rng(seed)
    labels = np.arange(n_rows) % n_classes
    logits = rng.normal(size=(repeats, n_rows, n_classes)) + 1.5 * np.eye(n_classes)[labels]
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=2, keepdims=True)
    fold = np.stack([rng.permutation(n_rows) % 5 for _ in range(repeats)])
    given = {"labels": labels, "probabilities": probabilities, "fold": fold}
    return OutOfFold(**(given | {"classes": tuple("abcdefgh"[:n_classes])} | options))


@settings(max_examples=48, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_every_score_equals_scikit_learn_with_ties_and_weights(seed: int) -> None:
    labels, probabilities, weights = random_case(seed)
    expected = sklearn_scores(labels, probabilities, weights)
    for name, value in expected.items():
        found = METRICS[name](labels, probabilities, weights)
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert set(expected) | {"ece"} == {metric.name for metric in metrics_for(probabilities.shape[1])}


@settings(max_examples=24, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_scores_per_class_equal_scikit_learn(seed: int) -> None:
    labels, probabilities, weights = random_case(seed)
    called = probabilities.argmax(axis=1)
    for k in range(probabilities.shape[1]):
        single = {"sample_weight": weights, "zero_division": np.nan}
        expected = {
            "precision": oracle.precision_score(labels == k, called == k, **single),
            "recall": oracle.recall_score(labels == k, called == k, **single),
            "specificity": oracle.recall_score(labels != k, called != k, **single),
            "f1": oracle.f1_score(labels == k, called == k, **single),
            "roc_auc": oracle.roc_auc_score(labels == k, probabilities[:, k], sample_weight=weights),
            "pr_auc": oracle.average_precision_score(labels == k, probabilities[:, k], sample_weight=weights),
        }
        for name, metric in CLASS_METRICS.items():
            found = metric(labels, probabilities, weights)[k]
            np.testing.assert_allclose(found, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_a_batch_equals_a_loop_and_a_whole_weight_equals_repeated_rows(seed: int) -> None:
    labels, probabilities, _ = random_case(seed)
    counts = np.random.default_rng(seed).integers(0, 3, (6, len(labels)))
    counts[:, : probabilities.shape[1]] = 1
    for metric in metrics_for(probabilities.shape[1]):
        batch = metric(labels, probabilities, counts)
        loop = [metric(labels, probabilities, row) for row in counts]
        np.testing.assert_allclose(batch, loop, rtol=1e-12, atol=1e-15, err_msg=metric.name)
        if metric.name != "ece":  # its bins are cut by rows
            repeated = [metric(np.repeat(labels, row), np.repeat(probabilities, row, axis=0)) for row in counts]
            np.testing.assert_allclose(batch, repeated, rtol=1e-9, atol=1e-12, err_msg=metric.name)


@pytest.mark.parametrize("scale", [1e-300, 2.0**-1000, 3.0, 1e300])
def test_the_unit_of_the_weights_changes_nothing(scale: float) -> None:
    plain = np.random.default_rng(5).random(120)
    plain[:7] = 0.0
    for weights in (np.ones(120), plain):
        one, other = (out_of_fold(n_classes=3, weights=unit) for unit in (weights, weights * scale))
        found, expected = (evaluate(oof, n_resamples=100) for oof in (other, one))
        np.testing.assert_allclose(found.confusion, expected.confusion, rtol=1e-9, atol=1e-12)
        assert found.confusion.sum() == pytest.approx((weights > 0).sum())
        for name, estimate in expected.metrics.items():
            near = pytest.approx([estimate.value, estimate.low, estimate.high], rel=1e-9, abs=1e-12, nan_ok=True)
            assert [found.metrics[name].value, found.metrics[name].low, found.metrics[name].high] == near, name
        expected_score = score(one.labels, one.probabilities[0], weights)
        assert score(one.labels, one.probabilities[0], weights * scale) == pytest.approx(expected_score, rel=1e-9)
        inside, scores = one.labels == 1, one.probabilities[0, :, 1]
        for curve in (roc_curve, precision_recall_curve, reliability):
            for name, values in vars(curve(inside, scores, weights)).items():
                scaled = getattr(curve(inside, scores, weights * scale), name)
                np.testing.assert_allclose(scaled, values, rtol=1e-9, atol=1e-12)
    assert np.array_equal(out_of_fold(weights=np.full(120, scale)).row_weights, np.ones(120))


def test_curves_equal_scikit_learn() -> None:
    for seed in range(30):
        labels, probabilities, weights = random_case(seed)
        positive, scores = labels == 1, probabilities[:, 1]
        weights = weights + 0.1  # scikit-learn drops rows of weight 0, we keep their threshold
        false, true, thresholds = oracle.roc_curve(positive, scores, sample_weight=weights, drop_intermediate=False)
        curve = roc_curve(positive, scores, weights)
        np.testing.assert_allclose(curve.false_positive_rate, false, atol=1e-12)
        np.testing.assert_allclose(curve.true_positive_rate, true, atol=1e-12)
        np.testing.assert_array_equal(curve.thresholds, thresholds)
        precision, recall, _ = oracle.precision_recall_curve(positive, scores, sample_weight=weights)
        steps = precision_recall_curve(positive, scores, weights)
        np.testing.assert_allclose(steps.precision[::-1], precision[:-1], atol=1e-12)
        np.testing.assert_allclose(steps.recall[::-1], recall[:-1], atol=1e-12)


def test_hand_computed_scores() -> None:
    labels = [0, 0, 0, 1, 1]
    probabilities = [[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.4, 0.6], [0.0, 1.0]]
    found = score(labels, probabilities)
    assert found["accuracy"] == pytest.approx(4 / 5)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(4 / 5)
    assert found["roc_auc"] == pytest.approx(5 / 6)
    assert found["brier"] == pytest.approx((0.04 + 0.16 + 0.49 + 0.16) / 5)
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.6, 0.3, 0.6, 1 - 1e-7])))
    flipped = score(labels, probabilities, positive=0)
    assert flipped["precision"] == pytest.approx(1.0)
    assert flipped["recall"] == pytest.approx(2 / 3)


def test_log_loss_of_a_certain_mistake_is_finite_and_its_bound() -> None:
    worst = METRICS["log_loss"]([1], [[1.0, 0.0]])
    assert worst == pytest.approx(-math.log(1e-7)) == METRICS["log_loss"].bounds[1]


def test_absent_classes_give_nan_and_none() -> None:
    labels, probabilities = [1, 1, 1], [[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]
    found = score(labels, probabilities)
    undefined = {name for name, value in found.items() if value is None}
    macros = {"precision_macro", "recall_macro", "specificity_macro", "f1_macro"}
    assert undefined == {"balanced_accuracy", "specificity", "roc_auc", "mcc"} | macros
    assert found["pr_auc"] == 1.0
    assert score([0, 1], [[0.9, 0.1], [0.8, 0.2]])["precision"] is None


def test_absence_is_exact_under_weights_that_do_not_sum_exactly() -> None:
    rng = np.random.default_rng(3)
    labels, probabilities = np.arange(90) % 3, rng.dirichlet(np.ones(3), 90)
    weights = rng.random((50, 90)) * (labels == 1)
    assert np.isnan(CLASS_METRICS["specificity"](labels, probabilities, weights)[:, 1]).all()
    assert np.isnan(CLASS_METRICS["roc_auc"](labels, probabilities, weights)).all()
    assert np.isnan(METRICS["mcc"](labels, probabilities, weights)).all()  # nothing correlates with one class


def test_calibration_error_is_less_biased_when_calibrated_and_exact_when_not() -> None:
    rng = np.random.default_rng(0)
    debiased, plain, gap = [], [], []
    for _ in range(200):
        chance = rng.random(300)
        happened = (rng.random(300) < chance).astype(float)
        bins = equal_count_bins(chance)
        debiased.append(debiased_ece(chance, happened, np.ones((1, 300)), bins)[0])
        plain.append(np.abs(bins.sums(chance) - bins.sums(happened)).sum() / 300)
        always = (rng.random(300) < 0.6).astype(float)
        flat = np.full(300, 0.9)
        gap.append(debiased_ece(flat, always, np.ones((1, 300)), equal_count_bins(flat))[0])
    assert np.mean(debiased) < 0.65 * np.mean(plain)
    assert np.mean(gap) == pytest.approx(0.3, abs=0.01)


def test_folded_normal_mean_equals_simulation() -> None:
    draws = np.abs(np.random.default_rng(0).normal(0.3, 0.5, 400_000)).mean()
    assert folded_normal_mean(np.array([0.3]), np.array([0.5]))[0] == pytest.approx(draws, abs=0.003)
    assert folded_normal_mean(np.array([0.3]), np.array([0.0]))[0] == 0.3


def test_reliability_bins_hold_all_rows_and_keep_ties_together() -> None:
    scores = np.repeat([0.1, 0.5, 0.9], [50, 30, 20])
    positive = np.random.default_rng(0).random(100) < scores
    curve = reliability(positive, scores, n_bins=10)
    np.testing.assert_array_equal(curve.counts, [50, 30, 20])
    np.testing.assert_allclose(curve.probability, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(curve.frequency, [positive[:50].mean(), positive[50:80].mean(), positive[80:].mean()])
    assert (curve.low <= curve.frequency).all() and (curve.frequency <= curve.high).all()


def test_evaluate_equals_a_plain_loop_over_resamples() -> None:
    groups = np.arange(120) // 3
    oof = out_of_fold(n_classes=3, repeats=2, groups=groups, weights=np.random.default_rng(1).random(120))
    found = evaluate(oof, n_resamples=150, seed=5)
    counts = np.concatenate(list(draw_counts(oof, 150, 5)))
    scores = [
        np.mean([METRICS["f1_macro"](oof.labels, table, oof.weights * row) for table in oof.probabilities])
        for row in counts
    ]
    deviation = np.std(scores, ddof=1) * np.sqrt(40 / 39)
    value = np.mean([METRICS["f1_macro"](oof.labels, table, oof.weights) for table in oof.probabilities])
    units = count_units(oof, Column(METRICS["f1_macro"]))
    low, high = score_interval(value, deviation, units, factor=1.8)
    estimate = found.metrics["f1_macro"]
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value, low, high), rel=1e-9)
    folds = [
        METRICS["f1_macro"](oof.labels[rows], table[rows], oof.weights[rows])
        for table, fold in zip(oof.probabilities, oof.fold, strict=True)
        for rows in (fold == number for number in range(5))
    ]
    assert estimate.fold_sd == pytest.approx(np.std(folds, ddof=1))


def test_groups_are_drawn_as_wholes() -> None:
    groups = np.array([7, 7, 7, 2, 2, 9, 9, 9, 9, 5])
    oof = out_of_fold(10, groups=groups)
    counts = np.concatenate(list(draw_counts(oof, 200, 0)))
    for name in np.unique(groups):
        members = counts[:, groups == name]
        assert (members == members[:, :1]).all()
        assert members[:, 0].mean() == pytest.approx(1, abs=0.25)
    assert {int(row[[0, 3, 5, 9]].sum()) for row in counts} == {4}


def test_copies_within_groups_add_rows_but_no_certainty() -> None:
    single = out_of_fold(100)
    copied = OutOfFold(
        labels=np.repeat(single.labels, 4),
        probabilities=np.repeat(single.probabilities, 4, axis=1),
        fold=np.repeat(single.fold, 4, axis=1),
        classes=single.classes,
        groups=np.repeat(np.arange(100), 4),
    )
    first, second = evaluate(single).metrics, evaluate(copied).metrics
    for name in ("accuracy", "roc_auc", "log_loss"):
        assert second[name].low == pytest.approx(first[name].low, abs=1e-9)
        assert second[name].high == pytest.approx(first[name].high, abs=1e-9)


def test_row_order_and_class_names_do_not_change_scores() -> None:
    oof = out_of_fold(80, 3)
    order = np.random.default_rng(2).permutation(80)
    shuffled = OutOfFold(oof.labels[order], oof.probabilities[:, order], oof.fold[:, order], ("x", "y", "z"))
    first, second = evaluate(oof, n_resamples=100), evaluate(shuffled, n_resamples=100)
    for name, estimate in first.metrics.items():
        assert second.metrics[name].value == pytest.approx(estimate.value, abs=1e-12)
        assert second.metrics[name].fold_sd == pytest.approx(estimate.fold_sd, abs=1e-12)


def test_same_seed_same_result_and_column_choice_does_not_change_it() -> None:
    oof = out_of_fold()
    whole = evaluate(oof, seed=3)
    assert whole.to_json() == evaluate(oof, seed=3).to_json()
    alone = evaluate(oof, metrics=["roc_auc"], per_class=False, seed=3)
    assert alone.metrics == {"roc_auc": whole.metrics["roc_auc"]} and alone.per_class == {}
    assert evaluate(oof, seed=4).metrics["roc_auc"] != whole.metrics["roc_auc"]


def test_json_is_plain_and_says_none_for_undefined() -> None:
    oof = out_of_fold(60)
    answer = json.loads(json.dumps(evaluate(oof, n_resamples=100).to_json(), allow_nan=False))
    assert set(answer["metrics"]["accuracy"]) == {"value", "ci95", "fold_sd"}
    assert answer["metrics"]["ece"]["ci95"] is None and answer["metrics"]["ece"]["value"] >= 0
    assert answer["per_class"]["b"]["support"] == 30
    assert answer["per_class"]["b"]["recall"] == answer["metrics"]["recall"]
    assert np.sum(answer["confusion"]) == pytest.approx(60)
    one_sided = OutOfFold.from_test_set([1, 1], [[0.4, 0.6], [0.7, 0.3]], classes="ab")
    found = evaluate(one_sided, correction="none", n_resamples=100).to_json()["metrics"]
    assert found["roc_auc"] == {"value": None, "ci95": None, "fold_sd": None}
    assert found["accuracy"]["value"] == 0.5


def test_undefined_resamples_are_left_out_and_counted() -> None:
    labels = np.append(np.zeros(30, int), [1, 1])
    chance = np.linspace(0.1, 0.9, 32)
    oof = OutOfFold.from_test_set(labels, np.stack([1 - chance, chance], axis=1), classes="ab")
    found = evaluate(oof, correction="none").metrics
    expected = 1000 * (30 / 32) ** 32  # resamples in which neither positive is drawn
    assert found["roc_auc"].n_undefined == pytest.approx(expected, abs=4 * expected**0.5)
    assert found["roc_auc"].low < 1.0 == found["roc_auc"].value and found["accuracy"].n_undefined == 0


def test_intervals_stay_inside_bounds_hold_the_value_and_have_width() -> None:
    values = np.array([0.0, 1e-6, 0.02, 0.5, 0.98, 1 - 1e-6, 1.0])
    for deviation in (0.0, 1e-12, 0.01, 0.3):
        low, high = score_interval(values, deviation, 25.0, factor=2.25)
        assert (low >= 0).all() and (high <= 1).all() and (high > low).all()
        assert (low <= values).all() and (values <= high).all()
    low, high = score_interval(0.0, 0.0, 30.0, bounds=(-1.0, 1.0))
    assert -1 < low < 0 < high < 1


def test_a_perfect_score_is_surer_with_more_units_and_near_the_exact_binomial() -> None:
    ends = [float(score_interval(1.0, 0.0, units)[0]) for units in (10, 60, 244, 1000)]
    exact = [0.025 ** (1 / units) for units in (10, 60, 244, 1000)]
    assert ends == sorted(ends)
    np.testing.assert_allclose(1 - np.array(ends), 1 - np.array(exact), rtol=0.15)


def test_a_score_short_of_perfect_is_not_surer_than_a_perfect_one() -> None:
    perfect, _ = score_interval(1.0, 0.0, 60.0)
    almost, _ = score_interval(0.999, 1e-5, 60.0)
    assert almost < perfect


def test_share_of_independent_rows_has_wilsons_interval() -> None:
    share, n_rows = 0.8, 100
    low, high = score_interval(share, math.sqrt(share * (1 - share) / n_rows), 1e9)
    z = 1.959963984540054
    centre = (share + z**2 / 200) / (1 + z**2 / 100)
    reach = z / (1 + z**2 / 100) * math.sqrt(share * (1 - share) / n_rows + z**2 / 4e4)
    assert (float(low), float(high)) == pytest.approx((centre - reach, centre + reach))


def test_variance_factor_follows_the_split() -> None:
    assert variance_factor(out_of_fold(), "nadeau-bengio") == pytest.approx(1 + 4 / 5)
    assert variance_factor(out_of_fold(repeats=3), "nadeau-bengio") == pytest.approx(1 + 4 / 5)
    halves = out_of_fold(fold=np.arange(120)[None] % 2)
    assert variance_factor(halves, "nadeau-bengio") == pytest.approx(2.0)
    holdout = out_of_fold(100, fold=np.where(np.arange(100) < 20, 0, -1)[None])
    assert variance_factor(holdout, "nadeau-bengio") == pytest.approx(1 + 20 / 80)
    assert variance_factor(holdout, "nadeau-bengio", n_train_fraction=0.6) == pytest.approx(1 + 20 / 60)
    assert variance_factor(holdout, "none") == 1.0


def test_holdout_scores_only_judged_rows() -> None:
    fold = np.where(np.arange(100) < 40, 0, -1)[None]
    whole = out_of_fold(100)
    probabilities = whole.probabilities.copy()
    probabilities[:, 40:] = np.nan
    oof = OutOfFold(whole.labels, probabilities, fold, whole.classes)
    found = evaluate(oof, n_resamples=100)
    assert found.metrics["roc_auc"].value == METRICS["roc_auc"](whole.labels[:40], probabilities[0, :40])
    assert found.support == {"a": 20, "b": 20} and found.interval.n_units == 40


def test_plain_interval_of_a_fixed_model_covers_and_the_correction_widens() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        labels = rng.integers(0, 2, 80)
        right = rng.random(80) < 0.8
        chance = np.where(right == labels, 0.7, 0.3)
        oof = OutOfFold.from_test_set(labels, np.stack([1 - chance, chance], axis=1), classes="ab")
        found = evaluate(oof, metrics=["accuracy"], per_class=False, correction="none", seed=seed, n_resamples=100)
        hits += found.metrics["accuracy"].low <= 0.8 <= found.metrics["accuracy"].high
    assert 181 <= hits <= 199  # 190 expected, standard error 3
    plain, wide = (evaluate(out_of_fold(), correction=name).metrics["accuracy"] for name in ("none", "nadeau-bengio"))
    assert 1.2 < (wide.high - wide.low) / (plain.high - plain.low) < 1.5


def test_noise_labels_score_at_chance() -> None:
    rng = np.random.default_rng(0)
    chance = rng.random(600)
    oof = out_of_fold(600, labels=rng.integers(0, 2, 600), probabilities=np.stack([1 - chance, chance], axis=1)[None])
    found = evaluate(oof).metrics
    for name, expected in {"accuracy": 0.5, "balanced_accuracy": 0.5, "roc_auc": 0.5, "mcc": 0.0}.items():
        assert found[name].low < expected < found[name].high


def test_bands_hold_the_curve_and_the_area_agrees() -> None:
    oof = out_of_fold(400)
    for band, name in (
        (roc_band(oof, n_resamples=200), "roc_auc"),
        (precision_recall_band(oof, n_resamples=200), "pr_auc"),
    ):
        assert band.grid.shape == band.value.shape == (101,)
        assert ((band.low <= band.value) & (band.value <= band.high)).all()
        area = np.trapezoid(band.value, band.grid)
        assert area == pytest.approx(METRICS[name](oof.labels, oof.probabilities[0]), abs=0.01)
    assert roc_band(out_of_fold(90, 3), 2, n_resamples=100).value[-1] == 1.0


def test_paired_difference_is_antisymmetric_and_narrower_than_unpaired() -> None:
    a = out_of_fold(200)
    noise = np.random.default_rng(9).normal(0, 0.05, (1, 200))
    chance = np.clip(a.probabilities[..., 1] + noise, 0.01, 0.99)
    b = OutOfFold(a.labels, np.stack([1 - chance, chance], axis=2), a.fold, a.classes)
    forward, backward = compare_paired(a, b).metrics, compare_paired(b, a).metrics
    alone = evaluate(a).metrics
    for name, found in forward.items():
        other = backward[name]
        assert (found.value, found.low, found.high) == pytest.approx((-other.value, -other.high, -other.low))
        assert found.p_value == pytest.approx(other.p_value)
        assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
    assert forward["roc_auc"].high - forward["roc_auc"].low < 0.5 * (alone["roc_auc"].high - alone["roc_auc"].low)
    assert forward["roc_auc"].a == alone["roc_auc"].value


def test_p_values_of_equal_procedures_are_rarely_small() -> None:
    small = 0
    for seed in range(150):
        a, b = out_of_fold(80, seed=seed), out_of_fold(80, seed=seed + 10_000)
        b = OutOfFold(a.labels, b.probabilities, a.fold, a.classes)
        found = compare_paired(a, b, metrics=["accuracy"], correction="none", n_resamples=100, seed=seed)
        small += found.metrics["accuracy"].p_value < 0.05
    assert 1 <= small <= 16  # 7.5 expected


def test_identical_runs_differ_by_nothing_with_an_interval_of_some_width() -> None:
    found = compare_paired(out_of_fold(), out_of_fold()).metrics["accuracy"]
    assert (found.value, found.p_value) == (0.0, 1.0) and found.low < 0 < found.high
    limits, units = np.ones(1), np.full(1, 10.0)
    low, high, p_value = difference_interval(np.ones(1), np.zeros(1), units, limits=limits, factor=1.0)
    assert 0 < low[0] < high[0] == 1.0 and p_value[0] == pytest.approx(2**-9)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"fold": (np.arange(120)[None] + 1) % 5}, SplitError, "different folds.*split and seed"),
        ({"labels": (np.arange(120) + 1) % 2}, InputError, "do not hold the same rows"),
        ({"classes": ("a", "c")}, InputError, "different classes"),
        ({"positive": 0}, InputError, "another positive class"),
        ({"groups": np.arange(120) // 2}, InputError, "different weights or groups"),
        ({"weights": np.arange(120.0)}, InputError, "different weights or groups"),
    ],
)
def test_comparison_refuses_what_is_not_paired(change: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compare_paired(out_of_fold(), out_of_fold(**change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.full(120, 2)}, "Labels must lie in 0 to 1"),
        ({"labels": np.full(120, 0.5)}, "class numbers"),
        ({"probabilities": np.full((1, 119, 2), 0.5)}, r"shape \(1, 120, 2\)"),
        ({"probabilities": np.full((1, 120, 2), 0.4)}, "sum to 1; row 0 sums to 0.8"),
        ({"probabilities": np.full((1, 120, 2), np.nan)}, "finite and between 0 and 1"),
        ({"fold": np.full((1, 120), -1)}, "Repeat 0 judges no row"),
        ({"fold": np.zeros(120, int)}, "Folds must have shape"),
        ({"weights": np.full(120, -1.0)}, "not negative"),
        ({"weights": np.zeros(120)}, "all weigh 0"),
        ({"groups": np.zeros(3, int)}, "Groups must have shape"),
        ({"positive": 2}, "must be 0 or 1"),
    ],
)
def test_bad_predictions_are_refused_in_words(change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        out_of_fold(**change)


def test_bad_options_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"Unknown metric 'acuracy'\. Did you mean 'accuracy'"):
        find_metric("acuracy")
    with pytest.raises(InputError, match=r"needs two classes; there are 3\. Use 'recall_macro'"):
        evaluate(out_of_fold(n_classes=3), metrics=["recall"])
    with pytest.raises(InputError, match="at least 100 resamples"):
        evaluate(out_of_fold(), n_resamples=10)
    with pytest.raises(InputError, match="Unknown correction 'bates'"):
        evaluate(out_of_fold(), correction="bates")
    with pytest.raises(InputError, match='use correction="none"'):
        evaluate(OutOfFold.from_test_set([0, 1], [[0.9, 0.1], [0.2, 0.8]], classes="ab"))
    with pytest.raises(InputError, match="say which one"):
        roc_band(out_of_fold(n_classes=3))
    with pytest.raises(InputError, match="only true and false"):
        roc_curve([0, 2], [0.1, 0.2])


def test_resamples_scored_side_by_side_have_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 4_000)
    oof = OutOfFold.from_test_set(labels, generator.dirichlet(np.ones(3), 4_000), classes="abc")
    columns = bootstrap.columns_for(3)
    found = []
    for n_processors in (1, 3):
        monkeypatch.setattr(bootstrap, "available_processors", lambda n=n_processors: n)
        found.append(bootstrap.resample(oof, columns, n_resamples=600, seed=1))
    assert oof.n_rows * 600 >= bootstrap._WORTH_THREADS
    np.testing.assert_array_equal(found[0].resamples, found[1].resamples)
    assert found[0].resamples.shape == (600, len(columns))
