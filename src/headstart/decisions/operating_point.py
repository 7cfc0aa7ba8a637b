"""Operating points of two classes: the probability from which on an image is predicted positive, by a rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.metrics import Correction, Estimate, OutOfFold, evaluate
from headstart.metrics.validation import (
    FloatArray,
    check_labels,
    check_probabilities,
    check_weights,
    ratio,
    relative_weights,
)

RULES = ("youden", "sensitivity>=S", "specificity>=S", "cost:R")
_FORM = re.compile(r"^\s*([a-z_-]+)\s*(>=|=|:)?\s*(\S+)?\s*$", re.IGNORECASE)
_SCORES = ("accuracy", "balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc")
_ALWAYS, _NEVER = 0.0, float(np.nextafter(1.0, 2.0))


@dataclass(frozen=True)
class OperatingRule:
    """Rule that an operating point follows.

    Attributes
    ----------
    name : {"youden", "sensitivity", "specificity", "cost"}
    value : float or None
        Share of positives (negatives) that must be predicted so, or how many false alarms one missed positive costs.
    """

    name: str
    value: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return self.name
        return f"cost:{self.value:g}" if self.name == "cost" else f"{self.name}>={self.value:g}"


def parse_rule(words: str) -> OperatingRule:
    """A rule as users write it.

    ``youden`` asks for the largest sensitivity + specificity - 1; ``sensitivity>=0.95`` (in a shell without quotes:
    ``sensitivity=0.95``) for the best specificity among the points that reach it, ``specificity>=0.9`` likewise;
    ``cost:10`` (or ``cost:10/1``) for the least cost where one missed positive costs as much as ten false alarms.

    Raises
    ------
    InputError
        When it is none of these, with the close matches, or its number is out of range.

    Examples
    --------
    >>> parse_rule("sensitivity=0.95"), str(parse_rule("cost:20/2"))
    (OperatingRule(name='sensitivity', value=0.95), 'cost:10')
    """
    match = _FORM.match(words)
    name, sign, number = match.groups() if match else (words, None, None)
    name = name.lower()
    if name not in ("youden", "sensitivity", "specificity", "cost"):
        raise InputError(unknown_name("operating point", words, RULES))
    if name == "youden":
        if number is not None:
            raise InputError(f"The operating point {words!r} takes no number. Write youden.")
        return OperatingRule(name)
    value = _ratio(number, words) if name == "cost" else _share(number, words)
    if (sign == ":") != (name == "cost"):
        form = "cost:10" if name == "cost" else f"{name}>=0.95"
        raise InputError(f"The operating point {words!r} is not understood. Write it as in {form}.")
    return OperatingRule(name, value)


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        return float("nan")


def _share(text: str | None, words: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise InputError(f"The operating point {words!r} needs a share above 0 and at most 1, such as 0.95 for 95 %.")
    return value


def _ratio(text: str | None, words: str) -> float:
    above, _, below = (text or "").partition("/")
    value = _number(above) / (_number(below) or float("nan")) if below else _number(above)
    if not (np.isfinite(value) and value > 0):
        raise InputError(
            f"The operating point {words!r} needs the cost of a missed positive over that of a false alarm, a number "
            "above 0 such as cost:10 or cost:10/1."
        )
    return value


@dataclass(frozen=True)
class OperatingPoint:
    """Probability from which on an image is predicted positive.

    Attributes
    ----------
    rule : str
        In the words that `parse_rule` reads.
    positive : {0, 1}
        The positive class.
    threshold : float
        Images are predicted positive from this probability on; above 1: never.
    note : str
        Why the rule could not be followed; empty where it was.
    """

    rule: str
    positive: int
    threshold: float
    note: str = ""

    def __post_init__(self) -> None:
        if self.positive not in (0, 1) or not 0 <= self.threshold <= _NEVER:
            raise InputError("An operating point has a positive class 0 or 1 and a threshold from 0 to 1.")

    def predicted(self, probabilities: FloatArray) -> npt.NDArray[np.int64]:
        """Number of the predicted class of every row of shape (n, 2)."""
        is_positive = probabilities[:, self.positive] >= self.threshold
        return np.where(is_positive, self.positive, 1 - self.positive).astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain values by field."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OperatingPoint:
        """The point that `to_json` wrote; InputError, KeyError, TypeError or ValueError for something else."""
        given = {"rule": str(parse_rule(value["rule"])), "threshold": float(value["threshold"])}
        return cls(**{**{field.name: value[field.name] for field in fields(cls)}, **given})


def check_operating_point(n_classes: int) -> None:
    """Refuse an operating point for more than two classes.

    Raises
    ------
    InputError
    """
    if n_classes != 2:
        raise InputError(
            f"An operating point is for two classes; there are {n_classes}, where the most probable class is "
            "predicted. Leave --operating-point out, or join classes to two."
        )


def fit_operating_point(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    rule: OperatingRule | str,
    weights: npt.ArrayLike | None = None,
    *,
    positive: int = 1,
) -> OperatingPoint:
    """The threshold that follows a rule on these rows.

    Thresholds lie half-way between neighbouring probabilities, below all of them (every row is predicted positive) and
    above all (none is). Of equally good ones the nearest to one half is taken. On other rows the rule holds about as
    well as the rows are many: of 20 positives a sensitivity of 0.95 rests on a single one.

    Parameters
    ----------
    probabilities : array-like of shape (n, 2)
        For rows that the head was not trained on.
    labels : array-like of shape (n,), int
    rule : OperatingRule or str
        As `parse_rule` takes it.
    weights : array-like of shape (n,), optional
    positive : {0, 1}

    Returns
    -------
    OperatingPoint
        Where one of the classes has no row (or no weight) no rule can be followed: the threshold is one half, and the
        note says so.

    Raises
    ------
    InputError
        When the arrays do not fit together, there are more than two classes, or the rule is unknown.

    Examples
    --------
    >>> found = fit_operating_point([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], [0, 0, 1, 1], "sensitivity>=1")
    >>> round(found.threshold, 6)
    0.2
    """
    followed = parse_rule(rule) if isinstance(rule, str) else rule
    n_rows = len(np.atleast_1d(np.asarray(labels)))
    columns = check_probabilities(probabilities, n_rows)
    check_operating_point(columns.shape[1])
    happened = check_labels(labels, 2) == positive
    weight = relative_weights(check_weights(weights, n_rows))
    if not (weight[happened].any() and weight[~happened].any()):
        note = "A class has no calibration rows, so the threshold is one half."
        return OperatingPoint(str(followed), positive, 0.5, note)
    thresholds = _thresholds(columns[weight > 0, positive])
    sensitivity, specificity = _rates(columns[:, positive], happened, weight, thresholds)
    masses = (float(weight[happened].sum()), float(weight[~happened].sum()))
    gain = _GAINS[followed.name](followed.value or 0.0, sensitivity, specificity, masses)
    best = np.flatnonzero(gain >= gain.max() - 1e-12 * max(1.0, abs(float(gain.max()))))
    chosen = best[np.argmin(np.abs(thresholds[best] - 0.5))]
    return OperatingPoint(str(followed), positive, float(thresholds[chosen]))


def _thresholds(values: FloatArray) -> FloatArray:
    """One below all values, one between each two neighbours, one above all; rising."""
    distinct = np.unique(values)
    return np.concatenate([[_ALWAYS], (distinct[:-1] + distinct[1:]) / 2, [_NEVER]])


def _rates(
    values: FloatArray, happened: npt.NDArray[np.bool_], weight: FloatArray, thresholds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sensitivity and specificity at every threshold."""
    order = np.argsort(values, kind="stable")
    below = np.searchsorted(values[order], thresholds, side="left")  # rows predicted negative
    missed = np.append(0.0, np.cumsum(np.where(happened, weight, 0.0)[order]))
    passed = np.append(0.0, np.cumsum(np.where(happened, 0.0, weight)[order]))
    return 1 - ratio(missed[below], missed[-1]), ratio(passed[below], passed[-1])


