"""How far several raters agree: Krippendorff's alpha, with an interval over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.metrics.arrays import BoolArray, FloatArray, IntArray, plain, ratio

Level = Literal["nominal", "ordinal"]

GAP: Final = -1
"""Code of a rating that is missing."""

N_RESAMPLES: Final = 1000
_MOSTLY: Final = 0.9  # share of the resamples in which alpha must be defined for an interval to be given
_TAIL: Final = 2.5  # percent on either side


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha: 1 is perfect agreement, 0 what chance gives, below 0 worse than chance.

    Attributes
    ----------
    level : {"nominal", "ordinal"}
    value : float
        nan where alpha is undefined; `reason` then says why.
    interval : (float, float) or None
        95 %, over images of this kind rated by these raters.
    reason : str
    """

    level: Level
    value: float
    interval: tuple[float, float] | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for results.json."""
        bounds = None if self.interval is None else list(self.interval)
        return {"value": plain(self.value), "ci95": bounds, "reason": self.reason}


def vote_counts(ratings: npt.ArrayLike, n_classes: int) -> IntArray:
    """How many raters gave each class to each image.

    Parameters
    ----------
    ratings : array-like of shape (n_images, n_raters), int
        Class codes; -1 for a rating that is missing.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_images, n_classes), int64

    Raises
    ------
    InputError
        When the ratings are no table of class codes.

    Examples
    --------
    >>> vote_counts([[0, 1, 1], [0, -1, -1]], 2)
    array([[1, 2],
           [1, 0]])
    """
    codes = np.asarray(ratings)
    if codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise InputError(f"Ratings are whole numbers of shape (n_images, n_raters); got {codes.dtype} {codes.shape}.")
    if codes.size and (codes.min() < GAP or codes.max() >= n_classes):
        raise InputError(
            f"Ratings are class codes from 0 to {n_classes - 1}, or -1 for a gap; got {codes.min()} to {codes.max()}."
        )
    counts: IntArray = (codes[:, :, None] == np.arange(n_classes)).sum(axis=1).astype(np.int64)
    return counts


def krippendorff_alpha(counts: npt.ArrayLike, *, level: Level = "nominal") -> float:
    """Krippendorff's alpha of a table of votes; images with fewer than two votes do not enter.

    Parameters
    ----------
    counts : array-like of shape (n_images, n_classes), int
        Votes for each class, from `vote_counts`; of ordered classes in their order.
    level : {"nominal", "ordinal"}
        "nominal" counts every disagreement alike, "ordinal" those between distant classes for more. With two classes
        both are the same.

    Returns
    -------
    float
        nan where no image has two votes, or all votes are for one class.

    References
    ----------
    K. Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability",
    https://repository.upenn.edu/handle/20.500.14332/2089; the ordinal difference is that of section D.

    Examples
    --------
    Two raters, ten images (section A there):

    >>> meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    >>> round(krippendorff_alpha(vote_counts(list(zip(meg, owen)), 2)), 3)
    0.095
    """
    _check_level(level)
    votes, pairing = _pairable(np.asarray(counts))
    return float(_alpha(_coincidences(votes, pairing), level))


def rater_agreement(
    counts: npt.ArrayLike,
    *,
    level: Level = "nominal",
    groups: npt.ArrayLike | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Krippendorff's alpha with a 95 % interval from resampling the images.

    Where we depart from Krippendorff: he resamples single pairs of votes, as if they were independent. Images are
    drawn as wholes here (groups of images, where there are any), since the votes on one image hang together. Where
    nobody ever disagreed the resamples do not differ either; the lower end is then what as many images without a
    disagreement leave possible (Clopper and Pearson's bound).

    Parameters
    ----------
    counts, level
        As for `krippendorff_alpha`.
    groups : array-like of shape (n_images,), int, optional
        Images that are resampled together.
    n_resamples : int
    seed : int

    Returns
    -------
    Agreement
    """
    value = krippendorff_alpha(counts, level=level)
    if np.isnan(value):
        return Agreement(level, value, None, _why_undefined(np.asarray(counts)))
    table = np.asarray(counts)
    several = table.sum(axis=1) >= 2
    votes, pairing = _pairable(table)
    units = np.arange(len(votes)) if groups is None else np.unique(np.asarray(groups)[several], return_inverse=True)[1]
    interval = _interval(votes, pairing, units.ravel(), level=level, n_resamples=n_resamples, seed=seed)
    return Agreement(level, value, interval)


def _check_level(level: str) -> None:
    if level not in get_args(Level):
        raise InputError(unknown_name("level of agreement", level, get_args(Level)))


def _pairable(counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Votes of the images with at least two, and the weight 1 / (votes - 1) of each such image."""
    several = counts.sum(axis=1) >= 2
    votes = counts[several].astype(np.float64)
    return votes, 1.0 / (votes.sum(axis=1) - 1)


def _coincidences(votes: FloatArray, weights: FloatArray) -> FloatArray:
    """Coincidence matrix, shape (n_classes, n_classes): pairs of votes for two classes on one image, weighted."""
    weighted = votes * weights[:, None]
    return np.asarray(weighted.T @ votes - np.diag(weighted.sum(axis=0)))


def _differences(frequencies: FloatArray, level: Level) -> FloatArray:
    """Squared difference of every two classes, shape (n_classes, n_classes)."""
    if level == "nominal":
        return 1.0 - np.eye(len(frequencies))
    middle = np.cumsum(frequencies) - frequencies / 2
    return np.asarray((middle[:, None] - middle[None, :]) ** 2)


def _alpha(coincidences: FloatArray, level: Level) -> FloatArray:
    frequencies = coincidences.sum(axis=1)
    differences = _differences(frequencies, level)
    observed = (coincidences * differences).sum()
    expected = frequencies @ differences @ frequencies
    return np.asarray(1.0 - ratio((frequencies.sum() - 1) * observed, expected))


def _interval(
    votes: FloatArray, pairing: FloatArray, units: IntArray, *, level: Level, n_resamples: int, seed: int
) -> tuple[float, float] | None:
    """Percentiles of alpha over resamples of whole units; None where too few resamples have one."""
    if not _disagreeing(votes).any():
        return _without_disagreement(votes, pairing, int(units.max()) + 1, level)
    generator = np.random.default_rng(seed)
    n_units = int(units.max()) + 1
    drawn = np.empty(n_resamples)
    for number in range(n_resamples):
        times = np.bincount(generator.integers(0, n_units, n_units), minlength=n_units)
        drawn[number] = _alpha(_coincidences(votes, pairing * times[units]), level)
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < _MOSTLY * n_resamples:
        return None
    low, high = np.percentile(defined, (_TAIL, 100 - _TAIL))
    return float(low), float(high)


def _disagreeing(votes: FloatArray) -> BoolArray:
    return np.asarray((votes > 0).sum(axis=1) > 1)


def _without_disagreement(votes: FloatArray, pairing: FloatArray, n_units: int, level: Level) -> tuple[float, float]:
    """Interval of a perfect agreement: as many images as could disagree with probability 2.5 % of showing none."""
    frequencies = _coincidences(votes, pairing).sum(axis=1)
    differences = _differences(frequencies, level)
    total = frequencies.sum()
    expected = float(frequencies @ differences @ frequencies / (total * (total - 1)))
    share = 1.0 - (_TAIL / 100) ** (1.0 / n_units)
    return max(-1.0, 1.0 - share * float(differences.max()) / expected), 1.0


def _why_undefined(counts: IntArray) -> str:
    if not (counts.sum(axis=1) >= 2).any():
        return "no image was rated by two raters"
    return "all ratings are of one class, so there is nothing to agree about"
