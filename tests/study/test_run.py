"""A whole study from arrays: three kinds of probabilities, decisions in every fold, groups kept and ignored."""

from __future__ import annotations

from typing import Any

import helpers
import numpy as np
import pytest

from headstart import ImageDataset
from headstart.data.split.make import split_dataset
from headstart.decisions import DecisionRules
from headstart.heads import HeadSpec
from headstart.metrics import evaluate
from headstart.study.data import StudyData
from headstart.study.decisions import decide_folds
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.run import run_study

PLAN = StudyPlan.of_heads([HeadSpec("logistic", {"C": C}) for C in (0.01, 100.0)], seed=2)
RULES = DecisionRules("temperature")


def made(n: int = 60, *, grouped: bool = False) -> tuple[ImageDataset, StudyData]:
    """Images that nothing is read of, and features that tell two classes apart, not quite."""
    labels = np.arange(n) % 2
    groups = np.arange(n) // 4 if grouped else None
    dataset = ImageDataset.from_arrays(helpers.noise(n), labels, groups=groups)
    features = np.random.default_rng(3).normal(size=(n, 6)) + 0.6 * labels[:, None]
    return dataset, StudyData.of(dataset, (features.astype(np.float32),))


def test_a_study_is_its_folds_decided_and_gathered() -> None:
    dataset, data = made()
    split = split_dataset(dataset, scheme="nested:3x2", repeats=2, seed=1)
    found = run_study(dataset, data, split, PLAN, RULES)
    folds = decide_folds(data, run_folds(data, outer_folds(split), PLAN), PLAN, RULES)
    by_hand = gather(data, folds, dataset.classes, None, 2)
    assert np.array_equal(found.oof.probabilities, by_hand.probabilities)
    assert found.evaluation.to_json() == evaluate(by_hand, seed=PLAN.seed).to_json()
    assert found.tax is None and found.frozen is None and found.fine_tuning is None
    assert len(found.decisions) == 6 and found.final_decisions.n_calibration == 60


def test_raw_and_calibrated_probabilities_are_two_fields() -> None:
    dataset, data = made()
    found = run_study(dataset, data, split_dataset(dataset, scheme="nested:3x2", seed=1), PLAN, RULES)
    for result in found.folds:
        assert result.calibrated is not None and result.frozen is None
        assert result.raw is result.frozen_raw and result.probabilities is result.calibrated
        expected = result.decisions.fitted.apply(result.raw).probabilities  # type: ignore[union-attr]
        assert np.array_equal(result.calibrated, expected) and not np.array_equal(result.calibrated, result.raw)
    raw = gather(data, found.folds, dataset.classes, None, 1, kind="raw")
    assert np.array_equal(found.judged.before.probabilities, raw.probabilities)


def test_the_leakage_tax_is_the_same_study_without_groups() -> None:
    dataset, data = made(grouped=True)
    found = run_study(dataset, data, split_dataset(dataset, scheme="nested:3x2", seed=1), PLAN, RULES, leakage_tax=True)
    assert found.tax is not None
    kept, ignored = found.tax
    assert kept is found.evaluation
    ungrouped, loose = made()
    alone = run_study(ungrouped, loose, split_dataset(ungrouped, scheme="nested:3x2", seed=PLAN.seed), PLAN, RULES)
    expected = alone.evaluation.metrics["log_loss"].value
    assert ignored.metrics["log_loss"].value == pytest.approx(expected) != kept.metrics["log_loss"].value


def test_without_groups_there_is_no_leakage_tax_and_that_is_noted() -> None:
    dataset, data = made()
    progress: Any = helpers.Notes()
    split = split_dataset(dataset, scheme="nested:3x2", seed=1)
    found = run_study(dataset, data, split, PLAN, RULES, leakage_tax=True, progress=progress)
    assert found.tax is None and "has no groups, so there is no optimism from ignoring them" in progress.texts[-1]
