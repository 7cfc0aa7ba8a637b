"""Decisions on an image from a head's probabilities: calibrated probabilities, a predicted class, a prediction set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.decisions.calibration import check_kind
from headstart.decisions.calibrators import Calibrator, NoCalibration, calibrator_from_json
from headstart.decisions.conformal import ConformalSets, check_level
from headstart.decisions.operating_point import OperatingPoint, OperatingRule, check_operating_point
from headstart.metrics.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class DecisionRules:
    """Requested calibration, operating point and level of the prediction sets.

    Attributes
    ----------
    calibrate : {"auto", "none", "temperature", "platt", "isotonic"}
    operating_point : OperatingRule or None
        None predicts the most probable class.
    level : float or None
        Level of the prediction sets; None makes none.
    """

    calibrate: str = "auto"
    operating_point: OperatingRule | None = None
    level: float | None = None

    def check_classes(self, n_classes: int) -> None:
        """Refuse what does not exist for so many classes.

        Raises
        ------
        InputError
        """
        check_kind(self.calibrate, n_classes)
        if self.operating_point is not None:
            check_operating_point(n_classes)
        if self.level is not None:
            check_level(self.level)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rule = None if self.operating_point is None else str(self.operating_point)
        return {"calibrate": self.calibrate, "operating_point": rule, "conformal": self.level}


@dataclass(frozen=True, eq=False)
class Decided:
    """Decisions on n images.

    Attributes
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Calibrated.
    predicted : ndarray of shape (n,), int64
        Number of the predicted class: by the operating point, or the most probable.
    sets : ndarray of shape (n, n_classes), bool, or None
        Which classes are in the prediction set.
    """

    probabilities: FloatArray
    predicted: npt.NDArray[np.int64]
    sets: BoolArray | None


@dataclass(frozen=True)
class Decisions:
    """Calibrator, operating point and prediction sets, fitted on out-of-fold predictions of one head.

    Attributes
    ----------
    calibrator : Calibrator
    operating_point : OperatingPoint or None
        On calibrated probabilities.
    conformal : ConformalSets or None
        On the head's own probabilities, so that its level does not lean on the calibrator.
    """

    calibrator: Calibrator = field(default_factory=NoCalibration)
    operating_point: OperatingPoint | None = None
    conformal: ConformalSets | None = None

    def apply(self, probabilities: FloatArray) -> Decided:
        """Decisions on images with these probabilities by the head, of shape (n, n_classes)."""
        calibrated = self.calibrator.apply(probabilities)
        point = self.operating_point
        predicted = np.argmax(calibrated, axis=1).astype(np.int64) if point is None else point.predicted(calibrated)
        return Decided(calibrated, predicted, None if self.conformal is None else self.conformal.sets(probabilities))

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the very same decisions again."""
        return {
            "calibrator": self.calibrator.to_json(),
            "operating_point": None if self.operating_point is None else self.operating_point.to_json(),
            "conformal": None if self.conformal is None else self.conformal.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], n_classes: int) -> Decisions:
        """The decisions that `to_json` wrote.

        Raises
        ------
        InputError, KeyError, TypeError, ValueError
            When it is something else, or for another number of classes.
        """
        point, sets = value["operating_point"], value["conformal"]
        if point is not None:
            check_operating_point(n_classes)
        return cls(
            calibrator_from_json(value["calibrator"], n_classes),
            None if point is None else OperatingPoint.from_json(point),
            None if sets is None else ConformalSets.from_json(sets, n_classes),
        )


AS_THEY_ARE = Decisions()
"""No calibration, the most probable class, no sets."""
