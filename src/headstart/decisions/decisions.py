"""Decisions on an image from a head's probabilities: calibrated probabilities, a predicted class, a prediction set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.decisions.calibration import check_kind, fit_calibrator
from headstart.decisions.calibrators import Calibrator, NoCalibration, calibrator_from_json
from headstart.decisions.class_rule import ClassRule, ClassRuleEvaluation, evaluate_class_rule
from headstart.decisions.conformal import ConformalSets, SetEvaluation, check_level, evaluate_sets, fit_conformal
from headstart.decisions.operating_point import (
    OperatingPoint,
    OperatingRule,
    PointEvaluation,
    check_operating_point,
    evaluate_point,
    fit_operating_point,
)
from headstart.errors import InputError
from headstart.metrics import Correction, OutOfFold
from headstart.metrics.validation import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class DecisionRules:
    """Requested calibration, operating point or rule of classes, and prediction sets.

    Attributes
    ----------
    calibrate : {"auto", "none", "temperature", "platt", "isotonic"}
    operating_point : OperatingRule or None
        None predicts the most probable class.
    level : float or None
        Level of the prediction sets; None makes none.
    class_rule : ClassRule or None
        None decides on the most probable class.
    intervals : bool
        Whether the prediction sets are intervals of ordered classes.

    Raises
    ------
    InputError
        When an operating point and a rule of classes would both decide.
    """

    calibrate: str = "auto"
    operating_point: OperatingRule | None = None
    level: float | None = None
    class_rule: ClassRule | None = None
    intervals: bool = False

    def __post_init__(self) -> None:
        if self.operating_point is not None and self.class_rule is not None:
            flag = "--costs" if self.class_rule.costs is not None else "--decide expected"
            raise InputError(f"--operating-point and {flag} each decide on the class; give one of the two.")

    def for_classes(self, classes: Sequence[str]) -> DecisionRules:
        """The rules with costs in the order of the classes of the data.

        Raises
        ------
        InputError
            When the costs are of other classes.
        """
        if self.class_rule is None:
            return self
        return replace(self, class_rule=self.class_rule.for_classes(classes))

    def check_classes(self, n_classes: int) -> None:
        """Refuse what does not exist for so many classes.

        Raises
        ------
        InputError
        """
        check_kind(self.calibrate, n_classes)
        if self.operating_point is not None:
            check_operating_point(n_classes)
        if self.class_rule is not None:
            self.class_rule.check_classes(n_classes)
        if self.level is not None:
            check_level(self.level)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a rule of classes only where there is one."""
        rule = None if self.operating_point is None else str(self.operating_point)
        chosen = {} if self.class_rule is None else {"class_rule": self.class_rule.to_json()}
        return {"calibrate": self.calibrate, "operating_point": rule, "conformal": self.level, **chosen}


@dataclass(frozen=True, eq=False)
class Decided:
    """Decisions on n images.

    Attributes
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Calibrated.
    predicted : ndarray of shape (n,), int64
        Number of the predicted class: by the operating point or the rule of classes, or the most probable.
    sets : ndarray of shape (n, n_classes), bool, or None
        Which classes are in the prediction set.
    """

    probabilities: FloatArray
    predicted: npt.NDArray[np.int64]
    sets: BoolArray | None


