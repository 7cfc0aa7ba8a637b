"""Ensembles: the selection is the greedy one, nothing of a test fold decides, what is no better is not kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest

from headstart.data.split.make import make_split
from headstart.heads import HeadSpec
from headstart.metrics import evaluate, find_metric
from headstart.study.data import StudyData
from headstart.study.ensemble import folds as ensemble_room
from headstart.study.ensemble.folds import ensemble_folds
from headstart.study.ensemble.greedy import (
    Acceptance,
    Library,
    grouped_parts,
    judge_selection,
    select_members,
    without_each,
)
from headstart.study.execution.journal import Journal
from headstart.study.fold_result import FoldResult
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.halving.plan import HalvingPlan

HEADS = (HeadSpec("logistic", {"C": 0.01}), HeadSpec("logistic", {"C": 1.0}), HeadSpec("knn", {"k": 5}))
SOURCES = (FeatureSourceSpec("one"), FeatureSourceSpec("other"))
PLAN = StudyPlan(
    tuple(Candidate(source, head) for source in SOURCES for head in HEADS), SOURCES, positive=1, seed=3, ensemble=True
)


def library_of(probabilities: Sequence[np.ndarray], labels: np.ndarray, **options: Any) -> Library:
    return Library(len(probabilities), lambda index: probabilities[index], labels, **({"metric": "log_loss"} | options))


def drawn_library(n_candidates: int = 4, n: int = 40, *, seed: int = 0, n_classes: int = 3, **options: Any) -> Library:
    """Candidates that are right by chance and a little beyond, each in its own way."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, n_classes, n)
    logits = generator.normal(size=(n_candidates, n, n_classes)) + 1.2 * np.eye(n_classes)[labels]
    given = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return library_of(list(given), labels, **options)


