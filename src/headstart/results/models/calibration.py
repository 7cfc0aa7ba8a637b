"""Fitted calibrators, and the scores and reliability of probabilities before and after calibration."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headstart.results.models.base import Count, Part, Positive, Share
from headstart.results.models.estimates import EstimateFacts


class BeforeAndAfter(Part):
    """A score before and after calibration."""

    before: EstimateFacts
    after: EstimateFacts


class CalibrationScores(Part):
    """Scores of probabilities before and after calibration."""

    log_loss: BeforeAndAfter
    brier: BeforeAndAfter
    ece: BeforeAndAfter


class ReliabilityBins(Part):
    """Mean probability, observed frequency with its interval, and number of images of every bin."""

    probability: tuple[Share, ...]
    frequency: tuple[Share, ...]
    low: tuple[Share, ...]
    high: tuple[Share, ...]
    counts: tuple[Count, ...]


class ReliabilityBeforeAndAfter(Part):
    """The reliability diagram before and after calibration."""

    before: ReliabilityBins
    after: ReliabilityBins


class CalibrationFacts(Part):
    """Scores and reliability before and after calibration."""

    scores: CalibrationScores
    bins: ReliabilityBeforeAndAfter


class NoCalibrator(Part):
    """Probabilities as the head gives them."""

    kind: Literal["none"]


class TemperatureCalibrator(Part):
    """Log probabilities times one factor."""

    kind: Literal["temperature"]
    inverse: Annotated[float, Field(gt=0)]


class PlattCalibrator(Part):
    """A sigmoid of the log odds."""

    kind: Literal["platt"]
    slope: float
    offset: float


class IsotonicCalibrator(Part):
    """A rising line through some points; ``folds/`` has them all."""

    kind: Literal["isotonic"]
    n_points: Positive


CalibratorFacts: TypeAlias = Annotated[
    NoCalibrator | TemperatureCalibrator | PlattCalibrator | IsotonicCalibrator, Field(discriminator="kind")
]
"""A fitted calibrator in brief."""
