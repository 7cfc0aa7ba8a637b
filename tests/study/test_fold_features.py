"""Features that differ from fold to fold: fitted on training rows once a fold, and as good as shared ones."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.split.make import make_split
from headstart.heads import HeadSpec
from headstart.study.data import StudyData
from headstart.study.features import FeatureSet, FittedFeatures, SharedFeatures
from headstart.study.folds import OuterFold, final_fold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan

LABELS = np.arange(30) % 2
FEATURES = (np.random.default_rng(0).normal(size=(30, 4)) + LABELS[:, None]).astype(np.float32)
HEADS = (HeadSpec("logistic", {"C": 0.1}), HeadSpec("logistic", {"C": 1.0}))


class Remembers:
    """What was asked of a fit and of an extraction."""

    def __init__(self) -> None:
        self.fitted: list[np.ndarray] = []
        self.extracted: list[str] = []

    def fit(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        self.fitted.append(rows)
        return (FEATURES[rows].mean(axis=0),)

    def extract(self, learned: tuple[np.ndarray, ...], name: str) -> FeatureSet:
        self.extracted.append(name)
        return FeatureSet((FEATURES - learned[0],))

    def features(self) -> FittedFeatures:
        return FittedFeatures(self.fit, self.extract, [4])  # type: ignore[arg-type]


def folds() -> list[OuterFold]:
    split = make_split(LABELS, scheme="nested:3x2", seed=0)
    return [*outer_folds(split), final_fold(split)]


def test_every_fold_is_fitted_on_its_training_rows_once() -> None:
    told = Remembers()
    data = StudyData((), LABELS, 2).with_features(told.features())
    assert data.widths == (4,)
    every = folds()
    found = run_folds(data, every, StudyPlan.of_heads(HEADS))
    assert told.extracted == [fold.key for fold in every]
    for fold, rows, result in zip(every, told.fitted, found, strict=True):
        assert rows.tolist() == fold.train.tolist()
        assert not np.intersect1d(rows, fold.test).size
        own = StudyData((FEATURES - FEATURES[fold.train].mean(axis=0),), LABELS, 2)
        expected = run_folds(own, [fold], StudyPlan.of_heads(HEADS))[0]
        assert result.probabilities.tobytes() == expected.probabilities.tobytes()


def test_shared_features_are_those_of_every_fold() -> None:
    plan, every = StudyPlan.of_heads(HEADS), folds()
    shared = StudyData((), LABELS, 2).with_features(SharedFeatures(FeatureSet((FEATURES,))))
    expected = run_folds(StudyData((FEATURES,), LABELS, 2), every, plan)
    for found, one in zip(run_folds(shared, every, plan), expected, strict=True):
        assert found.probabilities.tobytes() == one.probabilities.tobytes()


def test_a_fold_may_be_fitted_on_other_rows_and_folds_of_the_same_rows_share() -> None:
    told, everything = Remembers(), np.arange(30)
    features = FittedFeatures(
        told.fit,  # type: ignore[arg-type]
        told.extract,  # type: ignore[arg-type]
        [4],
        rows_of=lambda fold: np.setdiff1d(everything, fold.test),
    )
    few, more = (OuterFold(number, 0, everything[:n], everything[20:], ()) for number, n in enumerate((8, 16)))
    assert features.of(few) is features.of(more)
    assert [rows.tolist() for rows in told.fitted] == [everything[:20].tolist()]


def test_features_of_no_fold_are_refused() -> None:
    data = StudyData((), LABELS, 2).with_features(Remembers().features())
    with pytest.raises(ValueError, match="differ from fold to fold"):
        data.of_source(0)
