"""The plan of a study: candidates by source and training set, and the score that chooses."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.heads import HeadSpec
from headstart.metrics import find_metric
from headstart.study.data import StudyData
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec

FIRST, SECOND = FeatureSourceSpec("vgg19"), FeatureSourceSpec("resnet50")
WEIGHTED = TrainingSetSpec("weights")
KNN, LOGISTIC = HeadSpec("knn"), HeadSpec("logistic")


def make_plan() -> StudyPlan:
    candidates = (
        Candidate(FIRST, KNN),
        Candidate(SECOND, KNN, WEIGHTED),
        Candidate(FIRST, LOGISTIC, WEIGHTED),
        Candidate(SECOND, LOGISTIC),
    )
    return StudyPlan(candidates, (FIRST, SECOND))


def test_candidates_are_numbered_in_their_order() -> None:
    plan = make_plan()
    assert [plan.source_of(index) for index in range(4)] == [0, 1, 0, 1]
    assert plan.of_source(1) == [1, 3] and plan.of_source(1, [3, 0]) == [3]
    assert plan.by_training_set(range(4)) == {PLAIN: [0, 3], WEIGHTED: [1, 2]}


def test_a_label_names_the_source_where_there_are_several() -> None:
    assert make_plan().label(1).startswith("resnet50: ")
    assert StudyPlan.of_heads([KNN]).label(0) == KNN.label


def test_the_choosing_score_is_that_of_the_metric_on_the_rows_named() -> None:
    rng = np.random.default_rng(0)
    labels, weights = rng.integers(0, 2, 20), rng.random(20)
    data = StudyData((np.zeros((20, 1), dtype=np.float32),), labels, 2, weights=weights)
    rows, positive = np.arange(5, 15), rng.random(10)
    probabilities = np.stack([1 - positive, positive], axis=1)
    expected = find_metric("log_loss")(labels[rows], probabilities, weights[rows])
    assert make_plan().score(data, rows, probabilities) == pytest.approx(expected)
