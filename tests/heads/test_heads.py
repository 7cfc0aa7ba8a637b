"""Heads: equality with scikit-learn and plain torch, row independence, leak guards, input refused in words."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
import torch
from made_heads import AUTO_LDA, SMALL, UNIFORM_KNN, blobs, fit_one, same_arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.svm import SVC

import headstart.heads.kinds.knn
import headstart.heads.kinds.svm
from headstart.data.split.stratify import stratified_folds
from headstart.decisions.scaling import fit_platt, fit_platt_columns
from headstart.errors import InputError
from headstart.heads import FittedHead, HeadSpec, fit_heads, searchable_kinds
from headstart.heads.arithmetic import BLOCK_ROWS, PROBABILITY_FLOOR, standardised
from headstart.heads.kinds.knn import distance_votes, uniform_votes
from headstart.heads.kinds.svm import CALIBRATION_FOLDS, svm_decisions
from headstart.heads.training_rows import scaling

# Equality with the obvious implementation


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("C", [1e-3, 1.0])
def test_logistic_equals_scikit_learn(n_classes, C):
    features, labels = blobs(n_classes=n_classes)
    weights = np.random.default_rng(1).uniform(0.2, 3.0, len(labels))
    shares = weights / weights.sum()
    mean = shares @ features
    rows = (features - mean) / np.sqrt(shares @ (features - mean) ** 2)
    theirs = LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(rows, labels, sample_weight=weights)
    head = fit_one(HeadSpec("logistic", {"C": C}), features, labels, n_classes, weights=weights)
    np.testing.assert_allclose(head.predict_proba(features), theirs.predict_proba(rows), atol=3e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_svm_decisions_equal_scikit_learn(n_classes):
    features, labels = blobs(n_classes=n_classes)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(labels))
    head = fit_one(HeadSpec("svm", {"C": 2.0, "gamma": 0.7}), features, labels, n_classes, weights=weights)
    arrays = head.arrays
    block = np.zeros((BLOCK_ROWS, features.shape[1]))
    block[:] = standardised(features[:BLOCK_ROWS], arrays)
    rows = standardised(features, arrays)
    decisions = svm_decisions(arrays)(block)
    for label in range(n_classes):
        machine = SVC(C=2.0, gamma=0.7 / features.shape[1]).fit(rows, labels == label, sample_weight=weights)
        np.testing.assert_allclose(decisions[:, label], machine.decision_function(block), atol=2e-3)


@pytest.mark.parametrize("spec", [SMALL["knn"], UNIFORM_KNN], ids=lambda spec: spec.label)
def test_knn_equals_brute_force(spec):
    features, labels = blobs()
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(labels))
    train, test = np.arange(100), np.arange(100, 150)
    head = fit_one(spec, features[train], labels[train], weights=weights[train])
    rows = standardised(features, head.arrays)
    counted = weights[train] / weights[train].mean()
    for row, probabilities in zip(test, head.predict_proba(features[test]), strict=True):
        similarity = [rows[row] @ rows[i] / np.linalg.norm(rows[row]) / np.linalg.norm(rows[i]) for i in train]
        nearest = np.argsort(similarity)[::-1]
        first, beyond = similarity[nearest[0]], similarity[nearest[7]]
        counts = np.ones(3)
        for i in nearest[:7]:
            vote = (similarity[i] - beyond) / (first - beyond) if spec.settings["votes"] == "distance" else 1.0
            counts[labels[i]] += vote * counted[i]
        np.testing.assert_allclose(probabilities, counts / counts.sum(), atol=1e-5)


def test_votes_by_hand():
    similarities = np.array([[0.9, 0.5, 0.7, 0.1]])
    assert uniform_votes(similarities, 2).tolist() == [[1, 0, 1, 0]]
    np.testing.assert_allclose(distance_votes(similarities, 2), [[1, 0, 0.5, 0]])
    assert uniform_votes(np.array([[0.5, 0.5, 0.1]]), 1).tolist() == [[1, 1, 0]]  # a tie with the k-th counts
    assert distance_votes(np.array([[0.3, 0.3]]), 5).tolist() == [[1, 1]]  # all equally similar, k beyond n
    assert distance_votes(np.array([[0.3]]), 1).tolist() == [[1]]


def test_knn_heads_compare_rows_once_and_give_the_same_bits(monkeypatch):
    features, labels = blobs(n_classes=3)
    specs = [HeadSpec("knn", {"k": 7}), HeadSpec("knn", {"k": 5, "votes": "uniform"}), HeadSpec("knn", {"k": 50})]
    heads = fit_heads(specs, features, labels, n_classes=4, seed=0)
    alone = np.stack([head.predict_proba(features) for head in heads])
    compared = []
    real = headstart.heads.kinds.knn.unit_rows
    monkeypatch.setattr("headstart.heads.kinds.knn.unit_rows", lambda rows: compared.append(len(rows)) or real(rows))
    together = heads[0].predict_together(heads[1:], features)
    assert together.tobytes() == alone.tobytes()
    assert len(compared) == 1 + -(-len(features) // BLOCK_ROWS)
    stored = [FittedHead.from_tensors(head.spec, head.to_tensors()) for head in heads]
    assert stored[0].predict_together(stored[1:], features).tobytes() == alone.tobytes()
    other = fit_one(specs[1], features[:40], labels[:40], 4)  # on rows of its own
    apart = np.stack([alone[0], other.predict_proba(features)])
    assert heads[0].predict_together([other], features).tobytes() == apart.tobytes()
    with pytest.raises(InputError, match="Use features of the same backbone"):
        heads[0].predict_together(heads[1:], features[:, :-1])


@pytest.mark.parametrize(("n_classes", "d", "max_work"), [(2, 65, 1e8), (3, 7, 1e8), (3, 65, 0)])
def test_svms_fitted_together_compare_rows_once_and_give_the_same_bits(n_classes, d, max_work, monkeypatch):
    monkeypatch.setattr("headstart.heads.kinds.svm.MAX_KERNEL_WORK", max_work)
    features, labels = blobs(200, d, n_classes, shift=0.1)
    features[:20] = features[20:40]  # rows that are there twice
    specs = [HeadSpec("svm", {"C": C, "gamma": gamma}) for gamma in (0.25, 1.0) for C in (0.1, 3.0)]
    heads = fit_heads(specs, features[:150], labels[:150], n_classes=n_classes, seed=0)
    alone = np.stack([head.predict_proba(features) for head in heads])
    maps = []
    real = headstart.heads.kinds.svm.linear_map
    monkeypatch.setattr("headstart.heads.kinds.svm.linear_map", lambda matrix: maps.append(len(matrix)) or real(matrix))
    assert heads[0].predict_together(heads[1:], features).tobytes() == alone.tobytes()
    assert maps.count(d) == 1
    assert heads[2].predict_together([heads[0]], features).tobytes() == alone[[2, 0]].tobytes()
    stored = [FittedHead.from_tensors(head.spec, head.to_tensors()) for head in heads]
    assert stored[0].predict_together(stored[1:], features).tobytes() == alone.tobytes()


def test_svm_is_calibrated_on_decisions_of_machines_that_left_each_fold_out():
    features, labels = blobs(120, 6, 3)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 120)
    labels[:40], weights[:40] = np.minimum(labels[:40], 1), 1.0
    head = fit_one(HeadSpec("svm", {"C": 2.0}), features, labels, 3, weights=weights)
    folds = stratified_folds(labels, None, CALIBRATION_FOLDS, np.random.default_rng(0))
    rows, gamma = standardised(features, head.arrays), float(head.arrays["gamma"])
    for label in range(3):
        decisions = np.empty(120)
        for fold in range(CALIBRATION_FOLDS):
            machine = SVC(C=2.0, gamma=gamma)
            machine.fit(rows[folds != fold], labels[folds != fold] == label, sample_weight=weights[folds != fold])
            decisions[folds == fold] = machine.decision_function(rows[folds == fold])
        expected = fit_platt(decisions, labels == label, weights)
        found = head.arrays["platt_slope"][label], head.arrays["platt_offset"][label]
        np.testing.assert_allclose(found, expected, rtol=2e-3)


def calibrated_on(features, labels, n_left_out, monkeypatch, **options):
    """An SVM where a fold with so many rows of both classes is enough to calibrate on."""
    monkeypatch.setattr("headstart.heads.kinds.svm.MIN_LEFT_OUT", n_left_out)
    return fit_one(HeadSpec("svm"), features, labels, labels.max() + 1, **options)


def test_one_fold_calibrates_the_machine_of_two_classes_where_it_holds_rows_enough(monkeypatch):
    features, labels = blobs(120, 6, 2, shift=0.3)
    head = calibrated_on(features, labels, 15, monkeypatch)
    first = stratified_folds(labels, None, CALIBRATION_FOLDS, np.random.default_rng(0)) == 0
    assert np.bincount(labels[first]).min() >= 15
    machine = SVC(C=3.0, gamma=float(head.arrays["gamma"]))
    rows = standardised(features, head.arrays)
    decisions = machine.fit(rows[~first], labels[~first]).decision_function(rows[first])
    expected = fit_platt(decisions, labels[first] == 1, np.ones(first.sum()))
    found = head.arrays["platt_slope"][1], head.arrays["platt_offset"][1]
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    assert same_arrays(calibrated_on(features, labels, 15, monkeypatch), head)


def test_all_folds_calibrate_few_rows_a_large_group_or_three_classes(monkeypatch):
    features, labels = blobs(120, 6, 2, shift=0.3)
    few = np.flatnonzero((labels != 1) | (np.cumsum(labels == 1) <= 30))  # ten or so in a fold
    one_large = np.where(np.arange(120) < 80, 0, np.arange(120))  # a group that is most of a fold
    three = np.where(np.arange(120) % 3 == 0, 2, labels)
    for rows, given, groups in (
        (few, labels, None),
        (np.arange(120), labels, one_large),
        (np.arange(120), three, None),
    ):
        of_all = calibrated_on(features[rows], given[rows], 121, monkeypatch, groups=groups)
        assert same_arrays(calibrated_on(features[rows], given[rows], 15, monkeypatch, groups=groups), of_all)


def test_heads_of_other_kinds_and_of_one_class_predict_together_as_alone():
    features, labels = blobs()
    for kind, given in (("logistic", labels), ("knn", np.zeros_like(labels))):
        key = {"logistic": "C", "knn": "k"}[kind]
        heads = fit_heads([HeadSpec(kind, {key: value}) for value in (1, 3)], features, given, n_classes=3, seed=0)
        alone = np.stack([head.predict_proba(features) for head in heads])
        assert heads[0].predict_together(heads[1:], features).tobytes() == alone.tobytes()


def test_knn_keeps_the_same_share_of_every_class_of_many_rows(monkeypatch):
    features, labels = blobs(400)
    labels[:3] = 3  # a class of three rows
    monkeypatch.setattr("headstart.heads.kinds.knn.MAX_KEPT", 100)
    head = fit_one(UNIFORM_KNN, features, labels, 4)
    kept, weights = head.arrays["row_classes"], head.arrays["row_weights"]
    assert np.bincount(kept).tolist() == np.ceil(np.bincount(labels) / 4).tolist()
    shares = np.bincount(kept, weights=weights) / weights.sum()
    np.testing.assert_allclose(shares, np.bincount(labels) / 400)
    places = [np.flatnonzero((features == row).all(axis=1))[0] for row in head.arrays["rows"]]
    assert labels[places].tolist() == kept.tolist() and len(set(places)) == len(places)
    assert same_arrays(fit_one(UNIFORM_KNN, features, labels, 4), head)


def test_knn_probabilities_change_without_jumps_as_a_neighbour_comes_in():
    before, after = np.array([[0.9, 0.5, 0.4 - 1e-9, 0.4]]), np.array([[0.9, 0.5, 0.4 + 1e-9, 0.4]])
    np.testing.assert_allclose(distance_votes(before, 3), distance_votes(after, 3), atol=1e-6)


def test_platt_reaches_the_minimum_of_its_loss():
    generator = np.random.default_rng(0)
    decisions, weights = generator.standard_normal(80), generator.uniform(0.5, 2, 80)
    positive = decisions + generator.standard_normal(80) > 0.4
    high, low = weights[positive].sum(), weights[~positive].sum()
    targets = np.where(positive, (high + 1) / (high + 2), 1 / (low + 2))

    def loss(slope, offset):
        scores = slope * decisions + offset
        return weights @ (np.logaddexp(0, scores) - targets * scores)

    slope, offset = fit_platt(decisions, positive, weights)
    around = [loss(slope + a, offset + b) for a in (-1e-3, 0, 1e-3) for b in (-1e-3, 0, 1e-3) if a or b]
    assert slope > 0 and loss(slope, offset) < min(around)


@pytest.mark.parametrize("positive", [[True] * 4, [True, True, False, False]], ids=["one class", "reversed"])
def test_platt_falls_back_to_the_share_of_the_class(positive):
    positive = np.array(positive)
    slope, offset = fit_platt(np.array([-2.0, -1.0, 1.0, 2.0]), positive, np.ones(4))
    assert slope == 0 and offset == pytest.approx(np.log((positive.sum() + 1) / ((~positive).sum() + 1)))


@pytest.mark.parametrize("n_at_once", [2**20, 100])
def test_platt_of_several_machines_is_that_of_each_alone(n_at_once, monkeypatch):
    monkeypatch.setattr("headstart.decisions.scaling.MAX_VALUES", n_at_once)
    generator = np.random.default_rng(1)
    decisions, weights = generator.standard_normal((90, 5)), generator.uniform(0.5, 2, 90)
    positive = decisions + generator.standard_normal((90, 5)) > [0.4, 0, 1, 0, -1]
    positive[:, 3] = False
    decisions[:, 1] *= -1  # worse than chance
    decisions[:40, 4] = np.nan
    slopes, offsets = fit_platt_columns(decisions, positive, weights)
    for column in range(5):
        known = np.isfinite(decisions[:, column])
        alone = fit_platt(decisions[known, column], positive[known, column], weights[known])
        assert (slopes[column], offsets[column]) == pytest.approx(alone, rel=1e-9)
    assert (slopes[[1, 3]] == 0).all() and (slopes[[0, 2, 4]] > 0).all()


# Rows do not see one another


@pytest.mark.parametrize("n_train", [61, 190])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("spec", [*SMALL.values(), UNIFORM_KNN, AUTO_LDA], ids=lambda spec: spec.label)
def test_a_row_has_the_same_bits_in_any_company(spec, n_classes, n_train):
    features, labels = blobs(250, 301, n_classes)
    head, features = fit_one(spec, features[:n_train], labels[:n_train], n_classes), features[-135:]
    alone = np.concatenate([head.predict_proba(features[i : i + 1]) for i in range(len(features))])
    assert np.array_equal(head.predict_proba(features), alone)
    for size in (2, 63, 64, 65, 129):
        parts = [head.predict_proba(features[i : i + size]) for i in range(0, len(features), size)]
        assert np.array_equal(np.concatenate(parts), alone)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(features))
        assert np.array_equal(head.predict_proba(features[order]), alone[order])
    assert np.array_equal(head.predict_proba(np.asfortranarray(features)), alone)
    assert np.array_equal(head.predict_proba(np.repeat(features, 2, axis=1)[:, ::2]), alone)


@pytest.mark.parametrize("kind", ["knn", "svm"])
def test_row_independence_holds_with_two_threads(kind):
    features, labels = blobs(300, 301)
    head = fit_one(SMALL[kind], features[:190], labels[:190])
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        together, order = head.predict_proba(features), np.random.default_rng(0).permutation(300)
        assert np.array_equal(head.predict_proba(features[order]), together[order])
        assert np.array_equal(head.predict_proba(features[7:8]), together[7:8])


def test_no_rows_give_no_probabilities():
    features, labels = blobs()
    assert fit_one(SMALL["svm"], features, labels).predict_proba(features[:0]).shape == (0, 3)


# Nothing leaks and nothing depends on what it should not


@pytest.mark.parametrize("kind", searchable_kinds())
def test_noise_labels_score_at_chance(kind):
    scores = []
    for seed in range(8):
        features, _ = blobs(240, 30, seed=seed)
        labels = np.random.default_rng(100 + seed).integers(2, size=240)
        head = fit_one(SMALL[kind], features[:120], labels[:120], 2)
        scores.append(roc_auc_score(labels[120:], head.predict_proba(features[120:])[:, 1]))
    assert abs(np.mean(scores) - 0.5) < 0.06  # standard error of the mean is 0.019


def test_svm_on_noise_is_not_confident():
    """Calibrated on rows the machine saw, it would answer with near certainty."""
    features, _ = blobs(200, 60, seed=3)
    labels = np.random.default_rng(4).integers(2, size=200)
    probabilities = fit_one(HeadSpec("svm", {"C": 10.0}), features[:120], labels[:120], 2).predict_proba(features)
    assert log_loss(labels[120:], probabilities[120:]) < 0.75
    assert np.abs(probabilities[:120, 1] - 0.5).max() < 0.35


def test_svm_calibration_keeps_duplicates_together():
    """Noise labels on tripled rows: a copy left in training gives its label away unless groups forbid it."""
    features, _ = blobs(60, 60, seed=3)
    labels = np.random.default_rng(4).integers(2, size=60)
    rows = np.repeat(np.arange(60), 3)

    def confidence(groups):
        head = fit_one(HeadSpec("svm"), features[rows], labels[rows], 2, groups=groups)
        return np.abs(head.predict_proba(features)[:, 1] - 0.5).max()

    assert confidence(rows) < 0.35 < 0.45 < confidence(None)


@pytest.mark.parametrize("kind", searchable_kinds())
def test_signal_is_found(kind):
    features, labels = blobs(300, 30, shift=0.8)
    probabilities = fit_one(SMALL[kind], features[:200], labels[:200]).predict_proba(features[200:])
    assert (probabilities.argmax(axis=1) == labels[200:]).mean() > 0.9


@pytest.mark.parametrize("kind", searchable_kinds())
def test_rows_of_weight_zero_are_as_if_absent(kind):
    features, labels = blobs()
    weights = np.ones(150)
    weights[100:] = 0
    poisoned, flipped = features.copy(), labels.copy()
    poisoned[100:], flipped[100:] = 1e6, 2 - labels[100:]
    head = fit_one(SMALL[kind], features[:100], labels[:100])
    assert same_arrays(fit_one(SMALL[kind], poisoned, flipped, weights=weights), head)


@pytest.mark.parametrize("kind", searchable_kinds())
def test_a_head_does_not_depend_on_its_siblings(kind):
    features, labels = blobs()
    other = {"dense": {"epochs": 5}, "logistic": {"C": 1.0}, "knn": {"k": 3}, "svm": {"C": 1.0, "gamma": 2.0}} | {
        "ridge": {"alpha": 2.0},
        "lda": {"shrinkage": "auto"},
        "cumulative": {"C": 1.0},
        "corn": {"C": 1.0},
    }
    other = other[kind]
    specs = [HeadSpec(kind, {**SMALL[kind].settings, **other}), SMALL[kind]]
    together = fit_heads(specs, features, labels, n_classes=3, seed=0)
    assert [head.spec for head in together] == specs
    for head in together:
        alone = fit_one(head.spec, features, labels)
        if kind == "dense":  # products of stacks of different heights may add in another order
            np.testing.assert_allclose(head.predict_proba(features), alone.predict_proba(features), atol=1e-5)
        else:
            assert same_arrays(head, alone)


@pytest.mark.parametrize("kind", searchable_kinds())
def test_the_seed_alone_decides(kind):
    features, labels = blobs()
    torch.manual_seed(1)
    first = fit_one(SMALL[kind], features, labels, seed=3)
    state = torch.get_rng_state()
    np.random.seed(2)  # noqa: NPY002
    assert same_arrays(fit_one(SMALL[kind], features, labels, seed=3), first)
    assert torch.equal(torch.get_rng_state(), state)
    if kind in {"dense", "svm"}:
        assert not same_arrays(fit_one(SMALL[kind], features, labels, seed=4), first)


@pytest.mark.parametrize(("kind", "tolerance"), [("logistic", 1e-6), ("svm", 2e-3), ("ridge", 1e-6), ("lda", 1e-9)])
def test_weight_two_is_the_row_twice(kind, tolerance):
    features, labels = blobs(120)
    weights = np.where(np.arange(120) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(120), weights.astype(int))
    weighted = fit_one(SMALL[kind], features, labels, weights=weights, groups=np.arange(120))
    doubled = fit_one(SMALL[kind], features[twice], labels[twice], groups=twice if kind == "ridge" else None)
    if kind != "svm":
        np.testing.assert_allclose(weighted.predict_proba(features), doubled.predict_proba(features), atol=tolerance)
    else:  # the calibration folds of doubled rows differ; the machine may not
        block = standardised(features[:BLOCK_ROWS], weighted.arrays)
        decisions = [svm_decisions(head.arrays)(block) for head in (weighted, doubled)]
        np.testing.assert_allclose(*decisions, atol=tolerance)


def test_weights_are_honoured_by_every_kind():
    features, labels = blobs(100, n_classes=2, shift=0.2)
    weights = np.where(labels == 1, 20.0, 1.0)
    for spec in SMALL.values():
        plain, heavy = (fit_one(spec, features, labels, 2, weights=given) for given in (None, weights))
        assert heavy.predict_proba(features)[:, 1].mean() > plain.predict_proba(features)[:, 1].mean() + 0.05


def test_scaling_is_weighted_and_ignores_constant_features():
    features = np.array([[0, 5, 1e6], [2, 5, 1e6], [2, 5, 1e6 + 0.0625]], dtype=np.float32)
    mean, inverse = scaling(features, np.array([2.0, 1.0, 1.0]))
    np.testing.assert_allclose(mean[:2], [1.0, 5.0])
    np.testing.assert_allclose(inverse, [1.0, 0.0, 0.0])


@pytest.mark.parametrize("kind", searchable_kinds())
def test_a_feature_constant_in_training_is_ignored_in_prediction(kind):
    features, labels = blobs()
    features[:, 4] = 7.0
    head = fit_one(SMALL[kind], features, labels)
    changed = features.copy()
    changed[:, 4] = 1e5
    assert np.array_equal(head.predict_proba(changed), head.predict_proba(features))


# Classes absent from the training rows, tiny data


@pytest.mark.parametrize("kind", searchable_kinds())
def test_an_absent_class_gets_the_floor(kind):
    features, labels = blobs()
    seen = labels != 1
    probabilities = fit_one(SMALL[kind], features[seen], labels[seen]).predict_proba(features)
    assert (probabilities[:, 1] == PROBABILITY_FLOOR).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)
    two = fit_one(SMALL[kind], features[seen], labels[seen] // 2, 2).predict_proba(features)
    np.testing.assert_allclose(probabilities[:, [0, 2]], two, atol=3e-6)


@pytest.mark.parametrize("kind", searchable_kinds())
def test_a_single_class_gets_all_but_the_floor(kind):
    features, _ = blobs(20)
    head = fit_one(SMALL[kind], features, np.full(20, 2))
    assert head.predict_proba(features)[0].tolist() == pytest.approx([1e-6, 1e-6, 1 - 2e-6])
    assert same_arrays(FittedHead.from_tensors(head.spec, head.to_tensors()), head)
    assert not head.holds_training_features


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("kind", searchable_kinds())
def test_a_handful_of_rows_is_enough(kind, n):
    features, _ = blobs(n)
    probabilities = fit_one(SMALL[kind], features, np.arange(n) % 2, 2).predict_proba(features)
    assert np.isfinite(probabilities).all() and probabilities.min() >= PROBABILITY_FLOOR


@pytest.mark.parametrize("kind", searchable_kinds())
def test_identical_rows_do_no_harm(kind):
    features = np.full((12, 5), 3.0, dtype=np.float32)
    probabilities = fit_one(SMALL[kind], features, np.arange(12) % 3).predict_proba(features)
    np.testing.assert_allclose(probabilities, 1 / 3, atol=0.15)


# Input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": np.zeros((6, 2))}, "must be float32, not float64"),
        ({"features": np.full((6, 2), np.inf, dtype=np.float32)}, "row 0 are not finite"),
        ({"features": np.zeros(6, dtype=np.float32)}, r"shape \(n_rows, n_features\)"),
        ({"labels": np.array([0, 1, 2, 0, 1, 3])}, r"0..2, the 3 classes; found 3"),
        ({"labels": np.zeros(6)}, "6 integers, not float64"),
        ({"n_classes": 1}, "at least 2 classes"),
        ({"weights": np.array([1, 1, 1, 1, 1, -1])}, "row 5 has -1"),
        ({"weights": np.zeros(6)}, "No training row has a positive weight"),
        ({"weights": np.ones(5)}, r"Weights must have shape \(6,\)"),
        ({"groups": np.ones(5)}, r"Groups must have shape \(6,\)"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"specs": [HeadSpec("svm"), HeadSpec("knn")]}, "not of knn, svm"),
    ],
)
def test_wrong_input_is_refused(change, words):
    given = {
        "specs": [HeadSpec("knn")],
        "features": np.eye(6, 2, dtype=np.float32),
        "labels": np.array([0, 1, 2, 0, 1, 2]),
        "n_classes": 3,
        "seed": 0,
    } | change
    with pytest.raises(InputError, match=words):
        fit_heads(given.pop("specs"), given.pop("features"), given.pop("labels"), **given)


def test_prediction_refuses_features_of_another_backbone():
    features, labels = blobs()
    with pytest.raises(InputError, match="have 40 columns, but this head was trained on 41"):
        fit_one(SMALL["logistic"], features, labels).predict_proba(np.ascontiguousarray(features[:, 1:]))


def test_a_logistic_head_that_has_not_converged_says_so(monkeypatch):
    monkeypatch.setattr("headstart.heads.kinds.logistic.MAX_ITERATIONS", 2)
    features, labels = blobs()
    with pytest.warns(RuntimeWarning, match="C = 1 had not converged after .* Use a smaller C"):
        fit_one(HeadSpec("logistic", {"C": 1.0}), features, labels)


def test_prediction_needs_neither_torch_nor_scikit_learn():
    code = "import headstart.heads, sys; sys.exit(bool({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0


def test_the_examples_in_the_docs_run():
    page = Path(__file__).parents[2] / "docs" / "heads.md"
    failed, attempted = doctest.testfile(str(page), module_relative=False)
    assert attempted > 5 and failed == 0


def test_a_predictor_made_once_gives_the_same_bits_and_refuses_the_same():
    features, labels = blobs(n_classes=2)
    for spec in (UNIFORM_KNN, HeadSpec("logistic", {"C": 1.0})):
        head = fit_one(spec, features, labels, 2)
        predict = head.predictor()
        for rows in (features[:1], features):
            np.testing.assert_array_equal(predict(rows), head.predict_proba(rows))
        with pytest.raises(InputError, match="columns"):
            predict(features[:, 1:])
