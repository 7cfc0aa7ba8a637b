"""Table columns in a study: encoded in every outer fold on its training rows, joined to what heads are trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.data.split.make import make_split
from headstart.data.table.array_column import array_column
from headstart.data.table.column import TableColumn
from headstart.data.table.encoding import TableEncoding
from headstart.decisions import DecisionRules
from headstart.heads import HeadSpec, fit_heads
from headstart.study.baselines import TABLE, run_baseline, standard_baselines
from headstart.study.data import StudyData
from headstart.study.folds import final_fold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.table_block import FoldTable, block_spread
from headstart.study.training_set.fold_rows import build_training_rows
from headstart.study.training_set.spec import TrainingSetSpec
from headstart.study.training_set.views import features_to_predict

N = 60
GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.permutation(np.arange(N) % 2)
FEATURES = GENERATOR.normal(size=(N, 6)).astype(np.float32)
AGES = np.where(GENERATOR.random(N) < 0.2, np.nan, 40 + 20 * LABELS + 8 * GENERATOR.normal(size=N))
SITES = [["arm", "back", "", "leg"][code] for code in GENERATOR.integers(0, 4, N).tolist()]
COLUMNS = (TableColumn.of("age", AGES), TableColumn.of("site", SITES))
DATA = StudyData((FEATURES,), LABELS, 2, columns=FoldTable(COLUMNS))
SPLIT = make_split(LABELS, scheme="nested:3x2", seed=1)
ALL = final_fold(SPLIT)
LOGISTIC = HeadSpec("logistic", {"C": 0.1})
PLAN = StudyPlan.of_heads((LOGISTIC,), seed=3)


def by_hand(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Encode, join, fit and predict, spelled out."""
    table = TableEncoding.fit(COLUMNS, train).apply(COLUMNS)
    joined = np.concatenate([FEATURES, table], axis=1)
    spread = np.ones(joined.shape[1])  # a sixteenth of six features is less than one feature for each column
    (head,) = fit_heads([LOGISTIC], joined[train], LABELS[train], n_classes=2, seed=0, spread=spread)
    return head.predict_proba(joined[test])


def test_a_study_gives_what_is_computed_by_hand() -> None:
    for result in run_folds(DATA, [*outer_folds(SPLIT), final_fold(SPLIT)], PLAN):
        assert np.array_equal(result.probabilities, by_hand(result.outer.train, result.outer.test))
    plain = run_folds(replace(DATA, columns=None), outer_folds(SPLIT), PLAN)[0]
    assert not np.array_equal(plain.probabilities, by_hand(plain.outer.train, plain.outer.test))


def test_inner_folds_share_the_encoding_of_their_outer_fold() -> None:
    (first, *_) = run_folds(DATA, outer_folds(SPLIT)[:1], PLAN)
    table = TableEncoding.fit(COLUMNS, first.outer.train).apply(COLUMNS)
    joined = np.concatenate([FEATURES, table], axis=1)
    for train, validation in first.outer.inner:
        spread = block_spread([6], table.shape[1])
        (head,) = fit_heads([LOGISTIC], joined[train], LABELS[train], n_classes=2, seed=0, spread=spread)
        assert np.allclose(first.inner.of_rows(validation), head.predict_proba(joined[validation]), atol=1e-6)


def test_a_poisoned_test_row_changes_no_head() -> None:
    """Values of test rows that a leak would carry into the fill, the scale or the categories."""
    fold = outer_folds(SPLIT)[0]
    ages, sites = AGES.copy(), list(SITES)
    for row in fold.test.tolist():
        ages[row], sites[row] = 1e12, "poison"
    columns = [TableColumn.of("age", ages), TableColumn.of("site", sites)]
    poisoned = replace(DATA, columns=FoldTable(columns))
    clean_fold, poisoned_fold = (run_folds(data, [fold], PLAN)[0] for data in (DATA, poisoned))
    clean, spoilt = clean_fold.head.to_tensors(), poisoned_fold.head.to_tensors()
    assert all(np.array_equal(clean[name], spoilt[name]) for name in clean)
    assert np.array_equal(clean_fold.inner_scores, poisoned_fold.inner_scores)


def test_noise_in_columns_stays_at_chance() -> None:
    """With labels of pure noise, columns with categories that hold one image each must not help."""
    scores = []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        labels = generator.permutation(np.arange(N) % 2)
        columns = FoldTable([TableColumn.of("code", [f"c{code}" for code in generator.integers(0, 40, N)])])
        data = StudyData((generator.normal(size=(N, 2)).astype(np.float32),), labels, 2, columns=columns)
        split = make_split(labels, scheme="nested:3x2", seed=seed)
        found = run_folds(data, outer_folds(split), PLAN)
        right = [one.probabilities.argmax(axis=1) == labels[one.outer.test] for one in found]
        scores.append(np.concatenate(right).mean())
    assert abs(np.mean(scores) - 0.5) < 3 * np.std(scores) / np.sqrt(len(scores))


def test_rows_of_weight_zero_have_no_part_in_the_encoding() -> None:
    weights = np.ones(N)
    weights[:10] = 0
    assert FoldTable(COLUMNS, weights).encoding(ALL) == TableEncoding.fit(COLUMNS, np.arange(10, N))


