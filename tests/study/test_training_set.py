"""What is done to the training rows before a head is fitted: by hand, and never to anything that is judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.heads import HeadSpec, fit_heads
from headstart.study.data import StudyData
from headstart.study.folds import OuterFold
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.space import HeadTable, Sample, Space
from headstart.study.training_set.fold_rows import build_training_rows
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec

SOURCE = FeatureSourceSpec()
LOGISTIC = HeadSpec("logistic")


def make_data(n: int = 40, **changes: object) -> StudyData:
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 2
    features = generator.normal(size=(n, 5)).astype(np.float32) + labels[:, None]
    return replace(StudyData((features.astype(np.float32),), labels, 2), **changes)


def make_fold(n: int = 40) -> OuterFold:
    rows = np.arange(n)
    inner = tuple((rows[: n // 2][rows[: n // 2] % 4 != k], rows[: n // 2][rows[: n // 2] % 4 == k]) for k in range(4))
    return OuterFold(0, 0, rows[: n // 2], rows[n // 2 :], inner)


def test_rows_as_they_are_are_the_training_rows() -> None:
    data, train = make_data(), np.array([3, 1, 8])
    rows = build_training_rows(data, train, PLAIN, 0)
    assert rows.labels.tolist() == [1, 1, 0]
    assert np.array_equal(rows.features[0], data.features[0][train])
    assert rows.weights is None
    assert rows.parents is not None
    assert rows.parents.tolist() == [[3, 3], [1, 1], [8, 8]]


def test_soft_labels_become_weighted_rows_that_stay_together() -> None:
    soft = np.tile([1.0, 0.0], (40, 1))
    soft[1] = [0.25, 0.75]
    data = make_data(soft=soft, weights=np.full(40, 2.0))
    rows = build_training_rows(data, np.array([0, 1]), PLAIN, 0)
    assert rows.labels.tolist() == [0, 0, 1]
    assert rows.weights is not None
    assert rows.weights.tolist() == [2.0, 0.5, 1.5]
    assert rows.groups is not None
    assert rows.groups.tolist() == [0, 1, 1]
    assert rows.parents is not None
    assert rows.parents[:, 0].tolist() == [0, 1, 1]
    assert rows.soft is None


def test_a_head_on_soft_labels_minimises_the_expected_loss() -> None:
    """The same as fitting on ten copies of every image, labelled in the proportions of its soft label."""
    data = make_data()
    soft = np.where(data.labels[:, None] == np.arange(2), 0.8, 0.2)
    shares = build_training_rows(replace(data, soft=soft), np.arange(40), PLAIN, 0)
    (found,) = fit_heads([LOGISTIC], shares.features[0], shares.labels, n_classes=2, weights=shares.weights, seed=0)
    copies = np.repeat(np.arange(40), 10)
    labels = np.where(np.arange(400) % 10 < 8, data.labels[copies], 1 - data.labels[copies])
    tenth = np.full(400, 0.1)
    (hard,) = fit_heads([LOGISTIC], data.features[0][copies], labels, n_classes=2, weights=tenth, seed=0)
    np.testing.assert_allclose(found.predict_proba(data.features[0]), hard.predict_proba(data.features[0]), atol=1e-6)


def test_views_share_the_weight_of_their_image() -> None:
    views = np.arange(40 * 3 * 5, dtype=np.float32).reshape(40, 3, 5)
    data = make_data(views=({"flips": views},))
    rows = build_training_rows(data, np.array([7, 2]), TrainingSetSpec(augment="flips"), 0)
    assert np.array_equal(rows.features[0], np.concatenate([views[7], views[2]]))
    assert rows.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert rows.weights is not None
    np.testing.assert_allclose(rows.weights, 1 / 3)
    assert rows.parents is not None
    assert rows.parents[:, 0].tolist() == [7, 7, 7, 2, 2, 2]
    assert rows.groups is not None
    assert rows.groups.tolist() == [0, 0, 0, 1, 1, 1]


def test_views_that_were_not_computed_are_asked_for() -> None:
    with pytest.raises(InputError, match="no views of policy 'flips'"):
        build_training_rows(make_data(), np.array([0]), TrainingSetSpec(augment="flips"), 0)


def test_class_weights_make_the_classes_even() -> None:
    rows = build_training_rows(make_data(), np.array([0, 2, 4, 1]), TrainingSetSpec(balance="weights"), 0)
    assert rows.weights is not None
    np.testing.assert_allclose(rows.weights, [2 / 3, 2 / 3, 2 / 3, 2.0])


def test_an_unknown_method_lists_the_close_ones() -> None:
    with pytest.raises(InputError, match="weights"):
        TrainingSetSpec(balance="weight")


def test_the_inner_folds_choose_among_training_sets() -> None:
    """A candidate that trains on hostile views loses; test rows are predicted from their own features alone."""
    data = make_data()
    hostile = np.repeat(data.features[0][::-1][:, None], 2, axis=1).copy()
    data = replace(data, views=({"flips": hostile},))
    candidates = (
        Candidate(SOURCE, LOGISTIC, TrainingSetSpec(augment="flips")),
        Candidate(SOURCE, LOGISTIC),
    )
    (found,) = run_folds(data, [make_fold()], StudyPlan(candidates))
    assert found.chosen == 1
    train, test = make_fold().train, make_fold().test
    (by_hand,) = fit_heads([LOGISTIC], data.features[0][train], data.labels[train], n_classes=2, seed=0)
    np.testing.assert_allclose(found.probabilities, by_hand.predict_proba(data.features[0][test]), atol=1e-9)


def test_views_and_soft_labels_of_test_rows_are_never_read() -> None:
    fold = make_fold()
    views = np.repeat(make_data().features[0][:, None], 2, axis=1)
    soft = np.where(make_data().labels[:, None] == np.arange(2), 0.8, 0.2)
    clean = make_data(views=({"flips": views},), soft=soft)
    poisoned_views, poisoned_soft = views.copy(), soft.copy()
    poisoned_views[fold.test], poisoned_soft[fold.test] = 1e6, [0.5, 0.5]
    poisoned = replace(clean, views=({"flips": poisoned_views},), soft=poisoned_soft)
    plan = StudyPlan(
        (
            Candidate(SOURCE, LOGISTIC, TrainingSetSpec("weights", "flips")),
            Candidate(SOURCE, LOGISTIC),
        )
    )
    one, other = (run_folds(data, [fold], plan)[0] for data in (clean, poisoned))
    assert one.chosen == other.chosen
    assert np.array_equal(one.probabilities, other.probabilities)


def test_a_space_multiplies_by_its_training_sets() -> None:
    training_sets = (PLAIN, TrainingSetSpec("weights"))
    space = Space((FeatureSourceSpec("vgg19"),), (HeadTable.of("knn", {"k": [3, 5]}),), training_sets)
    assert space.count() == 4
    three, five = (HeadSpec("knn", {"k": k}).label for k in (3, 5))
    assert [one.short_label for one in space.candidates()] == [three, five, f"{three}; weights", f"{five}; weights"]
    assert set(replace(space, sample=Sample(4)).candidates()) == set(space.candidates())
    with pytest.raises(InputError, match="once"):
        replace(space, training_sets=(PLAIN, PLAIN))
