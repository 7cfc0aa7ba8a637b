"""Results of the ensemble: members in every outer fold, what it was accepted on, and the gain over one candidate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headstart.results.models.base import Count, Holding, Mass, Part, Positive, Share
from headstart.results.models.estimates import DifferenceFacts, IntervalFacts


class EnsembleMemberFacts(Part):
    """A member: its number among candidates or fine-tunings, its weight, and the score of the others without it."""

    kind: Literal["head", "fine-tuning"]
    number: Count
    label: str
    weight: Share
    score_without: float | None


class EnsembleFoldFacts(Part):
    """Ensemble of an outer fold (-1 for the refit on all images): members, and scores on the inner rows.

    ``score`` is on the rows that selected it; ``accepted_score`` is on each of them by what the others select.
    """

    repeat: Count
    fold: Annotated[int, Field(ge=-1)]
    kept: bool
    reason: str
    members: tuple[EnsembleMemberFacts, ...]
    n_tried: Positive
    n_rows: Positive
    score: float | None
    single_score: float | None
    accepted_score: float | None
    accepted_single_score: float | None


class GainOverSingle(Part):
    """Scores of the run less those of the best candidates alone."""

    metrics: Annotated[dict[str, DifferenceFacts], Holding("balanced_accuracy", "accuracy", "log_loss")]
    interval: IntervalFacts


class EnsemblePrice(Part):
    """Price of a prediction by the final model: forward passes, rough seconds, and those of its first member alone."""

    forward_passes: Positive
    seconds: Mass
    seconds_alone: Mass


class EnsembleResults(Part):
    """Ensembles of all outer folds and of the final model, and what they brought."""

    choose_by: str
    max_members: Positive
    folds: Annotated[tuple[EnsembleFoldFacts, ...], Field(min_length=1)]
    final: EnsembleFoldFacts
    times_kept: Count
    against_single: GainOverSingle
    price: EnsemblePrice | None
