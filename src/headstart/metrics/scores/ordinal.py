"""Scores that the order of the classes decides, and the plain kappa, which unordered classes have as well.

Threshold k lies between classes k and k + 1 in their order; the probability above it is that of all classes beyond.
"""

from __future__ import annotations

import numpy as np

from headstart.metrics import ordinal
from headstart.metrics.registry import register_metric
from headstart.metrics.tally import Tally
from headstart.metrics.validation import FloatArray

_ON_REQUEST = {"on_request": True, "bounds": (-1.0, 1.0), "uses_probabilities": False}


@register_metric("cohen_kappa", "Cohen's kappa", evidence="all", **_ON_REQUEST)
def cohen_kappa(tally: Tally) -> FloatArray:
    """Agreement of truth and prediction beyond chance, all disagreements alike."""
    return ordinal.cohen_kappa(tally.confusion, "plain")


@register_metric("linear_kappa", "Kappa, linear weights", evidence="all", needs_order=True, **_ON_REQUEST)
def linear_kappa(tally: Tally) -> FloatArray:
    """Agreement beyond chance, a disagreement counting as many times as it is classes wide."""
    return ordinal.cohen_kappa(tally.confusion, "linear")


@register_metric("quadratic_kappa", "Kappa, quadratic weights", evidence="all", needs_order=True, **_ON_REQUEST)
def quadratic_kappa(tally: Tally) -> FloatArray:
    """Agreement beyond chance, a disagreement counting by the square of its width in classes."""
    return ordinal.cohen_kappa(tally.confusion, "quadratic")


@register_metric(
    "class_error",
    "Mean absolute error in classes",
    evidence="all",
    needs_order=True,
    on_request=True,
    greater_is_better=False,
    bounds_by_classes=lambda n_classes: (0.0, n_classes - 1.0),
    uses_probabilities=False,
)
def class_error(tally: Tally) -> FloatArray:
    """Mean distance of the predicted from the true class, in classes."""
    return ordinal.mean_class_error(tally.confusion)


@register_metric(
    "adjacent_accuracy",
    "Accuracy within one class",
    evidence="all",
    needs_order=True,
    on_request=True,
    uses_probabilities=False,
    usable_for_selection=False,
)
def adjacent_accuracy(tally: Tally) -> FloatArray:
    """Share of rows predicted right or one class beside."""
    return ordinal.adjacent_accuracy(tally.confusion)


@register_metric("threshold_auc", "ROC AUC, mean over thresholds", evidence="ends", needs_order=True, on_request=True)
def threshold_auc(tally: Tally) -> FloatArray:
    """Mean over the thresholds of the area under the ROC curve of the probability above."""
    return np.asarray(tally.threshold_areas.mean(axis=1))


@register_metric(
    "rps",
    "Ranked probability score",
    evidence="all",
    needs_order=True,
    on_request=True,
    greater_is_better=False,
)
def ranked_probability_score(tally: Tally) -> FloatArray:
    """Mean over the thresholds of the squared distance of the probability above from the truth; proper.

    Epstein 1969, "A scoring system for probability forecasts of ranked categories",
    doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2, divided by the number of thresholds.
    """
    above = tally.outcome.above
    beyond = tally.outcome.labels[:, None] > np.arange(above.shape[1])
    return tally.mean(np.asarray(((above - beyond) ** 2).mean(axis=1)))


@register_metric(
    "threshold_ece",
    "Calibration error, mean over thresholds",
    evidence="all",
    needs_order=True,
    on_request=True,
    greater_is_better=False,
    has_interval=False,
    usable_for_selection=False,
)
def threshold_calibration_error(tally: Tally) -> FloatArray:
    """Mean over the thresholds of the debiased calibration error of the probability above."""
    return np.asarray(tally.threshold_eces.mean(axis=1))