_Gain = Callable[[float, FloatArray, FloatArray, tuple[float, float]], FloatArray]
_SLACK = 1e-9
_GAINS: dict[str, _Gain] = {
    "youden": lambda value, sensitivity, specificity, masses: sensitivity + specificity,
    "sensitivity": lambda value, sensitivity, specificity, masses: np.where(
        sensitivity >= value - _SLACK, specificity, -1.0
    ),
    "specificity": lambda value, sensitivity, specificity, masses: np.where(
        specificity >= value - _SLACK, sensitivity, -1.0
    ),
    "cost": lambda value, sensitivity, specificity, masses: (
        -(value * masses[0] * (1 - sensitivity) + masses[1] * (1 - specificity))
    ),
}


@dataclass(frozen=True, eq=False)
class PointEvaluation:
    """Scores of the classes predicted at an operating point.

    Attributes
    ----------
    metrics : dict of str to Estimate
        Scores by name; ``npv`` is the precision of the negative class.
    confusion : tuple of tuple of float
        Rows true, columns predicted.
    """

    metrics: dict[str, Estimate]
    confusion: tuple[tuple[float, ...], ...]


def evaluate_point(
    oof: OutOfFold, predicted: npt.NDArray[np.int64], *, seed: int, correction: Correction = "nadeau-bengio"
) -> PointEvaluation:
    """Scores of classes predicted at operating points that did not see the images.

    Parameters
    ----------
    oof : OutOfFold
        Predictions for two classes.
    predicted : ndarray of shape (n_repeats, n_images), int64
        Number of the predicted class.
    seed : int
        Random seed of the resampling.
    correction : {"nadeau-bengio", "none"}
        As `headstart.metrics.evaluate` takes it.
    """
    found = evaluate(
        oof.with_predicted(predicted), metrics=_SCORES, class_metrics=("precision",), correction=correction, seed=seed
    )
    negative = oof.classes[1 - oof.positive_index]
    metrics = {**found.metrics, "npv": found.per_class[negative]["precision"]}
    return PointEvaluation(metrics, tuple(tuple(row) for row in found.confusion.tolist()))