def test_views_of_an_image_share_its_columns() -> None:
    views = GENERATOR.normal(size=(N, 3, 6)).astype(np.float32)
    data = replace(DATA, views=({"flips": views},)).of_fold(ALL)
    assert data.table is not None
    training_set = TrainingSetSpec("none", "flips", tta=True)
    train = np.array([4, 9])
    rows = build_training_rows(data, train, training_set, seed=0)
    expected = np.concatenate([views[train].reshape(6, 6), np.repeat(data.table[train], 3, axis=0)], axis=1)
    assert np.array_equal(rows.features[0], expected)
    assert np.array_equal(features_to_predict(data, train, training_set), expected)
    assert np.array_equal(features_to_predict(data, train, TrainingSetSpec())[:, 6:], data.table[train])


@pytest.mark.parametrize("method", ["smote", "oversample", "weights"])
def test_balancing_goes_over_features_and_columns_together(method: str) -> None:
    data = replace(DATA, labels=np.r_[np.zeros(45, int), np.ones(15, int)]).of_fold(ALL)
    rows = build_training_rows(data, np.arange(N), TrainingSetSpec(method), seed=0)
    assert data.table is not None
    assert (rows.features[0].shape[1],) == DATA.widths_in(ALL) == (6 + data.table.shape[1],)
    assert rows.spread is not None
    assert np.array_equal(rows.spread, block_spread([6], rows.features[0].shape[1] - 6))


def test_the_variance_of_a_block_does_not_depend_on_its_width() -> None:
    for width in (1, 3, 30):
        spread = block_spread([1280], width)
        assert (spread[1280:] ** 2).sum() == pytest.approx(80)
    assert block_spread([1280], 200).tolist() == [1.0] * 1480  # but no column counts less than a feature
    assert block_spread([0], 3).tolist() == [1.0] * 3


def test_heads_are_given_the_spread() -> None:
    """With many features columns count for more: as what is computed by hand, again."""
    features = GENERATOR.normal(size=(N, 400)).astype(np.float32)
    data = replace(DATA, features=(features,))
    (first, *_) = run_folds(data, outer_folds(SPLIT)[:1], PLAN)
    train, test = first.outer.train, first.outer.test
    table = TableEncoding.fit(COLUMNS, train).apply(COLUMNS)
    joined = np.concatenate([features, table], axis=1)
    spread = np.r_[np.ones(400), np.full(table.shape[1], np.sqrt(25 / table.shape[1]))]
    (head,) = fit_heads([LOGISTIC], joined[train], LABELS[train], n_classes=2, seed=0, spread=spread)
    assert np.allclose(first.probabilities, head.predict_proba(joined[test]), atol=1e-9)


def test_columns_alone_are_a_baseline() -> None:
    """Its predictions are those of the encoded columns without any picture."""
    baselines = standard_baselines(N, FEATURES, None, n_classes=2, has_table=True)
    (alone,) = [one for one in baselines if one.name == TABLE]
    assert [one.name for one in standard_baselines(N, FEATURES, None, n_classes=2)] == [
        one.name for one in baselines if one != alone
    ]
    folds = outer_folds(SPLIT)
    outcome = run_baseline(alone, DATA, folds, PLAN, DecisionRules("none", None, None))
    shown = replace(DATA, features=(GENERATOR.normal(size=(N, 6)).astype(np.float32),))
    again = run_baseline(alone, shown, folds, PLAN, DecisionRules("none", None, None))
    for first, second in zip(outcome.folds, again.folds, strict=True):
        assert np.array_equal(first.probabilities, second.probabilities)
    right = [one.probabilities.argmax(axis=1) == LABELS[one.outer.test] for one in outcome.folds]
    assert np.concatenate(right).mean() > 0.65


def test_an_array_is_a_block_beside_the_table_columns() -> None:
    values = np.random.default_rng(3).normal(size=(N, 50))
    age = TableColumn.of("age", AGES)
    fold = outer_folds(SPLIT)[0]
    columns = FoldTable([age, array_column(values, N, name="own")])
    assert columns.title == "table columns and feature array without pictures"
    assert FoldTable([age]).title == standard_baselines(N, FEATURES, None, n_classes=2, has_table=True)[-1].title
    both = replace(DATA, columns=columns).of_fold(fold)
    n_table = both.table_blocks[0]
    assert both.table_blocks == (n_table, 50)
    rows = both.of_source(0).joined()
    assert np.array_equal(rows.spread, block_spread([6], n_table, 50))
    wide = block_spread([1280], 3, 500)  # the few columns do not drown in the array
    assert np.allclose([np.sum(wide[1280:1283] ** 2), np.sum(wide[1283:] ** 2)], [80, 500])


def test_poisoned_test_rows_of_an_array_change_no_head() -> None:
    fold = outer_folds(SPLIT)[0]
    values = np.random.default_rng(3).normal(size=(N, 5))
    poison = values.copy()
    poison[fold.test] = 1e12
    arrays = (array_column(one, N, name="own") for one in (values, poison))
    clean, spoilt = (
        run_folds(replace(DATA, columns=FoldTable([one])), [fold], PLAN)[0].head.to_tensors() for one in arrays
    )
    assert all(np.array_equal(clean[name], spoilt[name]) for name in clean)
