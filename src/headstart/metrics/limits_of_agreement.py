"""Bias and limits of agreement of a measurement with the truth, as Bland and Altman draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit  # scipy.stats takes most of a second to import

from headstart.errors import InputError

MIN_PAIRS: Final = 3
_TAIL: Final = 0.975


@dataclass(frozen=True)
class LimitsOfAgreement:
    """Differences of measured and true values: their mean, and limits between which 95 % of them lie.

    Attributes
    ----------
    n : int
        Pairs of values.
    bias : float
        Mean of measured minus true.
    bias_interval : (float, float)
        95 %, Student's.
    deviation : float
        Standard deviation of the differences.
    limits : (float, float)
        Bias minus and plus 1.96 deviations.
    limit_intervals : ((float, float), (float, float))
        95 % of either limit.
    """

    n: int
    bias: float
    bias_interval: tuple[float, float]
    deviation: float
    limits: tuple[float, float]
    limit_intervals: tuple[tuple[float, float], tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {
            "n": self.n,
            "bias": self.bias,
            "bias_ci95": list(self.bias_interval),
            "deviation": self.deviation,
            "limits": list(self.limits),
            "limits_ci95": [list(interval) for interval in self.limit_intervals],
        }


def limits_of_agreement(measured: npt.ArrayLike, truth: npt.ArrayLike) -> LimitsOfAgreement:
    """Bias and limits of agreement of measured values with true ones.

    Parameters
    ----------
    measured, truth : array-like of shape (n,)
        Pairs of values in one unit: the share of dead cells of every micrograph, say.

    Raises
    ------
    InputError
        When there are fewer than 3 pairs, lengths differ or a value is not finite.

    References
    ----------
    Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8; the intervals of the limits: Bland & Altman 1999,
    doi:10.1177/096228029900800204, section 2.2.

    Examples
    --------
    >>> found = limits_of_agreement([11.0, 12.0, 13.0, 16.0], [10.0, 12.0, 14.0, 14.0])
    >>> found.bias, round(found.deviation, 3), [round(limit, 2) for limit in found.limits]
    (0.5, 1.291, [-2.03, 3.03])
    """
    first, second = np.asarray(measured, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"Measured and true values are one each per pair; got shapes {first.shape}, {second.shape}.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("Measured and true values must be finite. Leave pairs with a gap out.")
    if len(first) < MIN_PAIRS:
        raise InputError(f"Limits of agreement need at least {MIN_PAIRS} pairs of values; there are {len(first)}.")
    differences = first - second
    n, bias, deviation = len(differences), float(differences.mean()), float(differences.std(ddof=1))
    reach, normal = float(stdtrit(n - 1, _TAIL)), float(ndtri(_TAIL))
    of_bias = reach * deviation / np.sqrt(n)
    of_limit = reach * deviation * np.sqrt(1 / n + normal**2 / (2 * (n - 1)))
    limits = (bias - normal * deviation, bias + normal * deviation)
    return LimitsOfAgreement(
        n=n,
        bias=bias,
        bias_interval=_around(bias, of_bias),
        deviation=deviation,
        limits=limits,
        limit_intervals=(_around(limits[0], of_limit), _around(limits[1], of_limit)),
    )


def _around(middle: float, reach: float) -> tuple[float, float]:
    return float(middle - reach), float(middle + reach)
