"""Share of a class among answers that come in clusters, from a classifier that errs: as called, and corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit  # scipy.stats takes most of a second to import

from headstart.errors import InputError
from headstart.metrics.prevalence.clusters import Likeness, checked_counts, effective_size
from headstart.metrics.prevalence.error_rates import ErrorRates

LEVEL: Final = 0.95


@dataclass(frozen=True)
class Share:
    """Share of a class with its 95 % interval.

    Attributes
    ----------
    value, low, high : float in [0, 1]
    """

    value: float
    low: float
    high: float


def called_share(hits: npt.ArrayLike, sizes: npt.ArrayLike, alike: Likeness) -> Share:
    """Share that the classifier calls so, in the population that the clusters are a sample of.

    Wilson's interval with as many answers as the clusters are worth and Student's quantile.

    Parameters
    ----------
    hits, sizes : array-like of shape (n_clusters,)
        Answers that call the class, and all, of each cluster.
    alike : Likeness
        From these and further clusters, by `headstart.metrics.prevalence.clusters.likeness`.

    Raises
    ------
    InputError
        When there is no answer at all.

    References
    ----------
    Franco, Little, Louis, Slud 2019, PMC6690503: Wilson's interval with an effective sample size.

    Examples
    --------
    >>> from headstart.metrics.prevalence.clusters import NOTHING_KNOWN
    >>> one = called_share([0], [16], NOTHING_KNOWN)
    >>> one.value, one.low, round(one.high, 3)
    (0.0, 0.0, 0.194)
    """
    share, rows = _share_and_rows(hits, sizes, alike)
    squared = _quantile(alike) ** 2
    centre = (share * rows + squared / 2) / (rows + squared)
    reach = float(np.sqrt(squared * (share * (1 - share) * rows + squared / 4)) / (rows + squared))
    return Share(share, min(share, max(0.0, centre - reach)), max(share, min(1.0, centre + reach)))


def corrected_share(hits: npt.ArrayLike, sizes: npt.ArrayLike, alike: Likeness, rates: ErrorRates) -> Share:
    """Share of the class, corrected for the classifier's errors; the interval knows that these are estimates.

    The share is Rogan and Gladen's, within [0, 1]; the interval is Lang and Reiczigel's. Where we depart from them:
    the answers count as many as the clusters are worth, those that sensitivity and specificity rest on too, and the
    quantile is Student's.

    Parameters
    ----------
    hits, sizes, alike
        As for `called_share`.
    rates : ErrorRates

    Raises
    ------
    InputError
        When there is no answer at all, or the classifier hardly tells the class from others.

    References
    ----------
    Rogan & Gladen 1978, doi:10.1093/oxfordjournals.aje.a112510; Lang & Reiczigel 2014, "Confidence limits for
    prevalence of disease adjusted for estimated sensitivity and specificity", doi:10.1016/j.prevetmed.2013.09.015.
    """
    share, rows = _share_and_rows(hits, sizes, alike)
    value = rogan_gladen(share, rates)
    quantile = _quantile(alike)
    squared = quantile**2
    sensitivity, specificity = rates.sensitivity, rates.specificity
    moved = (share * rows + squared / 2) / (rows + squared)
    youden = sensitivity.value + specificity.value - 1
    centre = (moved + specificity.value - 1) / youden
    shift = 2 * squared * (centre * sensitivity.variance - (1 - centre) * specificity.variance)
    spread = moved * (1 - moved) / (rows + squared)
    spread += centre**2 * sensitivity.variance + (1 - centre) ** 2 * specificity.variance
    reach = quantile * np.sqrt(spread) / youden
    low, high = (float(np.clip(centre + shift + side * reach, 0, 1)) for side in (-1, 1))
    return Share(value, min(low, value), max(high, value))


def rogan_gladen(share: float, rates: ErrorRates) -> float:
    """Share of the class behind a share that was called so, within [0, 1].

    Raises
    ------
    InputError
        When the classifier hardly tells the class from others: then every share fits what was called.

    Examples
    --------
    >>> from headstart.metrics.prevalence.error_rates import Rate
    >>> rates = ErrorRates(Rate(90, 100, 0, 100), Rate(95, 100, 0, 100))
    >>> round(rogan_gladen(0.475, rates), 3)
    0.5
    """
    if not rates.can_correct:
        raise InputError(
            f"With a sensitivity of {rates.sensitivity.observed:.0%} and a specificity of "
            f"{rates.specificity.observed:.0%} the classifier hardly tells the class from others, so its share cannot "
            "be corrected. Train a better one, or use the share as it was called."
        )
    right, wrong = rates.sensitivity.observed, 1 - rates.specificity.observed
    return float(np.clip((share - wrong) / (right - wrong), 0.0, 1.0))


def _share_and_rows(hits: npt.ArrayLike, sizes: npt.ArrayLike, alike: Likeness) -> tuple[float, float]:
    found, counts = checked_counts(hits, sizes)
    if counts.sum() == 0:
        raise InputError("There is nothing of which a share could be given: 0 answers.")
    return float(found.sum() / counts.sum()), effective_size(counts, alike.correlation)


def _quantile(alike: Likeness) -> float:
    """Student's quantile for as much as is known of the likeness; where nothing is, the normal one."""
    tail = (1 + LEVEL) / 2
    return float(stdtrit(alike.freedom, tail)) if alike.freedom else float(ndtri(tail))
