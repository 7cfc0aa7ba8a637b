"""The search, the scores of its candidates in the inner folds, and the outer folds' judgement."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headstart.results.models.base import Count, Part, Positive, Scalar
from headstart.results.models.finetuning import FineTuningSettings

Settings: TypeAlias = dict[str, Scalar]
"""Settings of a head by name."""


class TrainingSet(Part):
    """A training set: balancing, augmentation, and whether predictions are means over views."""

    balance: str
    augment: str
    tta: bool


class CandidateFacts(Part):
    """A candidate: its number in the search, source of features, kind and settings of its head, and training set."""

    number: Count
    source: Count
    kind: str
    settings: Settings
    training_set: TrainingSet
    label: str


class BestOfSource(CandidateFacts):
    """The best candidate of a source by the inner folds of an outer fold, with its score on the test rows."""

    inner_score: float
    outer_score: float | None


class FoldFacts(Part):
    """One outer fold: its size, what its inner folds chose, and how that scored on its test rows."""

    repeat: Count
    fold: Count
    n_train: Positive
    n_test: Positive
    chosen: CandidateFacts
    cheapest_tied: CandidateFacts
    n_compared: Positive
    n_tied: Positive
    n_failed: Count
    inner_score: float
    inner_log_loss: float
    best_of_sources: tuple[BestOfSource, ...]
    metrics: dict[str, float | None]


class CandidateSummary(CandidateFacts):
    """A candidate over all outer folds: its mean inner scores, and how often it was chosen or tied."""

    inner_score: float | None
    inner_log_loss: float | None
    inner_log_loss_sd: Annotated[float, Field(ge=0)] | None
    times_chosen: Count
    times_tied: Count


class FinalModel(CandidateFacts):
    """The candidate that was fitted on all images; `fine_tuning` where its last stages were trained on."""

    inner_score: float
    fine_tuning: FineTuningSettings | None


class TrainingSetSummary(TrainingSet):
    """One way to make the training set, with how often it was chosen and the mean inner score of its best candidate."""

    label: str
    times_chosen: Count
    inner_score: float | None


class ViewSettings(Part):
    """One augmented version of the images: its policy, and its place among the policy's views."""

    policy: str
    seed: int
    index: Count
    custom: dict[str, Scalar | tuple[float, float]] | None


class SearchFacts(Part):
    """The search in numbers; ``candidates.parquet`` has every candidate."""

    space: str
    n_candidates: Positive
    n_points: Positive
    kinds: tuple[str, ...]
    method: Literal["all", "halving"]
    halving: str | None
    notes: tuple[str, ...]
    training_sets: tuple[TrainingSetSummary, ...]
    views: dict[str, tuple[ViewSettings, ...]]


class Optimism(Part):
    """How much better the best inner score looks than the outer judgement of the same choices."""

    metric: str
    inner: float | None
    outer: float | None
    difference: float | None


class IgnoredGroups(Part):
    """A score with groups kept together and with groups ignored: what a careless split would have claimed."""

    groups_kept: float | None
    groups_ignored: float | None
    difference: float | None
