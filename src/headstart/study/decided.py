"""What decisions are worth on rows they were not fitted on, as ``decisions`` in results.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.decisions import AbstentionCurve, Calibrator, DecisionRules, Decisions, Isotonic, abstention_curve
from headstart.decisions.conformal import min_calibration_size
from headstart.metrics import Evaluation, OutOfFold, evaluate, reliability
from headstart.metrics.bootstrap import columns_for, resample
from headstart.metrics.evaluate import Estimate, estimates_of
from headstart.metrics.intervals import variance_factor
from headstart.study.fold_result import FoldDecisions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

CALIBRATION_SCORES = ("log_loss", "brier", "ece")
_CALLED = ("accuracy", "balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc")
ANSWERED = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of images answered that the abstention table lists."""


@dataclass(frozen=True, eq=False)
class DecidedOutOfFold:
    """Predicted class and prediction set of every image, by decisions that did not see it.

    Attributes
    ----------
    predicted_classes : ndarray of shape (n_repeats, n_images), int64
        Class numbers; rows not judged in a repeat hold 0.
    sets : ndarray of shape (n_repeats, n_images, n_classes), bool, or None
    """

    predicted_classes: Integers
    sets: NDArray[np.bool_] | None


def gather_decided(decided: Sequence[FoldDecisions], oof: OutOfFold) -> DecidedOutOfFold:
    """Predicted classes and sets of all outer folds, in the order of the images."""
    predicted = np.zeros(oof.fold.shape, dtype=np.int64)
    sets = None if decided[0].test.sets is None else np.zeros(oof.probabilities.shape, dtype=bool)
    for one in decided:
        predicted[one.outer.repeat, one.outer.test] = one.test.predicted
        if sets is not None and one.test.sets is not None:
            sets[one.outer.repeat, one.outer.test] = one.test.sets
    return DecidedOutOfFold(predicted, sets)


@dataclass(frozen=True, eq=False)
class JudgedPredictions:
    """Predictions before and after calibration, and how good they are.

    Attributes
    ----------
    before, after : OutOfFold
    raw, evaluation : Evaluation
        Of the two, the first of few scores only.
    said : DecidedOutOfFold
    """

    before: OutOfFold
    after: OutOfFold
    raw: Evaluation
    evaluation: Evaluation
    said: DecidedOutOfFold


def decisions_document(
    rules: DecisionRules,
    judged: JudgedPredictions,
    decided: Sequence[FoldDecisions],
    final: FoldDecisions,
    *,
    seed: int,
) -> dict[str, Any]:
    """``decisions`` of results.json: what was asked for, what was fitted where, and the scores of all of it."""
    return {
        "asked": rules.to_json(),
        "calibration": _calibration(judged),
        "operating_point": None if rules.operating_point is None else operating_point(judged.after, judged.said, seed),
        "conformal": None if rules.level is None else _conformal(judged, decided, rules.level, seed),
        "abstention": abstention(judged.after, seed=seed),
        "folds": [{"repeat": one.outer.repeat, "fold": one.outer.fold, **_fitted(one)} for one in decided],
        "final": _fitted(final),
    }


def _calibration(judged: JudgedPredictions) -> dict[str, Any]:
    scores = {
        name: {"before": judged.raw.metrics[name].to_json(), "after": judged.evaluation.metrics[name].to_json()}
        for name in CALIBRATION_SCORES
    }
    return {"scores": scores, "bins": {"before": _bins(judged.before), "after": _bins(judged.after)}}


def _bins(oof: OutOfFold) -> dict[str, list[float]]:
    """Reliability in the first repeat: of the positive class, or with more than two of the most probable."""
    outcome = oof.outcomes[0]
    found = reliability(outcome.event, outcome.confidence, oof.row_weights[oof.rows_of(0)])
    return {name: getattr(found, name).tolist() for name in ("probability", "frequency", "low", "high", "counts")}


def _fitted(one: FoldDecisions) -> dict[str, Any]:
    return {"n_calibration": one.n_calibration, "reason": one.reason, **brief(one.fitted)}


def brief(decisions: Decisions) -> dict[str, Any]:
    """Decisions as JSON values; of an isotonic calibrator the number of points alone (``folds/`` has them all)."""
    return {**decisions.to_json(), "calibrator": _brief_calibrator(decisions.calibrator)}


def _brief_calibrator(calibrator: Calibrator) -> dict[str, Any]:
    if isinstance(calibrator, Isotonic):
        return {"kind": calibrator.kind, "n_points": sum(len(places) for places, _ in calibrator.curves)}
    return calibrator.to_json()


