"""Scores of decisions on rows they were not fitted on, as ``decisions`` of ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.decisions import (
    AbstentionCurve,
    Calibrator,
    DecisionRules,
    Decisions,
    Isotonic,
    abstention_curve,
    evaluate_decisions,
)
from headstart.decisions.conformal import SetEvaluation, min_calibration_size
from headstart.metrics import OutOfFold, reliability
from headstart.metrics.bootstrap import columns_for, resample
from headstart.metrics.evaluate import Estimate, estimates_of
from headstart.metrics.intervals import variance_factor
from headstart.results.models.calibration import (
    BeforeAndAfter,
    CalibrationFacts,
    CalibrationScores,
    CalibratorFacts,
    IsotonicCalibrator,
    NoCalibrator,
    PlattCalibrator,
    ReliabilityBeforeAndAfter,
    ReliabilityBins,
    TemperatureCalibrator,
)
from headstart.results.models.decisions import (
    AbstentionPoint,
    AbstentionResults,
    ClassCoverage,
    ConformalResults,
    DecisionResults,
    FittedDecisions,
    FoldDecisionFacts,
    RequestedDecisions,
)
from headstart.results.writers.estimates import estimate_facts, plain_estimate, plain_fields
from headstart.study.decisions import CALIBRATION_SCORES, JudgedPredictions

if TYPE_CHECKING:
    from headstart.study.fold_result import FoldDecisions

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
    """Decisions requested, decisions fitted in every fold, and their scores."""
    scores = evaluate_decisions(final.fitted, judged.after, judged.decided, seed=seed)
    sets = None if scores.conformal is None else _conformal(scores.conformal, decided)
    return DecisionResults(
        requested=RequestedDecisions.model_validate(rules.to_json()),
        calibration=_calibration(judged),
        abstention=abstention(judged.after, seed=seed),
        folds=tuple(
            FoldDecisionFacts(repeat=one.outer.repeat, fold=one.outer.fold, **dict(_fitted(one))) for one in decided
        ),
        final=_fitted(final),
        **{**plain_fields(scores), "conformal": sets},
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
    found = {name: value for name, value in plain_fields(decisions).items() if name != "class_rule"}  # not fitted
    return FittedDecisions(
        n_calibration=n_calibration, reason=reason, **{**found, "calibrator": _calibrator(decisions.calibrator)}
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


def _conformal(found: SetEvaluation, decided: Sequence[FoldDecisions]) -> ConformalResults:
    """Coverage with the number of calibration images that each class has in the folds."""
    fitted = [one.fitted.conformal for one in decided if one.fitted.conformal is not None]
    fewest, per_class = min_calibration_size(found.level), {}
    for code, (name, estimate) in enumerate(found.per_class.items()):
        counts = [one.n_calibration[code] for one in fitted]
        per_class[name] = ClassCoverage(
            coverage=estimate_facts(estimate),
            min_n_calibration=min(counts),
            uninformative_folds=sum(n < fewest for n in counts),
        )
    counted = {"min_calibration_size": fewest, "n_folds": len(fitted), "per_class": per_class}
    return ConformalResults(**{**plain_fields(found), **counted})


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
