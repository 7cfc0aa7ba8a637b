"""From probabilities to decisions: calibration, operating points, prediction sets, abstention.

Everything is fitted on predictions for rows that the head was not trained on, and knows arrays only.
"""

from headstart.decisions.abstention import AbstentionCurve, abstention_curve
from headstart.decisions.calibration import Calibration, fit_calibrator
from headstart.decisions.calibrators import Calibrator, Isotonic, NoCalibration, Platt, Temperature
from headstart.decisions.conformal import ConformalSets, fit_conformal, min_calibration_size
from headstart.decisions.decisions import (
    AS_THEY_ARE,
    Decided,
    DecidedOutOfFold,
    DecisionRules,
    Decisions,
    evaluate_decisions,
    fit_decisions,
)
from headstart.decisions.operating_point import OperatingPoint, OperatingRule, fit_operating_point, parse_rule

__all__ = [
    "AS_THEY_ARE",
    "AbstentionCurve",
    "Calibration",
    "Calibrator",
    "ConformalSets",
    "Decided",
    "DecidedOutOfFold",
    "DecisionRules",
    "Decisions",
    "Isotonic",
    "NoCalibration",
    "OperatingPoint",
    "OperatingRule",
    "Platt",
    "Temperature",
    "abstention_curve",
    "evaluate_decisions",
    "fit_calibrator",
    "fit_conformal",
    "fit_decisions",
    "fit_operating_point",
    "min_calibration_size",
    "parse_rule",
]
