"""Balancing: by hand, against imbalanced-learn, and never across the border of a fold."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, BorderlineSMOTE
from imblearn.under_sampling import TomekLinks

from headstart.balance import METHODS, balance_notes, balanced
from headstart.balance import samplers as samplers_module
from headstart.balance.registry import SAMPLERS
from headstart.errors import InputError, LeakError
from headstart.heads import HeadSpec
from headstart.study.data import StudyData
from headstart.study.execution import tasks
from headstart.study.execution.tasks import FitSettings, fit_and_predict, inner_predictions
from headstart.study.folds import OuterFold
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.training_set.fold_rows import build_training_rows
from headstart.study.training_set.leak_guard import check_apart
from headstart.study.training_set.spec import TrainingSetSpec, training_set_specs

LOGISTIC = HeadSpec("logistic")
EVERY = (*METHODS, *(name for names in SAMPLERS.values() for name in names))


def make_rows(n: int = 60, n_minority: int = 12, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = (np.arange(n) < n_minority).astype(np.int64)
    features = generator.normal(size=(n, 6)) * [1, 10, 100, 1, 1, 1] + labels[:, None]
    return features.astype(np.float32), labels


def balance(features: np.ndarray, labels: np.ndarray, method: str, **more: Any) -> Any:
    return balanced(features, labels, **{"n_classes": 2, "weights": None, "seed": 0, **more}, method=method)


def test_smote_is_that_of_imbalanced_learn_on_standardised_features() -> None:
    features, labels = make_rows()
    found = balance(features, labels, "smote")
    exact = features.astype(np.float64)
    scaled = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    rows, classes = SMOTE(sampling_strategy={1: 48}, random_state=0).fit_resample(scaled, labels)
    assert np.array_equal(np.sort(found.labels), np.sort(classes))
    np.testing.assert_allclose(found.features[60:], rows[60:] * exact.std(axis=0) + exact.mean(axis=0), rtol=1e-5)


def test_made_up_rows_lie_between_the_two_rows_they_name() -> None:
    features, labels = make_rows()
    for method in ("smote", "borderline-smote"):
        found = balance(features, labels, method)
        first, second = (features[found.parents[60:, side]].astype(np.float64) for side in (0, 1))
        line = second - first
        place = ((found.features[60:] - first) * line).sum(axis=1) / (line**2).sum(axis=1)
        np.testing.assert_allclose(found.features[60:], first + place[:, None] * line, atol=1e-3)
        assert (place >= -1e-6).all()
        assert (place <= 1 + 1e-6).all()
        assert (labels[found.parents[60:]] == 1).all()
        assert np.array_equal(found.features[:60], features)


def test_borderline_smote_starts_from_rows_in_danger_alone() -> None:
    features, labels = make_rows()
    found = balance(features, labels, "borderline-smote")
    exact = features.astype(np.float64)
    sampler = BorderlineSMOTE(random_state=0)
    sampler.fit_resample((exact - exact.mean(axis=0)) / exact.std(axis=0), labels)
    assert set(found.parents[60:, 0]) <= set(sampler.in_danger_indices[1])


def test_a_small_class_is_joined_to_fewer_neighbours_and_a_single_row_repeated() -> None:
    features, labels = make_rows(30, 3)
    found = balance(features, labels, "smote")
    assert np.bincount(found.labels).tolist() == [27, 27]
    features, labels = make_rows(30, 1)
    found = balance(features, labels, "smote")
    assert (found.features[30:] == features[0]).all()
    assert np.bincount(found.labels).tolist() == [29, 29]


def test_a_class_too_small_does_not_change_what_is_made_for_another() -> None:
    features, labels = make_rows(60, 12)
    three = np.where(np.arange(60) >= 58, 2, labels)
    many = balance(features, three, "smote", n_classes=3)
    assert np.bincount(many.labels).tolist() == [46, 46, 46]
    assert np.unique(many.parents[many.labels == 1], axis=0).shape[0] > 12


@pytest.mark.parametrize("method", ["oversample", "undersample"])
def test_random_sampling_takes_rows_as_they_are(method: str) -> None:
    features, labels = make_rows()
    found = balance(features, labels, method, weights=np.arange(1.0, 61.0))
    size = 48 if method == "oversample" else 12
    assert np.bincount(found.labels).tolist() == [size, size]
    assert np.array_equal(found.parents[:, 0], found.parents[:, 1])
    assert np.array_equal(found.features, features[found.parents[:, 0]])
    assert np.array_equal(found.weights, found.parents[:, 0] + 1.0)


def test_a_sampler_by_name_gives_what_it_gives() -> None:
    features, labels = make_rows()
    found = balance(features, labels, "TomekLinks")
    exact = features.astype(np.float64)
    sampler = TomekLinks()
    sampler.fit_resample((exact - exact.mean(axis=0)) / exact.std(axis=0), labels)
    assert np.array_equal(found.parents[:, 0], sampler.sample_indices_)
    assert np.array_equal(found.features, features[sampler.sample_indices_])


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("method", EVERY)
def test_every_method_gives_the_same_rows_again_and_whole_ones(method: str) -> None:
    features, labels = make_rows(120, 30)
    one, other = (balance(features, labels, method) for _ in range(2))
    assert np.array_equal(one.features, other.features)
    assert np.array_equal(one.parents, other.parents)
    assert len(one.features) == len(one.labels) == len(one.weights) == len(one.parents)
    assert np.isfinite(one.features).all()
    assert set(one.labels.tolist()) == {0, 1}
    assert (one.weights > 0).all()


def test_class_weights_sum_to_the_same_for_every_class() -> None:
    features, labels = make_rows()
    found = balance(features, labels, "weights", weights=np.where(np.arange(60) % 2 == 0, 2.0, 1.0))
    totals = np.bincount(labels, weights=found.weights)
    np.testing.assert_allclose(totals, [45.0, 45.0])


def test_rows_of_weight_zero_have_no_part() -> None:
    features, labels = make_rows()
    weights = np.ones(60)
    weights[[0, 20]] = 0.0
    found = balance(features, labels, "smote", weights=weights)
    assert not set(found.parents.ravel().tolist()) & {0, 20}
    assert np.bincount(found.labels).tolist() == [47, 47]


def test_made_up_rows_weigh_what_their_parents_weigh() -> None:
    features, labels = make_rows()
    weights = np.arange(1.0, 61.0)
    found = balance(features, labels, "smote", weights=weights)
    np.testing.assert_allclose(found.weights, weights[found.parents].mean(axis=1))


@pytest.mark.parametrize("method", EVERY)
def test_one_class_alone_is_left_as_it_is(method: str) -> None:
    features = make_rows()[0]
    found = balance(features, np.zeros(60, dtype=np.int64), method)
    assert np.array_equal(found.features, features)


def test_a_sampler_that_cannot_is_named_with_its_reason_and_the_counts() -> None:
    features, labels = make_rows(30, 2)
    with pytest.raises(InputError, match=r"ADASYN cannot balance a training fold with 28, 2 rows.*another"):
        balance(features, labels, "ADASYN")


def test_an_unknown_method_is_refused_with_the_close_ones() -> None:
    with pytest.raises(InputError, match="Did you mean 'smote'"):
        balance(*make_rows(), "SMOT")


def test_a_sampler_that_records_no_pairs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers_module, "_Smote", SMOTE)
    with pytest.raises(AttributeError, match="pairs"):
        balance(*make_rows(), "smote")


def test_notes_say_which_class_is_too_small_and_what_happens() -> None:
    counts = np.array([[40, 4, 1, 0], [41, 5, 1, 2]])
    few, single, missing = balance_notes(["none", "smote"], counts, ["a", "b", "c", "d"])
    assert "class 'b' has only 4 rows" in few
    assert "3 neighbours there instead of 5" in few
    assert "class 'c' has only 1 row" in single
    assert "repeated" in single
    assert "class 'd' is missing" in missing
    assert balance_notes(["weights"], counts, ["a", "b", "c", "d"]) == []


# In a study -----------------------------------------------------------------------------------------------------------


def make_data(**changes: Any) -> StudyData:
    features, labels = make_rows()
    return replace(StudyData((features,), labels, 2), **changes)


def make_fold() -> OuterFold:
    rows = np.arange(60)
    train = rows[rows % 3 != 0]
    inner = tuple((train[train % 4 != part], train[train % 4 == part]) for part in range(2))
    return OuterFold(0, 0, train, rows[rows % 3 == 0], inner)


@pytest.mark.parametrize("method", ["smote", "oversample", "borderline-smote", "SMOTETomek"])
def test_parents_are_training_rows_and_rows_stay_with_their_group(method: str) -> None:
    data = make_data(groups=np.arange(60) // 2)
    rows = build_training_rows(data, make_fold().train, TrainingSetSpec(method), 0)
    known = rows.parents[:, 0] >= 0
    assert set(rows.parents[known].ravel().tolist()) <= set(make_fold().train.tolist())
    assert np.array_equal(rows.groups[known], data.groups[rows.parents[known, 0]])
    assert (rows.groups[~known] > data.groups.max()).all()


def test_smote_before_the_split_is_refused() -> None:
    made = balance(*make_rows(), "smote")
    data = StudyData((made.features,), made.labels, 2, parents=made.parents)
    rows = np.arange(len(made.labels))
    fold = OuterFold(0, 0, rows[rows % 2 == 0], rows[rows % 2 == 1], ())
    with pytest.raises(LeakError, match="made up for training"):
        fit_and_predict(data, fold, LOGISTIC, FitSettings(0))
    real = OuterFold(0, 0, rows[60:], rows[:60], ())
    with pytest.raises(LeakError, match="Training rows were made of row"):
        fit_and_predict(data, real, LOGISTIC, FitSettings(0))
    with pytest.raises(LeakError):
        inner_predictions(data, (fold.train, fold.test), [LOGISTIC], FitSettings(0))


def test_real_rows_apart_pass_the_guard() -> None:
    data, fold = make_data(), make_fold()
    check_apart(data, build_training_rows(data, fold.train, TrainingSetSpec("smote"), 0), fold.test)


def test_noise_looks_good_with_smote_before_the_split_and_does_not_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the guard switched off, here alone, near copies of test rows are trained on."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(160, 40)).astype(np.float32)
    knn = HeadSpec("knn", {"k": 1})

    def score(data: StudyData, training_set: TrainingSetSpec, seed: int) -> float:
        order = np.random.default_rng(seed).permutation(len(data.labels))
        fold = OuterFold(0, 0, np.sort(order[: len(order) * 3 // 4]), np.sort(order[len(order) * 3 // 4 :]), ())
        found = fit_and_predict(data, fold, knn, FitSettings(0, training_set=training_set))["probabilities"].argmax(
            axis=1
        )
        truth = data.labels[fold.test]
        return float(np.mean([(found[truth == label] == label).mean() for label in (0, 1)]))

    inside, before = [], []
    for seed in range(40):
        labels = (np.random.default_rng(seed).permutation(160) < 40).astype(np.int64)
        inside.append(score(StudyData((features,), labels, 2), TrainingSetSpec("smote"), seed))
        made = balance(features, labels, "smote", seed=seed)
        with monkeypatch.context() as patch:
            patch.setattr(tasks, "check_apart", lambda *_: None)
            before.append(
                score(StudyData((made.features,), made.labels, 2, parents=made.parents), TrainingSetSpec(), seed)
            )
    error = np.std(inside, ddof=1) / np.sqrt(len(inside))
    assert abs(np.mean(inside) - 0.5) <= 3 * error
    assert np.mean(before) > 0.6


def test_what_is_balanced_does_not_depend_on_test_rows() -> None:
    fold, clean = make_fold(), make_data()
    poisoned = clean.features[0].copy()
    poisoned[fold.test] = 1e5
    plan = StudyPlan(
        tuple(
            Candidate(FeatureSourceSpec(), LOGISTIC, TrainingSetSpec(name)) for name in ("none", "smote", "undersample")
        )
    )
    one, other = (run_folds(data, [fold], plan)[0] for data in (clean, replace(clean, features=(poisoned,))))
    assert one.chosen == other.chosen
    assert np.array_equal(one.inner_scores, other.inner_scores)
    for name, value in one.head.to_tensors().items():
        assert np.array_equal(value, other.head.to_tensors()[name])


def test_views_top_the_smaller_class_up_to_the_larger() -> None:
    views = np.arange(60 * 4 * 6, dtype=np.float32).reshape(60, 4, 6)
    data = make_data(views=({"flips": views},))
    train = np.r_[0:3, 12:20]  # 3 of the minority, 8 of the majority
    rows = build_training_rows(data, train, TrainingSetSpec("views", "flips"), 0)
    assert np.bincount(rows.labels).tolist() == [8, 8]
    assert np.array_equal(rows.features[0][:11], views[train, 0])
    made = rows.parents[11:, 0]
    assert sorted(made[:3].tolist()) == [0, 1, 2]  # a view of every image before the second of any
    assert len({tuple(row) for row in rows.features[0][11:].tolist()}) == 5
    assert np.array_equal(rows.weights, np.ones(16))


def test_views_that_are_used_up_leave_the_classes_as_even_as_they_can() -> None:
    data = make_data(views=({"flips": np.zeros((60, 2, 6), dtype=np.float32)},))
    rows = build_training_rows(data, np.r_[0:2, 12:30], TrainingSetSpec("views", "flips"), 0)
    assert np.bincount(rows.labels).tolist() == [18, 4]


def test_test_time_augmentation_is_the_mean_over_the_views_of_the_judged_image() -> None:
    generator = np.random.default_rng(1)
    views = generator.normal(size=(60, 3, 6)).astype(np.float32)
    data = make_data(views=({"flips": views},))
    found = fit_and_predict(
        data, make_fold(), LOGISTIC, FitSettings(0, training_set=TrainingSetSpec("none", "flips", tta=True))
    )
    head = tasks.stored_head(LOGISTIC, found)
    each = np.stack([head.predict_proba(views[make_fold().test, number]) for number in range(3)])
    np.testing.assert_allclose(found["probabilities"], each.mean(axis=0), atol=1e-12)
    (inner,) = inner_predictions(
        data, make_fold().inner[0], [LOGISTIC], FitSettings(0, training_set=TrainingSetSpec("none", "flips", tta=True))
    )["probabilities"]
    assert inner.shape == (len(make_fold().inner[0][1]), 2)


def test_training_sets_leave_out_what_needs_views_and_has_none() -> None:
    found = training_set_specs(["none", "views"], ["none", "flips"], [False, True])
    assert [one.label for one in found] == [
        "",
        "flips",
        "flips, mean over views",
        "views, flips",
        "views, flips, mean over views",
    ]
    for wrong in ((["views"], ["none"], [False]), (["none"], ["none"], [True])):
        with pytest.raises(InputError, match="--augment flips"):
            training_set_specs(*wrong)


def test_imbalanced_learn_is_loaded_only_where_rows_are_made() -> None:
    import subprocess

    code = "import headstart.balance, headstart.study.training_set.fold_rows, sys; sys.exit('imblearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
