"""From probabilities to decisions: calibration, operating points, prediction sets, abstention.

Everything is fitted on predictions for rows that the head was not trained on, and knows arrays only.
"""

from headstart.decisions.abstention import AbstentionCurve, abstention_curve
from headstart.decisions.calibration import Calibration, fit_calibrator
from headstart.decisions.calibrators import Calibrator, Isotonic, NoCalibration, Platt, Temperature
from headstart.decisions.class_rule import ClassRule, CostTable, read_costs
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
from headstart.decisions.novelty import Novelty, NoveltyRule, NoveltyThreshold, evaluate_novelty, fit_novelty
from headstart.decisions.operating_point import OperatingPoint, OperatingRule, fit_operating_point, parse_rule

__all__ = [
    "AS_THEY_ARE",
    "AbstentionCurve",
    "Calibration",
    "Calibrator",
    "ClassRule",
    "ConformalSets",
    "CostTable",
    "Decided",
    "DecidedOutOfFold",
    "DecisionRules",
    "Decisions",
    "Isotonic",
    "NoCalibration",
    "Novelty",
    "NoveltyRule",
    "NoveltyThreshold",
    "OperatingPoint",
    "OperatingRule",
    "Platt",
    "Temperature",
    "abstention_curve",
    "evaluate_decisions",
    "evaluate_novelty",
    "fit_calibrator",
    "fit_conformal",
    "fit_decisions",
    "fit_novelty",
    "fit_operating_point",
    "min_calibration_size",
    "parse_rule",
    "read_costs",
]
