"""How often a classifier errs for and against one class, from answers known to be right or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.prevalence.clusters import effective_size, likeness
from headstart.metrics.validation import BoolArray, FloatArray, IntArray

MIN_YOUDEN: Final = 0.1
"""Sensitivity + specificity - 1 below which a share cannot be corrected: the classifier hardly tells the two apart."""


@dataclass(frozen=True)
class Rate:
    """Share of right answers among rows of one truth.

    Attributes
    ----------
    hits, n : float
        Right answers, and all.
    correlation : float
        Intracluster correlation of being right: pictures of one kind go wrong together.
    effective : float
        Independent answers that they are worth.
    """

    hits: float
    n: float
    correlation: float
    effective: float

    @property
    def value(self) -> float:
        """Share of right answers, moved towards one half by one answer of each kind, so that it is never 0 or 1."""
        return (self.hits / self.n * self.effective + 1) / (self.effective + 2)

    @property
    def observed(self) -> float:
        """Share of right answers as it was counted."""
        return self.hits / self.n

    @property
    def variance(self) -> float:
        """Variance of `value` as an estimate."""
        return self.value * (1 - self.value) / (self.effective + 2)

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {
            "right": self.hits,
            "n": self.n,
            "value": self.observed,
            "correlation": self.correlation,
            "effective_n": self.effective,
        }


@dataclass(frozen=True)
class ErrorRates:
    """Sensitivity and specificity of a classifier for one class, with what they rest on.

    Attributes
    ----------
    sensitivity, specificity : Rate
    """

    sensitivity: Rate
    specificity: Rate

    @property
    def youden(self) -> float:
        """Sensitivity + specificity - 1: 1 for a classifier that never errs, 0 for one that guesses."""
        return self.sensitivity.value + self.specificity.value - 1

    @property
    def can_correct(self) -> bool:
        """Whether the classifier tells the class from others well enough for a share to be corrected."""
        observed = self.sensitivity.observed + self.specificity.observed - 1  # of few rows it may be far less
        return min(self.youden, observed) >= MIN_YOUDEN

    def to_json(self) -> dict[str, Any]:
        """Plain values for documents."""
        return {"sensitivity": self.sensitivity.to_json(), "specificity": self.specificity.to_json()}


def error_rates(truth: npt.ArrayLike, called: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> ErrorRates:
    """Sensitivity and specificity from rows whose truth is known, best out of fold.

    Parameters
    ----------
    truth : array-like of shape (n,), bool
        Whether a row is of the class.
    called : array-like of shape (n,), bool or float
        Whether it was called so; of several repeats the mean.
    groups : array-like of shape (n,), optional
        Rows whose errors may hang together: cells of one micrograph. Default: each row by itself.

    Raises
    ------
    InputError
        When there is no row of the class, or of the others: then one of the two cannot be known.
    """
    is_class, yes = np.asarray(truth, dtype=bool), np.asarray(called, dtype=np.float64)
    if is_class.ndim != 1 or is_class.shape != yes.shape:
        raise InputError(f"Truth and calls are one each per row; got shapes {is_class.shape} and {yes.shape}.")
    if is_class.all() or not is_class.any():
        raise InputError(
            "Sensitivity and specificity need rows of the class and rows of others; all are "
            + ("of the class." if is_class.any() else "of others.")
        )
    named = np.arange(len(yes)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    return ErrorRates(_rate(yes, is_class, named), _rate(1 - yes, ~is_class, named))


def _rate(right: FloatArray, rows: BoolArray, groups: IntArray) -> Rate:
    sizes = np.bincount(groups[rows])
    hits = np.bincount(groups[rows], weights=right[rows])
    kept = sizes > 0
    alike = likeness(np.minimum(hits, sizes)[kept], sizes[kept]).correlation
    return Rate(float(hits.sum()), float(sizes.sum()), alike, effective_size(sizes[kept], alike))
