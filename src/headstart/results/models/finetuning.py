"""Results of fine-tuning: its candidates, their trainings on every outer fold, and the gain over frozen features."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headstart.results.models.base import Count, Holding, Mass, Part, Positive, Share
from headstart.results.models.estimates import DifferenceFacts, IntervalFacts


class FineTuningSettings(Part):
    """Settings of one fine-tuning, or of training from scratch."""

    unlock: Positive | Literal["all"]
    epochs: Positive
    batch_size: Positive
    learning_rate: Mass
    stage_decay: Mass
    head_factor: Mass
    weight_decay: Mass
    warmup_epochs: Mass
    label_smoothing: Share
    mix: str
    mix_alpha: Mass
    average: str
    ema_epochs: Mass
    clip_norm: Mass
    patience: Count
    norms: str
    precision: str
    start: Literal["pretrained", "random"]


class FineTuningCandidate(FineTuningSettings):
    """A fine-tuning that competes with heads on frozen features, and one line on it for people."""

    label: str


class TrainingHistory(Part):
    """Losses and learning rate after every epoch, the start first; None where a loss was not finite or not measured."""

    train_loss: tuple[float | None, ...]
    valid_loss: tuple[float | None, ...]
    rate: tuple[float | None, ...]


class TriedFineTuning(Part):
    """One training on an outer fold's training rows, judged on a holdout of them."""

    stage: str | None
    holdout: float | None
    failed: bool
    learning_rate: Mass
    best_epoch: Count
    history: TrainingHistory


class FineTunedFoldFacts(Part):
    """Scores of frozen features and fine-tunings on the holdout of an outer fold (-1 for the refit on all images)."""

    repeat: Count
    fold: Annotated[int, Field(ge=-1)]
    source: Count
    frozen_holdout: float | None
    tried: tuple[TriedFineTuning, ...]
    chosen: Count | None
    epochs: Count | None
    train_loss: tuple[float | None, ...] | None


class GainOverFrozen(Part):
    """Scores of the run less those of heads on frozen features alone."""

    metrics: Annotated[dict[str, DifferenceFacts], Holding("balanced_accuracy", "accuracy", "log_loss")]
    interval: IntervalFacts


class FineTuningResults(Part):
    """Candidates, what every outer fold said of them, and what they brought."""

    strategy: Literal["fine-tune"]
    candidates: Annotated[tuple[FineTuningCandidate, ...], Field(min_length=1)]
    stages: tuple[str, ...]
    n_views: Positive
    choose_by: str
    folds: tuple[FineTunedFoldFacts, ...]
    final: FineTunedFoldFacts
    times_chosen: Count
    against_frozen: GainOverFrozen
    signs: tuple[str, ...]
