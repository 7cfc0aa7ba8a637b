"""How many of the very rows that were counted are of a class, when the classifier that called them errs."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import betaln, gammaln, ndtr

from headstart.errors import InputError
from headstart.metrics.prevalence.error_rates import ErrorRates, Rate
from headstart.metrics.prevalence.share import Share, rogan_gladen
from headstart.metrics.validation import FloatArray

TAIL: Final = 0.025
MAX_EXACT: Final = 200
"""Rows up to which the distribution of the calls is added up exactly; above, it is taken to be normal."""
_MAX_PRECISION: Final = 1e9


def counted_share(hits: int, n: int, rates: ErrorRates) -> Share:
    """Share of a class among the rows of one cluster, corrected; nothing is said of rows that were not counted.

    The interval holds every number of rows of the class under which so many calls, or more extreme ones, are not
    rarer than 2.5 % on either side (mid-p). Calls of one truth follow a beta-binomial distribution: its mean is the
    sensitivity (or what it misses of 1 for the specificity), its spread what these are uncertain by and what differs
    from cluster to cluster.

    Parameters
    ----------
    hits : int
        Rows that were called so.
    n : int
        All rows of the cluster.
    rates : ErrorRates

    Raises
    ------
    InputError
        When there is no row, or the classifier hardly tells the class from others.

    References
    ----------
    Rogan & Gladen 1978, doi:10.1093/oxfordjournals.aje.a112510, for the share; Lancaster 1961,
    doi:10.1080/01621459.1961.10482105, for mid-p.

    Examples
    --------
    A classifier that is right in all of 2,000 rows of each truth leaves nothing open:

    >>> from headstart.metrics.prevalence.error_rates import ErrorRates, Rate
    >>> sure = Rate(2000, 2000, 0.0, 2000)
    >>> counted_share(5, 16, ErrorRates(sure, sure))
    Share(value=0.3125, low=0.3125, high=0.3125)
    """
    if n < 1 or not 0 <= hits <= n:
        raise InputError(f"{hits:,} of {n:,} rows cannot have been called so; expected 0 to all of at least 1 row.")
    value = rogan_gladen(hits / n, rates)
    at_most = _mid_tails(hits, n, rates)  # falls with the number of rows of the class
    inside = np.flatnonzero((at_most > TAIL) & (at_most < 1 - TAIL))
    nearest = round(value * n)
    low, high = (int(inside[0]), int(inside[-1])) if len(inside) else (nearest, nearest)
    return Share(value, min(low / n, value), max(high / n, value))


def _mid_tails(hits: int, n: int, rates: ErrorRates) -> FloatArray:
    """Probability of fewer calls than `hits`, and half that of as many, for 0 to n rows of the class."""
    return _exact_tails(hits, n, rates) if n <= MAX_EXACT else _normal_tails(hits, n, rates)


def _exact_tails(hits: int, n: int, rates: ErrorRates) -> FloatArray:
    right, wrong = _beta(rates.sensitivity), _beta(rates.specificity)[::-1]
    tails = np.empty(n + 1)
    for of_class in range(n + 1):
        calls = np.convolve(_beta_binomial(of_class, *right), _beta_binomial(n - of_class, *wrong))
        tails[of_class] = calls[:hits].sum() + calls[hits] / 2
    return tails


def _normal_tails(hits: int, n: int, rates: ErrorRates) -> FloatArray:
    of_class = np.arange(n + 1, dtype=np.float64)
    found, found_variance = _moments(of_class, *_beta(rates.sensitivity))
    wrong, wrong_variance = _moments(n - of_class, *_beta(rates.specificity)[::-1])
    return np.asarray(ndtr((hits - found - wrong) / np.sqrt(found_variance + wrong_variance)))


def _beta(rate: Rate) -> tuple[float, float]:
    """Beta distribution of the rate in a further cluster: spread by what is uncertain and by how clusters differ."""
    spread = rate.correlation + (1 - rate.correlation) / (rate.effective + 3)
    precision = min(1 / spread - 1, _MAX_PRECISION) if spread < 1 else 1 / _MAX_PRECISION
    return rate.value * precision, (1 - rate.value) * precision


def _beta_binomial(n: int, a: float, b: float) -> FloatArray:
    """Probabilities of 0 to n hits."""
    k = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(np.exp(ways + betaln(k + a, n - k + b) - betaln(a, b)))


def _moments(n: FloatArray, a: float, b: float) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the beta-binomial distribution, elementwise in `n`."""
    share = a / (a + b)
    return n * share, n * share * (1 - share) * (a + b + n) / (a + b + 1)
