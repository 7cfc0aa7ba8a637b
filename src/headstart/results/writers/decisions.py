"""What decisions are worth on rows they were not fitted on, as ``decisions`` of ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from headstart.decisions import AbstentionCurve, Calibrator, DecisionRules, Decisions, Isotonic, abstention_curve
from headstart.decisions.conformal import min_calibration_size
from headstart.metrics import OutOfFold, evaluate, reliability
from headstart.metrics.bootstrap import columns_for, resample
from headstart.metrics.evaluate import Estimate, estimates_of
from headstart.metrics.intervals import variance_factor
from headstart.results.models.decisions import (
    AbstentionPoint,
    AbstentionResults,
    BeforeAndAfter,
    CalibrationFacts,
    CalibrationScores,
    CalibratorFacts,
    ClassCoverage,
    ConformalResults,
    ConformalThresholds,
    DecisionResults,
    FittedDecisions,
    FoldDecisionFacts,
    IsotonicCalibrator,
    NoCalibrator,
    OperatingPointFacts,
    OperatingPointResults,
    OperatingPointScores,
    PlattCalibrator,
    ReliabilityBeforeAndAfter,
    ReliabilityBins,
    RequestedDecisions,
    SetCoverage,
    TemperatureCalibrator,
)
from headstart.results.writers.estimates import confusion_rows, estimate_facts, estimates, plain_estimate
from headstart.study.decisions import CALIBRATION_SCORES, DecidedOutOfFold, JudgedPredictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.fold_result import FoldDecisions

    Integers = NDArray[np.int64]

Correction = Literal["nadeau-bengio", "none"]
_OF_CLASSES = ("accuracy", "balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc")
ANSWERED = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of images answered that the abstention table lists."""


def decision_results(
    rules: DecisionRules,
    judged: JudgedPredictions,
    decided: Sequence[FoldDecisions],
    final: FoldDecisions,
    *,
    seed: int,
) -> DecisionResults:
    """What was asked for, what was fitted where, and the scores of all of it."""
    return DecisionResults(
        requested=RequestedDecisions(**rules.to_json()),
        calibration=_calibration(judged),
        operating_point=None if rules.operating_point is None else operating_point(judged.after, judged.decided, seed),
        conformal=None if rules.level is None else _conformal(judged, decided, rules.level, seed),
        abstention=abstention(judged.after, seed=seed),
        folds=tuple(
            FoldDecisionFacts(repeat=one.outer.repeat, fold=one.outer.fold, **dict(_fitted(one))) for one in decided
        ),
        final=_fitted(final),
    )


def _calibration(judged: JudgedPredictions) -> CalibrationFacts:
    scores = {
        name: BeforeAndAfter(
            before=estimate_facts(judged.raw.metrics[name]), after=estimate_facts(judged.evaluation.metrics[name])
        )
        for name in CALIBRATION_SCORES
    }
    bins = ReliabilityBeforeAndAfter(before=_bins(judged.before), after=_bins(judged.after))
    return CalibrationFacts(scores=CalibrationScores(**scores), bins=bins)


def _bins(oof: OutOfFold) -> ReliabilityBins:
    """Reliability in the first repeat: of the positive class, or with more than two of the most probable."""
    outcome = oof.outcomes[0]
    found = reliability(outcome.event, outcome.confidence, oof.row_weights[oof.rows_of(0)])
    return ReliabilityBins(**{name: tuple(getattr(found, name).tolist()) for name in ReliabilityBins.model_fields})


def _fitted(one: FoldDecisions) -> FittedDecisions:
    return fitted_decisions(one.fitted, n_calibration=one.n_calibration, reason=one.reason)


def fitted_decisions(decisions: Decisions, *, n_calibration: int, reason: str) -> FittedDecisions:
    """Fitted decisions; of an isotonic calibrator the number of points alone (``folds/`` has them all)."""
    point, sets = decisions.operating_point, decisions.conformal
    return FittedDecisions(
        n_calibration=n_calibration,
        reason=reason,
        calibrator=_calibrator(decisions.calibrator),
        operating_point=None if point is None else OperatingPointFacts(**point.to_json()),
        conformal=None
        if sets is None
        else ConformalThresholds(level=sets.level, thresholds=sets.thresholds, n_calibration=sets.n_calibration),
    )


def _calibrator(calibrator: Calibrator) -> CalibratorFacts:
    if isinstance(calibrator, Isotonic):
        return IsotonicCalibrator(kind="isotonic", n_points=sum(len(places) for places, _ in calibrator.curves))
    models: dict[str, type[NoCalibrator | TemperatureCalibrator | PlattCalibrator]] = {
        "none": NoCalibrator,
        "temperature": TemperatureCalibrator,
        "platt": PlattCalibrator,
    }
    return models[calibrator.kind](**calibrator.to_json())


def certain(oof: OutOfFold, predicted: Integers) -> OutOfFold:
    """The predictions with all probability on the predicted class, so that scores speak of the predicted classes."""
    return replace(oof, probabilities=np.eye(oof.n_classes)[predicted])