def with_predicted_classes(oof: OutOfFold, predicted: Integers) -> OutOfFold:
    """The predictions with all probability on the predicted class, so that scores depend on it alone."""
    return replace(oof, probabilities=np.eye(oof.n_classes)[predicted])


def operating_point(
    oof: OutOfFold, said: DecidedOutOfFold, seed: int, *, correction: Any = "nadeau-bengio"
) -> dict[str, Any]:
    """Scores at the operating point, with intervals; ``npv`` is the precision of the other class."""
    hard = with_predicted_classes(oof, said.predicted_classes)
    found = evaluate(hard, metrics=_CALLED, class_metrics=("precision",), correction=correction, seed=seed)
    other = oof.classes[1 - oof.positive_index]
    scores = {name: estimate.to_json() for name, estimate in found.metrics.items()}
    scores["npv"] = found.per_class[other]["precision"].to_json()
    return {"metrics": scores, "confusion": found.confusion.tolist()}


def _conformal(judged: JudgedPredictions, decided: Sequence[FoldDecisions], level: float, seed: int) -> dict[str, Any]:
    sets, oof = judged.said.sets, judged.after
    if sets is None:
        raise ValueError("sets were asked for and not made")
    found = coverage(oof, sets, seed=seed)
    fitted = [one.fitted.conformal for one in decided if one.fitted.conformal is not None]
    for code, name in enumerate(oof.classes):
        counts = [one.n_calibration[code] for one in fitted]
        row = {
            "n_calibration_least": min(counts),
            "uninformative_folds": sum(n < min_calibration_size(level) for n in counts),
        }
        found["per_class"][name].update(row)
    return {"level": level, "least_images": min_calibration_size(level), "n_folds": len(fitted), **found}


def coverage(
    oof: OutOfFold, sets: NDArray[np.bool_], *, seed: int, correction: Any = "nadeau-bengio"
) -> dict[str, Any]:
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
    predicted = np.where(covered, oof.labels, (oof.labels + 1) % oof.n_classes)  # right exactly where the set holds it
    found = evaluate(
        with_predicted_classes(oof, predicted),
        metrics=("accuracy",),
        class_metrics=("recall",),
        correction=correction,
        seed=seed,
    )
    weights = np.where(oof.fold >= 0, oof.row_weights, 0.0)
    shares = np.bincount(sets.sum(axis=2).ravel(), weights=weights.ravel(), minlength=oof.n_classes + 1) / weights.sum()
    return {
        "coverage": found.metrics["accuracy"].to_json(),
        "per_class": {name: {"coverage": row["recall"].to_json()} for name, row in found.per_class.items()},
        "mean_size": float(shares @ np.arange(oof.n_classes + 1)),
        "share_of_size": shares.tolist(),
    }


def abstention(oof: OutOfFold, *, seed: int) -> dict[str, Any]:
    """Accuracy where the least certain images are left to a person, at some shares, and the area under the error."""
    curves = [
        abstention_curve(oof.probabilities[repeat, rows], oof.labels[rows], oof.row_weights[rows])
        for repeat, rows in enumerate(oof.rows_of(repeat) for repeat in range(oof.n_repeats))
    ]
    return {
        "area": float(np.mean([curve.area for curve in curves])),
        "points": [_point(oof, curves, share, seed) for share in ANSWERED],
    }


def _point(oof: OutOfFold, curves: Sequence[AbstentionCurve], share: float, seed: int) -> dict[str, Any]:
    certainty = np.array([curve.at(share)[0] for curve in curves])
    sure = (oof.fold >= 0) & (oof.probabilities.max(axis=2) >= certainty[:, None])
    answered = oof.row_weights * sure
    estimate = _accuracy(replace(oof, fold=np.where(sure, oof.fold, -1)), variance_factor(oof, "nadeau-bengio"), seed)
    everything = oof.row_weights * (oof.fold >= 0)
    return {
        "asked": share,
        "answered": float(answered.sum() / everything.sum()),
        "certainty": float(certainty.mean()),
        "accuracy": {key: value for key, value in estimate.to_json().items() if key != "fold_sd"},
    }


def _accuracy(oof: OutOfFold, factor: float, seed: int) -> Estimate:
    """Accuracy of the rows left, its interval widened as that of all rows is: the heads share as much as before."""
    columns = columns_for(oof.n_classes, ("accuracy",), per_class=False)
    return estimates_of(oof, resample(oof, columns, n_resamples=1000, seed=seed), factor)[0]
