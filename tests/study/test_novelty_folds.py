"""Novelty in a study: nothing of a test row reaches distance or threshold, groups stay whole, the rate is kept."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.data.split.make import make_split
from headstart.decisions import NoveltyRule
from headstart.heads import HeadSpec
from headstart.study.data import StudyData
from headstart.study.folds import final_fold, outer_folds
from headstart.study.novelty import NoveltyStudy, judge_novelty, novelty_source
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec

PLAN = StudyPlan.of_heads([HeadSpec("logistic")], seed=3)
RULE = NoveltyRule(0.1)


def make_data(n: int = 120, *, groups: bool = False, seed: int = 0) -> StudyData:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    numbers = rng.integers(0, n // 4, n) if groups else None
    features = 4 + rng.normal(size=(n, 8))
    if numbers is not None:  # images of a group are nearly the same picture
        features = 4 + rng.normal(size=(n // 4, 8))[numbers] + 0.01 * rng.normal(size=(n, 8))
    return StudyData((features.astype(np.float32),), labels, 2, groups=numbers)


def judged(data: StudyData, *, scheme: str = "nested:3x3", measure: Any = "knn", only: int | None = None) -> Any:
    split = make_split(data.labels, groups=data.groups, scheme=scheme, seed=1)
    outer = outer_folds(split)[only : None if only is None else only + 1]
    *folds, final = (SimpleNamespace(outer=fold, chosen=0, ensemble=None) for fold in [*outer, final_fold(split)])
    return judge_novelty(data, folds, final, PLAN, replace(RULE, measure=measure))


@pytest.mark.parametrize("scheme", ["nested:3x3", "nested:3x1", "holdout:60/20/20"])
@pytest.mark.parametrize("measure", ["knn", "mahalanobis"])
def test_test_rows_leave_distance_and_threshold_as_they_were(scheme: str, measure: str) -> None:
    """Poison: features and labels of the test rows replaced; what is fitted stays the same to the last bit."""
    data = make_data()
    clean = judged(data, scheme=scheme, measure=measure, only=0).folds[0]
    test = clean.outer.test
    poisoned = replace(data, features=(data.features[0].copy(),))
    poisoned.features[0][test] = 1e3 * np.random.default_rng(9).normal(size=(len(test), 8))
    other = judged(poisoned, scheme=scheme, measure=measure, only=0).folds[0]
    for part in ("distance", "threshold"):
        before, after = (getattr(one, part).to_tensors() for one in (clean, other))
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert other.test.is_novel.mean() > 0.9 > clean.test.is_novel.mean()
    data.features[0][clean.outer.train[::2]] += 3
    moved = judged(data, scheme=scheme, measure=measure, only=0).folds[0]  # the poison test can fail
    assert moved.threshold.distances.tobytes() != clean.threshold.distances.tobytes()


def test_images_of_a_group_do_not_make_each_other_familiar() -> None:
    """Distances that the threshold rests on are between groups: far larger than those inside one."""
    data = make_data(groups=True)
    found: NoveltyStudy = judged(data)
    assert found.final.threshold.distances.min() > 0.02
    assert found.final.threshold.n_groups == len(np.unique(data.groups))


@pytest.mark.parametrize("measure", ["knn", "mahalanobis"])
def test_held_out_images_are_flagged_at_no_more_than_the_rate(measure: str) -> None:
    flagged = []
    for seed in range(6):
        data = make_data(300, seed=seed)
        flagged.append(judged(data, measure=measure).gathered(1, 300).is_novel.mean())
    assert 0.03 < np.mean(flagged) < 0.1 + 2 * np.sqrt(0.09 / 1800)


def ensemble(*members: tuple[int, float, bool]) -> Any:
    """An ensemble of members with number, weight, and whether they were fine-tuned."""
    return SimpleNamespace(
        members=tuple(SimpleNamespace(number=n, weight=w, is_tuned=tuned) for n, w, tuned in members)
    )


SOURCES = tuple(FeatureSourceSpec(features=text) for text in ("last", "multi"))
TWO = StudyPlan(tuple(Candidate(source, HeadSpec("logistic")) for source in SOURCES), SOURCES)


@pytest.mark.parametrize(
    ("found", "source"),
    [
        (None, 0),
        (ensemble((0, 0.25, False), (1, 0.75, False)), 1),
        (ensemble((1, 0.5, False), (0, 0.5, False)), 1),  # of equal weight the one that was selected first
        (ensemble((0, 0.625, True), (1, 0.375, False)), 1),
        (ensemble((0, 0.625, True), (1, 0.375, True)), 0),
        (ensemble(), 0),
    ],
)
def test_distances_are_in_the_features_of_the_weightiest_head_on_frozen_ones(found: Any, source: int) -> None:
    assert novelty_source(SimpleNamespace(chosen=0, ensemble=found), TWO) == source


def test_the_rate_is_kept_where_every_fold_has_an_ensemble_of_its_own() -> None:
    """Each fold measures in the features of another source, which its training rows chose."""
    flagged = []
    for seed in range(6):
        one, other = make_data(300, seed=seed), make_data(300, seed=100 + seed)
        data = replace(one, features=(one.features[0], other.features[0] ** 2))
        split = make_split(data.labels, groups=None, scheme="nested:3x3", seed=1)
        results = [
            SimpleNamespace(outer=fold, chosen=0, ensemble=ensemble((0, 0.4, False), (number % 2, 0.6, False)))
            for number, fold in enumerate([*outer_folds(split), final_fold(split)])
        ]
        found = judge_novelty(data, results[:-1], results[-1], TWO, RULE)
        assert [fold.source for fold in found.folds] == [0, 1, 0]
        flagged.append(found.gathered(1, 300).is_novel.mean())
    assert 0.03 < np.mean(flagged) < 0.1 + 2 * np.sqrt(0.09 / 1800)


def test_images_of_weight_zero_have_no_part() -> None:
    data = make_data()
    weights = np.ones(120)
    weights[::10] = 0.0
    data.features[0][::10] = -50.0
    found = judged(replace(data, weights=weights))
    assert len(found.final.threshold.distances) == 108
    assert (found.final.distance.arrays["reference"] > -0.6).all()
