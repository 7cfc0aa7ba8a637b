"""The verdict whether transfer helped: the run against the best of its baselines, in pairs."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headstart.results.models.base import Count, Ends, Holding, Part, Share
from headstart.results.models.estimates import EstimateFacts

Verdict: TypeAlias = Literal["helps", "no evidence", "hurts"]
_GAINS = ("balanced_accuracy", "accuracy", "roc_auc", "log_loss", "brier")
BaselineScores: TypeAlias = Annotated[dict[str, EstimateFacts], Holding(*_GAINS)]
"""Scores that the run and its baselines are compared by."""


class GainFacts(Part):
    """How much better the run is than the best baseline by one score; positive is better, for losses too."""

    run: float | None
    baseline: float | None
    gain: float | None
    ci95: Ends | None
    p: Share | None


class BaselineFoldFacts(Part):
    """Settings that the inner folds of an outer fold chose for a baseline, and their inner score."""

    repeat: Count
    fold: Count
    inner_score: float | None
    settings: str


class BaselineFacts(Part):
    """One baseline: its scores, and in how many outer folds the inner folds preferred it to the others."""

    name: str
    title: str
    times_best: Count
    metrics: BaselineScores
    folds: Annotated[tuple[BaselineFoldFacts, ...], Field(min_length=1)]


class TransferResults(Part):
    """The verdict, the gains it rests on, and every baseline; no verdict where nothing was transferred."""

    verdict: Verdict | None
    decided_by: Literal["log_loss"]
    text: str
    brief: str
    gains: Annotated[dict[str, GainFacts], Holding(*_GAINS)]
    best_baseline: BaselineScores
    baselines: Annotated[tuple[BaselineFacts, ...], Field(min_length=1)]
    notes: tuple[str, ...]
