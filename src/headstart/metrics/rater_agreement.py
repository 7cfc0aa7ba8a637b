"""Agreement of several raters: Krippendorff's alpha, with an interval over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit  # scipy.stats takes most of a second to import

from headstart.errors import InputError, unknown_name
from headstart.metrics.validation import FloatArray, IntArray, plain, ratio

Level = Literal["nominal", "ordinal"]

N_RESAMPLES: Final = 1000
_MOSTLY: Final = 0.9  # share of the resamples in which alpha must be defined for an interval to be given
_TAIL: Final = 2.5  # percent on either side
_BLOCK_ENTRIES: Final = 1 << 22  # numbers held at once


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha: 1 is perfect agreement, 0 what chance gives, below 0 worse than chance.

    Attributes
    ----------
    level : {"nominal", "ordinal"}
    value : float
        nan where alpha is undefined; `reason` then gives the cause.
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
    drawn as wholes here (groups of images, where there are any), since the votes on one image hang together; ends
    are those of Efron's BCa bootstrap, widened by Student's quantile (docs/labels.md has their coverage). Where nobody
    ever disagreed the resamples do not differ either; the lower end is then what as many images without a disagreement
    leave possible (Clopper and Pearson's bound).

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
    table = np.asarray(counts)
    value = krippendorff_alpha(table, level=level)
    if np.isnan(value):
        return Agreement(level, value, None, _why_undefined(table))
    several = table.sum(axis=1) >= 2
    named = np.arange(several.sum()) if groups is None else np.asarray(groups)[several]
    units = np.unique(named, return_inverse=True)[1].ravel()
    if not ((table > 0).sum(axis=1) > 1).any():
        return Agreement(level, value, _without_disagreement(table, int(units.max()) + 1, level))
    drawn = _resampled(table[several], units, level, n_resamples, seed)
    left_out = value - _without_each(table[several], units, level)
    return Agreement(level, value, _interval(value, drawn, left_out))


def krippendorff_alpha(counts: npt.ArrayLike, *, level: Level = "nominal") -> float:
    """Krippendorff's alpha of a table of votes; images with fewer than two votes do not enter.

    Parameters
    ----------
    counts : array-like of shape (n_images, n_classes), int
        Number of raters that gave each class to each image; of ordered classes in their order.
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
    >>> counts = np.eye(2, dtype=int)[meg] + np.eye(2, dtype=int)[owen]
    >>> round(krippendorff_alpha(counts), 3)
    0.095
    """
    _check_level(level)
    pairs = _pairs(np.asarray(counts)).sum(axis=0, keepdims=True)
    return float(_alphas(pairs, level)[0])


def _check_level(level: str) -> None:
    if level not in get_args(Level):
        raise InputError(unknown_name("level of agreement", level, get_args(Level)))


def _resampled(counts: IntArray, units: IntArray, level: Level, n_resamples: int, seed: int) -> FloatArray:
    """Alpha of each resample of whole units, shape (n_resamples,).

    Coincidences add up over images, so those of a resample are sums weighted by how often each unit was drawn.
    """
    generator = np.random.default_rng(seed)
    n_units = int(units.max()) + 1
    batch = max(1, _BLOCK_ENTRIES // n_units)
    found = []
    for start in range(0, n_resamples, batch):
        size = min(batch, n_resamples - start)
        drawn = [generator.integers(0, n_units, n_units) for _ in range(size)]
        times = np.stack([np.bincount(one, minlength=n_units) for one in drawn]).astype(np.float64)
        found.append(_alphas(_weighted_pairs(counts, units, times), level))
    return np.concatenate(found)


def _weighted_pairs(counts: IntArray, units: IntArray, times: FloatArray) -> FloatArray:
    """Coincidences with every unit counted so often, shape (batch, n_classes, n_classes); `times` is (batch, n_units).

    Images are taken a block at a time, so that memory stays bounded whatever the number of images and classes.
    """
    n_classes = counts.shape[1]
    sums = np.zeros((len(times), n_classes * n_classes))
    block = max(1, _BLOCK_ENTRIES // max(n_classes * n_classes, len(times)))
    for start in range(0, len(counts), block):
        part = slice(start, start + block)
        sums += times[:, units[part]] @ _pairs(counts[part]).reshape(-1, n_classes * n_classes)
    return sums.reshape(len(times), n_classes, n_classes)


def _without_each(counts: IntArray, units: IntArray, level: Level) -> FloatArray:
    """Alpha without each unit in turn, shape (n_units,)."""
    n_units, n_classes = int(units.max()) + 1, counts.shape[1]
    total = _weighted_pairs(counts, units, np.ones((1, n_units)))[0]
    order = np.argsort(units, kind="stable")
    block = max(1, _BLOCK_ENTRIES // (n_classes * n_classes))
    found = np.empty(n_units)
    for start in range(0, n_units, block):
        rows = order[np.searchsorted(units[order], start) : np.searchsorted(units[order], start + block)]
        own = np.zeros((min(block, n_units - start), n_classes, n_classes))
        np.add.at(own, units[rows] - start, _pairs(counts[rows]))
        found[start : start + len(own)] = _alphas(total - own, level)
    return found


def _interval(value: float, drawn: FloatArray, influence: FloatArray) -> tuple[float, float] | None:
    """Interval from the resamples: percentiles moved for bias and skewness, with Student's quantile for few units.

    Parameters
    ----------
    value : float
    drawn : ndarray of shape (n_resamples,)
    influence : ndarray of shape (n_units,)
        What each unit adds to the value.

    Returns
    -------
    (float, float) or None
        None for a single unit, and where too few resamples have an alpha.

    References
    ----------
    B. Efron 1987, "Better bootstrap confidence intervals", DOI 10.1080/01621459.1987.10478410
    """
    defined = drawn[~np.isnan(drawn)]
    n_units = len(influence)
    if n_units < 2 or len(defined) < _MOSTLY * len(drawn):
        return None
    below = ((defined < value).mean() + (defined <= value).mean()) / 2
    bias = ndtri(np.clip(below, 1 / len(defined), 1 - 1 / len(defined)))
    skewness = _acceleration(influence)
    reach = stdtrit(n_units - 1, 1 - _TAIL / 100) * np.sqrt(n_units / (n_units - 1))
    low, high = np.percentile(defined, [100 * _moved(side * reach, float(bias), skewness) for side in (-1, 1)])
    return min(float(low), value), max(float(high), value)


def _acceleration(influence: FloatArray) -> float:
    """Skewness of the influence of the units over 6 and the square root of their number."""
    centred = influence[~np.isnan(influence)]
    centred = centred - centred.mean() if len(centred) else centred
    squares = float((centred**2).sum())
    return float((centred**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0


def _moved(point: float, bias: float, acceleration: float) -> float:
    """Share of the resamples below an end of the interval, for a standard normal quantile."""
    shrunk = 1 - acceleration * (bias + point)
    return float(ndtr(bias + (bias + point) / shrunk)) if shrunk > 0 else float(point > 0)


def _without_disagreement(counts: IntArray, n_units: int, level: Level) -> tuple[float, float]:
    """Interval of a perfect agreement: as many images as could disagree with probability 2.5 % of showing none."""
    frequencies = _pairs(counts).sum(axis=(0, 2))[None]
    differences = _differences(frequencies, level)[0]
    total = frequencies.sum()
    expected = float(frequencies[0] @ differences @ frequencies[0] / (total * (total - 1)))
    share = 1.0 - (_TAIL / 100) ** (1.0 / n_units)
    return max(-1.0, 1.0 - share * float(differences.max()) / expected), 1.0


def _why_undefined(counts: IntArray) -> str:
    if not (counts.sum(axis=1) >= 2).any():
        return "no image was rated by two raters"
    return "all ratings are of one class, so there is nothing to agree about"


def _pairs(counts: IntArray) -> FloatArray:
    """Coincidences of each image, shape (n_images, n_classes, n_classes): ordered pairs of votes over (votes - 1)."""
    votes = counts.astype(np.float64)
    others = votes.sum(axis=1) - 1
    weight = np.where(others >= 1, ratio(1.0, np.maximum(others, 1.0)), 0.0)
    pairs = votes[:, :, None] * votes[:, None, :]
    diagonal = np.arange(votes.shape[1])
    pairs[:, diagonal, diagonal] -= votes
    return np.asarray(pairs * weight[:, None, None])


def _differences(frequencies: FloatArray, level: Level) -> FloatArray:
    """Squared difference of every two classes, shape (batch, n_classes, n_classes), by their frequencies (batch, n)."""
    if level == "nominal":
        return np.broadcast_to(1.0 - np.eye(frequencies.shape[1]), (*frequencies.shape, frequencies.shape[1]))
    middle = np.cumsum(frequencies, axis=1) - frequencies / 2
    return np.asarray((middle[:, :, None] - middle[:, None, :]) ** 2)


def _alphas(coincidences: FloatArray, level: Level) -> FloatArray:
    """Alpha of each coincidence matrix, shape (batch,); nan where it is undefined."""
    frequencies = coincidences.sum(axis=2)  # (batch, n_classes)
    differences = _differences(frequencies, level)
    observed = (coincidences * differences).sum(axis=(1, 2))
    expected = np.einsum("bc,bck,bk->b", frequencies, differences, frequencies)
    return np.asarray(1.0 - ratio((frequencies.sum(axis=1) - 1) * observed, expected))