def two_sources(n: int = 90, *, shift: float = 0.7, seed: int = 0, groups: bool = False) -> StudyData:
    """Two sources of features that each know something of the class that the other does not."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % 2)
    features = [generator.normal(size=(n, 6)) + shift * labels[:, None] for _ in range(2)]
    numbers = generator.integers(0, n // 3, n) if groups else None
    return StudyData(tuple(one.astype(np.float32) for one in features), labels, 2, groups=numbers)


def folds_of(data: StudyData, scheme: str = "nested:3x3") -> list[Any]:
    return outer_folds(make_split(data.labels, groups=data.groups, scheme=scheme, seed=1))


def studied(data: StudyData, plan: StudyPlan = PLAN, *, scheme: str = "nested:3x3", **options: Any) -> list[FoldResult]:
    found = run_folds(data, folds_of(data, scheme), plan, **options)
    return ensemble_folds(data, found, plan, **options)


def content(results: Sequence[FoldResult]) -> list[Any]:
    """To the last bit: members, weights, scores and probabilities."""
    return [
        (
            [(one.number, one.weight, one.score_without) for one in result.ensemble.members],
            result.ensemble.reason,
            result.raw.tobytes(),
            result.inner.probabilities.tobytes(),
        )
        for result in results
        if result.ensemble is not None
    ]


# The selection --------------------------------------------------------------------------------------------------------


def brute_force(library: Library, max_members: int) -> tuple[int, ...]:
    """Greedy selection written down once more: every round tries every candidate anew on the whole mean."""
    metric, picks, tried = find_metric(library.metric), (), []
    sign = 1.0 if metric.greater_is_better else -1.0
    for _ in range(max_members):
        scores = []
        for index in range(library.n_candidates):
            mean = np.mean([library.read(one) for one in (*picks, index)], axis=0)
            scores.append(sign * metric(library.labels, mean, positive=library.positive))
        picks = (*picks, int(np.argmax(scores)))
        tried.append((max(scores), picks))
    return max(tried, key=lambda one: (round(one[0], 12), -len(one[1])))[1]


@pytest.mark.parametrize("metric", ["log_loss", "balanced_accuracy"])
@pytest.mark.parametrize("seed", range(4))
def test_selection_is_the_greedy_one(metric: str, seed: int) -> None:
    library = drawn_library(seed=seed, metric=metric)
    picks = select_members(library, np.arange(40), max_members=4)
    assert picks == brute_force(library, 4)


def test_selection_is_never_better_than_the_best_of_all_ensembles_and_never_worse_than_its_first_member() -> None:
    library, every = drawn_library(seed=5), np.arange(40)
    found = library.score(library.mean(select_members(library, every, max_members=3)), every)
    best = max(
        library.score(library.mean(picks), every)
        for size in (1, 2, 3)
        for picks in combinations_with_replacement(range(4), size)
    )
    single = max(library.score(library.predicted(index), every) for index in range(4))
    assert single < found <= best


def test_at_most_eight_are_picked_and_a_member_may_come_twice() -> None:
    library = drawn_library(12, 60, seed=1)
    picks = select_members(library, np.arange(60))
    assert 1 < len(picks) <= 8
    counted = [select_members(drawn_library(seed=seed), np.arange(40)) for seed in range(6)]
    assert any(len(set(one)) < len(one) for one in counted)


def test_candidates_that_failed_are_no_members() -> None:
    plain = drawn_library()
    failed = [np.full((40, 3), np.nan), *(plain.read(index) for index in range(4))]
    picks = select_members(library_of(failed, plain.labels), np.arange(40))
    assert picks == tuple(index + 1 for index in select_members(plain, np.arange(40)))
    assert select_members(library_of(failed[:1], plain.labels), np.arange(40)) == ()


def test_rows_that_are_not_selected_on_change_nothing() -> None:
    plain, rows = drawn_library(), np.arange(25)
    other = [np.concatenate([plain.read(index)[:25], np.full((15, 3), 1 / 3)]) for index in range(4)]
    labels = np.concatenate([plain.labels[:25], np.zeros(15, dtype=np.int64)])
    assert select_members(plain, rows) == select_members(library_of(other, labels), rows)


def test_one_member_less_is_scored_by_the_others() -> None:
    library, every = drawn_library(), np.arange(40)
    found = without_each(library, (2, 0, 2, 3))
    assert found[2] == library.score((library.predicted(0) + library.predicted(3)) / 2, every)
    assert found[0] == library.score((2 * library.predicted(2) + library.predicted(3)) / 3, every)
    assert without_each(library, (1, 1)) == {1: -np.inf}


# The acceptance -------------------------------------------------------------------------------------------------------


def test_every_part_is_judged_by_what_the_others_select() -> None:
    library, parts = drawn_library(6, 60, seed=2), np.arange(60) % 3
    accepted = judge_selection(library, parts)
    together, alone = np.zeros((60, 3)), np.zeros((60, 3))
    for number in range(3):
        picks = select_members(library, np.flatnonzero(parts != number))
        together[parts == number] = library.mean(picks)[parts == number]
        alone[parts == number] = library.predicted(picks[0])[parts == number]
    every = np.arange(60)
    assert accepted == Acceptance(library.score(together, every), library.score(alone, every))
    assert judge_selection(library, np.zeros(60, dtype=np.int64)) is None


def test_an_ensemble_that_is_no_better_is_not_accepted() -> None:
    """One candidate knows the classes, the others are noise: what noise adds on some rows it takes on others."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 80)
    sure = np.where(np.eye(2)[labels] == 1, 0.9, 0.1)
    noise = [generator.dirichlet([1, 1], 80) for _ in range(5)]
    accepted = judge_selection(library_of([sure, *noise], labels), np.arange(80) % 4)
    assert accepted is not None and not accepted.is_better


def test_parts_keep_groups_whole() -> None:
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 20, 80)
    parts = grouped_parts(generator.integers(0, 2, 80), groups, (1, 2))
    assert all(len(np.unique(parts[groups == group])) == 1 for group in np.unique(groups))
    assert len(np.unique(parts)) == 4


# In a study -----------------------------------------------------------------------------------------------------------