@dataclass(frozen=True)
class Decisions:
    """Calibrator, operating point or rule of classes, and prediction sets, for the predictions of one head.

    All but the rule of classes is fitted on out-of-fold predictions.

    Attributes
    ----------
    calibrator : Calibrator
    operating_point : OperatingPoint or None
        On calibrated probabilities.
    conformal : ConformalSets or None
        On the head's own probabilities, so that its level does not lean on the calibrator.
    class_rule : ClassRule or None
        On calibrated probabilities.
    """

    calibrator: Calibrator = field(default_factory=NoCalibration)
    operating_point: OperatingPoint | None = None
    conformal: ConformalSets | None = None
    class_rule: ClassRule | None = None

    def apply(self, probabilities: FloatArray) -> Decided:
        """Decisions on images with these probabilities by the head, of shape (n, n_classes)."""
        calibrated = self.calibrator.apply(probabilities)
        rule = self.operating_point or self.class_rule
        predicted = np.argmax(calibrated, axis=1).astype(np.int64) if rule is None else rule.predicted(calibrated)
        return Decided(calibrated, predicted, None if self.conformal is None else self.conformal.sets(probabilities))

    def notes(self, where: str) -> list[str]:
        """Sentences on a rule that could not be followed; `where` names what the decisions were fitted for."""
        point = self.operating_point
        return [f"Operating point of {where}: {point.note}"] if point is not None and point.note else []

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the very same decisions again."""
        return {
            "calibrator": self.calibrator.to_json(),
            "operating_point": None if self.operating_point is None else self.operating_point.to_json(),
            "conformal": None if self.conformal is None else self.conformal.to_json(),
            **({} if self.class_rule is None else {"class_rule": self.class_rule.to_json()}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], n_classes: int) -> Decisions:
        """The decisions that `to_json` wrote.

        Raises
        ------
        InputError, KeyError, TypeError, ValueError
            When it is something else, or for another number of classes.
        """
        point, sets, rule = value["operating_point"], value["conformal"], value.get("class_rule")
        if point is not None:
            check_operating_point(n_classes)
        class_rule = None if rule is None else ClassRule.from_json(rule)
        if class_rule is not None:
            class_rule.check_classes(n_classes)
        return cls(
            calibrator_from_json(value["calibrator"], n_classes),
            None if point is None else OperatingPoint.from_json(point),
            None if sets is None else ConformalSets.from_json(sets, n_classes),
            class_rule,
        )


AS_THEY_ARE = Decisions()
"""No calibration, the most probable class, no sets."""


def fit_decisions(
    probabilities: FloatArray,
    labels: IntArray,
    weights: FloatArray | None,
    rules: DecisionRules,
    *,
    positive: int = 1,
    folds: IntArray | None = None,
    keep_predicted: bool = False,
) -> tuple[Decisions, str]:
    """Decisions fitted by rules on predictions for rows that the head was not trained on, and why that calibrator.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Probabilities by the head.
    labels : ndarray of shape (n,), int
    weights : ndarray of shape (n,), or None
    rules : DecisionRules
    positive : {0, 1}
        Positive class of an operating point.
    folds : ndarray of shape (n,), int, optional
    keep_predicted : bool
        As `fit_calibrator` takes both.

    Returns
    -------
    decisions : Decisions
    reason : str
        Why the calibrator is of its kind.
    """
    fitted = fit_calibrator(
        probabilities, labels, weights, kind=rules.calibrate, folds=folds, keep_predicted=keep_predicted
    )
    point, sets = None, None
    if rules.operating_point is not None:
        calibrated = fitted.calibrator.apply(probabilities)
        point = fit_operating_point(calibrated, labels, rules.operating_point, weights, positive=positive)
    if rules.level is not None:
        sets = fit_conformal(probabilities, labels, rules.level, weights, intervals=rules.intervals)
    return Decisions(fitted.calibrator, point, sets, rules.class_rule), fitted.reason


@dataclass(frozen=True, eq=False)
class DecidedOutOfFold:
    """Predicted class and prediction set of every image, by decisions that did not see it.

    Attributes
    ----------
    predicted_classes : ndarray of shape (n_repeats, n_images), int64
        Class numbers; rows not judged in a repeat hold 0.
    sets : ndarray of shape (n_repeats, n_images, n_classes), bool, or None
    """

    predicted_classes: npt.NDArray[np.int64]
    sets: BoolArray | None


@dataclass(frozen=True, eq=False)
class DecisionScores:
    """Scores of an operating point or a rule of classes and of prediction sets on images they were not fitted on.

    Attributes
    ----------
    operating_point : PointEvaluation or None
    conformal : SetEvaluation or None
    class_rule : ClassRuleEvaluation or None
        None where there is no such thing, as for the others.
    """

    operating_point: PointEvaluation | None
    conformal: SetEvaluation | None
    class_rule: ClassRuleEvaluation | None = None


def evaluate_decisions(
    decisions: Decisions,
    oof: OutOfFold,
    decided: DecidedOutOfFold,
    *,
    seed: int,
    correction: Correction = "nadeau-bengio",
) -> DecisionScores:
    """Scores of predicted classes and prediction sets of images that they were not fitted on.

    Parameters
    ----------
    decisions : Decisions
        Those of a fold or of a model: whether there is an operating point, and the level of the sets.
    oof : OutOfFold
        Labels, weights and folds of the images.
    decided : DecidedOutOfFold
    seed : int
        Random seed of the resampling.
    correction : {"nadeau-bengio", "none"}
        As `headstart.metrics.evaluate` takes it.
    """
    point, sets, by_rule = None, None, None
    if decisions.operating_point is not None:
        point = evaluate_point(oof, decided.predicted_classes, seed=seed, correction=correction)
    if decisions.conformal is not None and decided.sets is not None:
        sets = evaluate_sets(oof, decided.sets, decisions.conformal.level, seed=seed, correction=correction)
    if decisions.class_rule is not None:
        by_rule = evaluate_class_rule(
            decisions.class_rule, oof, decided.predicted_classes, seed=seed, correction=correction
        )
    return DecisionScores(point, sets, by_rule)
