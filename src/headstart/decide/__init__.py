"""From probabilities to decisions: calibration, operating points, prediction sets, abstention.

Everything is fitted on predictions for rows that the head was not trained on, and knows arrays only.
"""

from headstart.decide.abstention import AbstentionCurve, abstention_curve
from headstart.decide.calibration import Calibrator, Isotonic, NoCalibration, Platt, Temperature
from headstart.decide.conformal import ConformalSets, cross_conformal_sets, fit_conformal, least_images
from headstart.decide.decisions import AS_THEY_ARE, Decided, DecisionRules, Decisions
from headstart.decide.fitting import Calibration, fit_calibrator
from headstart.decide.threshold import OperatingPoint, Rule, fit_operating_point, parse_rule

__all__ = [
    "AS_THEY_ARE",
    "AbstentionCurve",
    "Calibration",
    "Calibrator",
    "ConformalSets",
    "Decided",
    "DecisionRules",
    "Decisions",
    "Isotonic",
    "NoCalibration",
    "OperatingPoint",
    "Platt",
    "Rule",
    "Temperature",
    "abstention_curve",
    "cross_conformal_sets",
    "fit_calibrator",
    "fit_conformal",
    "fit_operating_point",
    "least_images",
    "parse_rule",
]