def test_probabilities_are_the_weighted_mean_of_the_members_fitted_alone() -> None:
    data = two_sources()
    results = studied(data)
    assert any(len(result.ensemble.members) > 1 for result in results)
    assert any({PLAN.source_of(one.number) for one in result.ensemble.members} == {0, 1} for result in results)
    for result in results:
        if not result.ensemble.is_kept:
            continue
        expected = np.zeros_like(result.raw)
        for one in result.ensemble.members:
            alone = replace(PLAN, candidates=(PLAN.candidates[one.number],), ensemble=False)
            expected += one.weight * run_folds(data, [result.outer], alone)[0].raw
        np.testing.assert_allclose(result.raw, expected, atol=1e-12)
        assert sum(one.weight for one in result.ensemble.members) == pytest.approx(1)
        assert result.ensemble.members[0].number == result.chosen, "the best alone is selected first"


def test_test_rows_leave_the_ensemble_as_it_was() -> None:
    """Poison: features and labels of the test rows replaced; members, weights and heads stay to the last bit."""
    data = two_sources()
    for fold in folds_of(data):
        poisoned = replace(data, features=tuple(one.copy() for one in data.features), labels=data.labels.copy())
        for one in poisoned.features:
            one[fold.test] = 1e3 * np.random.default_rng(9).normal(size=(len(fold.test), 6))
        poisoned.labels[fold.test] = 1 - poisoned.labels[fold.test]
        (clean,), (other,) = (ensemble_folds(given, run_folds(given, [fold], PLAN), PLAN) for given in (data, poisoned))
        assert clean.ensemble.reason == other.ensemble.reason
        for mine, theirs in zip(clean.ensemble.members, other.ensemble.members, strict=True):
            assert (mine.number, mine.weight, mine.score_without) == (
                theirs.number,
                theirs.weight,
                theirs.score_without,
            )
            assert all(np.array_equal(mine.head.arrays[name], theirs.head.arrays[name]) for name in mine.head.arrays)


def test_permuted_labels_are_at_chance() -> None:
    """Poison: six candidates, six permutations; the mean of the outer accuracies is a coin's."""
    found = []
    for seed in range(6):
        data = two_sources(48, shift=0.0, seed=seed)
        oof = gather(data, studied(data), ("a", "b"), 1, 1)
        found.append(evaluate(oof, metrics=["accuracy"], per_class=False).metrics["accuracy"].value)
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found, ddof=1) / np.sqrt(6)


def test_work_does_not_depend_on_processes_or_on_an_interruption(tmp_path: Any) -> None:
    data = two_sources(groups=True)
    plain = content(studied(data))
    journal = Journal(tmp_path)
    run_folds(data, folds_of(data), PLAN, journal=journal)  # killed before an ensemble was made
    assert content(studied(data, journal=journal)) == plain
    assert content(studied(data, replace(PLAN, n_jobs=2))) == plain


def test_halving_leaves_an_ensemble_of_those_it_kept() -> None:
    data = two_sources()
    plan = replace(PLAN, halving=HalvingPlan(keep=0.5, folds=(1, 1), least=1))
    for result in studied(data, plan):
        assert {one.number for one in result.ensemble.members} <= set(result.record.compared)
        assert result.ensemble.n_tried == len(result.record.compared)


def test_one_inner_fold_is_cut_into_parts() -> None:
    results = studied(two_sources(120, groups=True), scheme="holdout:60/20/20")
    assert all(np.isfinite(result.ensemble.accepted_score) for result in results)


def test_what_is_not_kept_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = two_sources()
    monkeypatch.setattr(ensemble_room, "judge_selection", lambda *_: Acceptance(-1.0, -0.5))
    for result, plain in zip(studied(data), run_folds(data, folds_of(data), PLAN), strict=True):
        assert not result.ensemble.is_kept and "no better" in result.ensemble.reason
        assert np.array_equal(result.raw, plain.raw) and result.tried is None
        assert np.array_equal(result.inner.probabilities, plain.inner.probabilities)


def test_an_ensemble_of_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble_room, "select_members", lambda *_: (2, 2))
    for result in studied(two_sources()):
        assert "ensemble of one" in result.ensemble.reason and not result.ensemble.is_kept


def test_a_member_that_diverges_on_all_rows_leaves_the_best_candidate_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble_room, "judge_selection", lambda *_: Acceptance(-0.5, -1.0))
    monkeypatch.setattr(ensemble_room._Ensembles, "_head", lambda *_: None)
    assert all("diverged" in result.ensemble.reason for result in studied(two_sources()))
