"""Scores that the values of the probabilities decide."""

from __future__ import annotations

import numpy as np

from headstart.metrics.registry import register_metric
from headstart.metrics.tally import PROBABILITY_FLOOR, Tally
from headstart.metrics.validation import FloatArray


@register_metric(
    "log_loss",
    "Log loss",
    evidence="all",
    greater_is_better=False,
    bounds=(0.0, float(-np.log(PROBABILITY_FLOOR))),  # probabilities are kept within 1e-7 and 1 - 1e-7
)
def log_loss(tally: Tally) -> FloatArray:
    """Mean of minus the log of the true class's probability."""
    return tally.mean(tally.outcome.log_losses)


@register_metric(
    "brier",
    "Brier score",
    evidence="all",
    greater_is_better=False,
    bounds=(0.0, 2.0),
    two_class_bounds=(0.0, 1.0),
)
def brier(tally: Tally) -> FloatArray:
    """Mean squared distance of probabilities and truth; for two classes of the positive column alone."""
    return tally.mean(tally.outcome.brier_losses)


@register_metric(
    "ece",
    "Calibration error (debiased)",
    evidence="all",
    greater_is_better=False,
    has_interval=False,
    usable_for_selection=False,
)
def expected_calibration_error(tally: Tally) -> FloatArray:
    """Debiased expected calibration error."""
    return tally.ece
