"""Calibrators: from a head's probabilities to ones that agree with frequencies; each is monotone in every class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from scipy.special import expit

from headstart.decisions.scaling import softmax
from headstart.errors import InputError, unknown_name
from headstart.metrics.tally import PROBABILITY_FLOOR
from headstart.metrics.validation import FloatArray


@dataclass(frozen=True)
class NoCalibration:
    """Probabilities as the head gives them."""

    kind: ClassVar[str] = "none"

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """The probabilities themselves, of shape (n, n_classes)."""
        return probabilities

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind}


@dataclass(frozen=True)
class Temperature:
    """Every log probability times one factor, for any number of classes; the most probable class stays what it was.

    Attributes
    ----------
    inverse : float > 0
        One over the temperature: below 1 it takes confidence away, above 1 it adds some.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017,
    arXiv:1706.04599, section 4.2. They scale logits; log probabilities differ from those by a constant of the row.
    """

    inverse: float
    kind: ClassVar[str] = "temperature"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.inverse) and self.inverse > 0):
            raise InputError(f"A temperature must be finite and above 0, not 1/{self.inverse}.")

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities of shape (n, n_classes)."""
        return softmax(self.inverse * log_probabilities(probabilities))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "inverse": self.inverse}


@dataclass(frozen=True)
class Platt:
    """A sigmoid of the log odds of class 1, for two classes.

    Attributes
    ----------
    slope : float >= 0
    offset : float
        Not 0, it moves where both classes are equally probable.

    References
    ----------
    See `headstart.decisions.scaling.fit_platt`.
    """

    slope: float
    offset: float
    kind: ClassVar[str] = "platt"

    def __post_init__(self) -> None:
        if not (np.isfinite([self.slope, self.offset]).all() and self.slope >= 0):
            raise InputError(f"Platt's slope must be finite and not negative, not {self.slope} ({self.offset}).")

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities of shape (n, 2)."""
        odds = self.slope * log_odds(probabilities) + self.offset
        return np.stack([expit(-odds), expit(odds)], axis=1)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "slope": self.slope, "offset": self.offset}


@dataclass(frozen=True)
class Isotonic:
    """For two classes a rising line through a few points; for more one for each class, the row then made to sum to 1.

    Attributes
    ----------
    curves : tuple of (tuple of float, tuple of float)
        Probabilities of the head, strictly rising, and what they become: of class 1 alone for two classes, else of
        every class. Between the points lines are straight, beyond them flat. No point lies at 0 or 1.

    References
    ----------
    B. Zadrozny, C. Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002,
    DOI 10.1145/775047.775151.
    """

    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    kind: ClassVar[str] = "isotonic"

    def __post_init__(self) -> None:
        for places, values in self.curves:
            rising = bool(np.all(np.diff(places) > 0) and np.all(np.diff(values) >= 0))
            inside = bool(len(places)) and 0 < min(values) <= max(values) < 1
            if len(places) != len(values) or not rising or not inside:
                raise InputError("An isotonic curve must rise, between 0 and 1. The calibrator was changed or damaged.")

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities of shape (n, n_classes)."""
        if len(self.curves) == 1:
            found = np.interp(probabilities[:, 1], *self.curves[0])
            return np.stack([1 - found, found], axis=1)
        columns = [np.interp(probabilities[:, code], *curve) for code, curve in enumerate(self.curves)]
        table = np.stack(columns, axis=1)
        return np.asarray(table / table.sum(axis=1, keepdims=True))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "curves": [[list(places), list(values)] for places, values in self.curves]}


Calibrator: TypeAlias = NoCalibration | Temperature | Platt | Isotonic


def calibrator_from_json(value: Mapping[str, Any], n_classes: int) -> Calibrator:
    """The calibrator that `to_json` wrote.

    Raises
    ------
    InputError, KeyError, TypeError, ValueError
        When it is something else, or for another number of classes.
    """
    kind = value["kind"]
    if kind == "none":
        return NoCalibration()
    if kind == "temperature":
        return Temperature(float(value["inverse"]))
    if kind == "platt" and n_classes == 2:
        return Platt(float(value["slope"]), float(value["offset"]))
    if kind == "isotonic" and len(value["curves"]) == (1 if n_classes == 2 else n_classes):
        return Isotonic(tuple((_floats(places), _floats(values)) for places, values in value["curves"]))
    raise InputError(unknown_name(f"calibrator of {n_classes} classes", str(kind), ["none", "temperature"]))


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def log_probabilities(probabilities: FloatArray) -> FloatArray:
    """Logarithms, probabilities kept from 0 as in the log loss."""
    return np.asarray(np.log(np.clip(probabilities, PROBABILITY_FLOOR, None)))


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Log odds of class 1 of two, shape (n,)."""
    logs = log_probabilities(probabilities)
    return np.asarray(logs[:, 1] - logs[:, 0])