def operating_point(
    oof: OutOfFold, said: DecidedOutOfFold, seed: int, *, correction: Correction = "nadeau-bengio"
) -> OperatingPointResults:
    """Scores of the predicted classes at the operating point; ``npv`` is the precision of the other class."""
    hard = certain(oof, said.predicted_classes)
    found = evaluate(hard, metrics=_OF_CLASSES, class_metrics=("precision",), correction=correction, seed=seed)
    other = oof.classes[1 - oof.positive_index]
    npv = estimate_facts(found.per_class[other]["precision"])
    scores = OperatingPointScores(**estimates(found.metrics), npv=npv)
    return OperatingPointResults(metrics=scores, confusion=confusion_rows(found))


def _conformal(
    judged: JudgedPredictions, decided: Sequence[FoldDecisions], level: float, seed: int
) -> ConformalResults:
    sets, oof = judged.decided.sets, judged.after
    if sets is None:
        raise ValueError("sets were asked for and not made")
    found = coverage(oof, sets, seed=seed)
    fitted = [one.fitted.conformal for one in decided if one.fitted.conformal is not None]
    fewest, per_class = min_calibration_size(level), {}
    for code, name in enumerate(oof.classes):
        counts = [one.n_calibration[code] for one in fitted]
        per_class[name] = ClassCoverage(
            coverage=found.per_class[name],
            min_n_calibration=min(counts),
            uninformative_folds=sum(n < fewest for n in counts),
        )
    return ConformalResults(
        level=level,
        min_calibration_size=fewest,
        n_folds=len(fitted),
        coverage=found.coverage,
        per_class=per_class,
        mean_size=found.mean_size,
        share_of_size=found.share_of_size,
    )


def coverage(
    oof: OutOfFold, sets: NDArray[np.bool_], *, seed: int, correction: Correction = "nadeau-bengio"
) -> SetCoverage:
    """How often the set holds the true class, over all and for each class, with intervals, and how large sets are.

    Parameters
    ----------
    oof : OutOfFold
    sets : ndarray of shape (n_repeats, n_images, n_classes), bool
    seed : int
        Of the resampling.
    correction : {"nadeau-bengio", "none"}
    """
    covered = np.take_along_axis(sets, np.broadcast_to(oof.labels[:, None], (*sets.shape[:2], 1)), axis=2)[:, :, 0]
    predicted = np.where(covered, oof.labels, (oof.labels + 1) % oof.n_classes)  # right where the set holds it
    found = evaluate(
        certain(oof, predicted), metrics=("accuracy",), class_metrics=("recall",), correction=correction, seed=seed
    )
    weights = np.where(oof.fold >= 0, oof.row_weights, 0.0)
    shares = np.bincount(sets.sum(axis=2).ravel(), weights=weights.ravel(), minlength=oof.n_classes + 1) / weights.sum()
    return SetCoverage(
        coverage=estimate_facts(found.metrics["accuracy"]),
        per_class={name: estimate_facts(row["recall"]) for name, row in found.per_class.items()},
        mean_size=float(shares @ np.arange(oof.n_classes + 1)),
        share_of_size=tuple(shares.tolist()),
    )


def abstention(oof: OutOfFold, *, seed: int) -> AbstentionResults:
    """Accuracy where the least certain images are left to a person, at some shares, and the area under the error."""
    curves = [
        abstention_curve(oof.probabilities[repeat, rows], oof.labels[rows], oof.row_weights[rows])
        for repeat, rows in enumerate(oof.rows_of(repeat) for repeat in range(oof.n_repeats))
    ]
    return AbstentionResults(
        area=float(np.mean([curve.area for curve in curves])),
        points=tuple(_point(oof, curves, share, seed) for share in ANSWERED),
    )


def _point(oof: OutOfFold, curves: Sequence[AbstentionCurve], share: float, seed: int) -> AbstentionPoint:
    certainty = np.array([curve.at(share)[0] for curve in curves])
    sure = (oof.fold >= 0) & (oof.probabilities.max(axis=2) >= certainty[:, None])
    answered = oof.row_weights * sure
    estimate = _accuracy(replace(oof, fold=np.where(sure, oof.fold, -1)), variance_factor(oof, "nadeau-bengio"), seed)
    everything = oof.row_weights * (oof.fold >= 0)
    return AbstentionPoint(
        requested=share,
        answered=float(answered.sum() / everything.sum()),
        certainty=float(certainty.mean()),
        accuracy=plain_estimate(estimate),
    )


def _accuracy(oof: OutOfFold, factor: float, seed: int) -> Estimate:
    """Accuracy of the rows left, its interval widened as that of all rows is: the heads share as much as before."""
    columns = columns_for(oof.n_classes, ("accuracy",), per_class=False)
    return estimates_of(oof, resample(oof, columns, n_resamples=1000, seed=seed), factor)[0]
