"""Which source of features suits the task, by three scores that see training rows alone."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headstart.results.models.base import Count, Part, Positive, Scalar, Share

RankedScore: TypeAlias = Literal["logme", "knn_log_loss", "logistic_log_loss"]
Tau: TypeAlias = Annotated[float, Field(ge=-1, le=1)] | None
"""Kendall's tau-b; None where it is undefined."""


class SourceScores(Part):
    """LogME, then log loss and accuracy of neighbours and of a logistic probe."""

    logme: float | None
    knn_log_loss: float | None
    knn_accuracy: Share | None
    logistic_log_loss: float | None
    logistic_accuracy: Share | None


class SourceRanks(Part):
    """Rank of a source by each of the three scores, 1 being the best."""

    logme: Positive
    knn_log_loss: Positive
    logistic_log_loss: Positive


class ScoredSource(Part):
    """Scores of one source of features: mean over the outer folds, ranks, and scores on all images."""

    label: str
    scores: SourceScores
    ranks: SourceRanks
    refit: SourceScores


class JudgedSource(ScoredSource):
    """The same, with what the outer folds found of the source's best candidate."""

    outer_score: float | None
    outer_rank: Positive | None


class RankingPair(Part):
    """How far two of the rankings agree."""

    of: tuple[RankedScore, RankedScore]
    kendall_tau_b: Tau


class TauOfScores(Part):
    """Rank agreement of each of the three scores with the outer folds."""

    logme: Tau
    knn_log_loss: Tau
    logistic_log_loss: Tau


class RankAgreement(Part):
    """How well each score would have ranked the sources, had it chosen."""

    metric: str
    n_sources: Count
    kendall_tau_b: TauOfScores
    words: str


class ProbeSettings(Part):
    """Kind and settings of the probe."""

    kind: str
    settings: dict[str, Scalar]


class TransferabilitySettings(Part):
    """How the scores were computed: number of neighbours, probe, and the most training rows that were looked at."""

    neighbours: Positive
    probe: ProbeSettings
    max_rows: Positive


class TransferabilityScores(Part):
    """Scores of every source, how far they agree with each other, and how they were computed."""

    sources: Annotated[tuple[ScoredSource, ...], Field(min_length=1)]
    between: tuple[RankingPair, ...]
    words: tuple[str, ...]
    settings: TransferabilitySettings


class TransferabilityResults(Part):
    """The same of a run, with what the outer folds found."""

    sources: Annotated[tuple[JudgedSource, ...], Field(min_length=1)]
    between: tuple[RankingPair, ...]
    words: tuple[str, ...]
    settings: TransferabilitySettings
    agreement: RankAgreement
