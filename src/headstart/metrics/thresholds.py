"""Scores at every threshold between ordered classes, which asks whether an image is of a class above it."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.metrics.bootstrap import Column, resample
from headstart.metrics.evaluate import Estimate, estimates_of
from headstart.metrics.intervals import Correction, variance_factor
from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.registry import Metric

_AREA = Metric(name="threshold_auc", title="ROC AUC", compute=lambda tally: tally.threshold_areas, evidence="threshold")
_ERROR = Metric(
    name="threshold_ece",
    title="Calibration error (debiased)",
    compute=lambda tally: tally.threshold_eces,
    evidence="threshold",
    greater_is_better=False,
    has_interval=False,
)


@dataclass(frozen=True)
class ThresholdScores:
    """Scores of the probability of the classes above a threshold.

    Attributes
    ----------
    above : str
        The highest class below the threshold.
    roc_auc : Estimate
        How well images above are told from those at or below.
    ece : Estimate
        Calibration error, debiased; without an interval.
    """

    above: str
    roc_auc: Estimate
    ece: Estimate


def evaluate_thresholds(
    oof: OutOfFold, *, correction: Correction = "nadeau-bengio", seed: int = 0, n_resamples: int = 1000
) -> tuple[ThresholdScores, ...]:
    """Scores of out-of-fold predictions at each of the K - 1 thresholds, the lowest first.

    Parameters
    ----------
    oof : OutOfFold
        Of ordered classes.
    correction, seed, n_resamples
        As for `headstart.metrics.evaluate`.

    Returns
    -------
    tuple of ThresholdScores
    """
    n_thresholds = oof.n_classes - 1
    columns = tuple(Column(metric, threshold) for metric in (_AREA, _ERROR) for threshold in range(n_thresholds))
    replicates = resample(oof, columns, n_resamples=n_resamples, seed=seed)
    found = estimates_of(oof, replicates, variance_factor(oof, correction))
    return tuple(
        ThresholdScores(name, found[number], found[n_thresholds + number])
        for number, name in enumerate(oof.classes[:-1])
    )
