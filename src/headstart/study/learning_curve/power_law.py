"""The law of a learning curve: loss = a + b n^-c, with a band that knows how little the exponent is known.

A loss is 1 - score, or the score itself where less is better. For every exponent of a grid the two other numbers follow
by weighted least squares; exponents are averaged by how well they fit (Bayesian model averaging over an even prior), so
the prediction and its band carry what the points cannot say about the exponent. Points of one size share training
images: a mean over R draws of n out of N images counts as min(R, N / n) draws, and the deviation of a single draw falls
with a power of n that is fitted where draws still differ.

References
----------
R. L. Figueroa et al., "Predicting sample size required for classification performance", BMC Medical Informatics and
Decision Making 12:8, 2012. DOI 10.1186/1472-6947-12-8
T. Viering, M. Loog, "The shape of learning curves: a review", IEEE TPAMI 45(6), 2023. arXiv:2103.10948
J. A. Hoeting et al., "Bayesian model averaging: a tutorial", Statistical Science 14(4), 1999, 382-417.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from headstart.errors import InputError

Floats = NDArray[np.float64]

EXPONENTS: Final = np.round(np.arange(0.15, 1.201, 0.05), 2)
"""Exponents met in practice; a smaller one cannot be told from a straight line in log n."""
MIN_POINTS: Final = 4
MAX_TIMES: Final = 3.0
"""Largest multiple of the images at hand that the law is carried to; beyond, its form alone decides."""
LEVEL: Final = 0.90
_MIN_DEVIATION: Final = 1e-4
_SCALE: Final = 100.0  # sizes are taken in hundreds, so that b is the loss to be won from 100 images on


@dataclass(frozen=True, eq=False)
class Points:
    """Measured losses.

    Attributes
    ----------
    sizes : ndarray of shape (K,), float64
        Number of images trained on, rising.
    mean : ndarray of shape (K,)
        Mean loss over the draws.
    single : ndarray of shape (K,)
        Deviation of the loss of one draw.
    of_mean : ndarray of shape (K,)
        Deviation of the mean.
    """

    sizes: Floats
    mean: Floats
    single: Floats
    of_mean: Floats


@dataclass(frozen=True)
class Predicted:
    """Loss at one size.

    Attributes
    ----------
    loss : float
    low, high : float
        Ends of the band in which the loss of one more training set of that size lies with 90 %.
    """

    loss: float
    low: float
    high: float


def points_of(sizes: Floats, losses: Floats, n_images: int) -> Points:
    """Points of a curve, with the deviations of one draw and of the mean.

    Parameters
    ----------
    sizes : ndarray of shape (K,)
        Rising.
    losses : ndarray of shape (R, K)
        Losses of R draws at every size, R >= 2.
    n_images : int
        Images that the draws are taken from.

    Raises
    ------
    InputError
        With fewer than 4 sizes or 2 draws.
    """
    sizes, losses = np.asarray(sizes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    n_draws = len(losses)
    if len(sizes) < MIN_POINTS or n_draws < 2:
        raise InputError(
            f"A learning curve needs at least {MIN_POINTS} sizes and 2 draws of each; came {len(sizes)} and {n_draws}. "
            "Ask for more, or add images."
        )
    variance = losses.var(axis=0, ddof=1)
    differing = sizes <= n_images / 2  # beyond, draws share most of their images
    differing = differing if differing.sum() >= 2 else np.ones(len(sizes), dtype=bool)
    single = _smooth(sizes, variance, differing)
    if not differing.all():  # where draws share images they may still differ, by their folds
        single *= np.sqrt(max(1.0, float(np.mean(variance[~differing] / single[~differing] ** 2))))
    effective = np.clip(n_images / sizes, 1.0, n_draws)
    return Points(sizes, losses.mean(axis=0), single, single / np.sqrt(effective))


def _smooth(sizes: Floats, variance: Floats, used: NDArray[np.bool_]) -> Floats:
    """Deviation of one draw at every size: a power of n between 1/4 and 3/4, least squares on logarithms."""
    logs, values = np.log(sizes[used]), 0.5 * np.log(np.maximum(variance[used], _MIN_DEVIATION**2))
    centred = logs - logs.mean()
    slope = float(centred @ values / max(centred @ centred, 1e-12))
    power = float(np.clip(-slope, 0.25, 0.75))
    level = values.mean() + power * logs.mean()
    return np.asarray(np.maximum(np.exp(level - power * np.log(sizes)), _MIN_DEVIATION))


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """A fitted law.

    Attributes
    ----------
    points : Points
    share : ndarray of shape (C,)
        Weight of every exponent of `EXPONENTS`; they sum to one.
    numbers : ndarray of shape (C, 2)
        Asymptote a and slope b for every exponent, b in loss at 100 images.
    covariance : ndarray of shape (C, 2, 2)
    n_images : int
        Most images that were trained on: what `MAX_TIMES` counts from.
    """

    points: Points
    share: Floats
    numbers: Floats
    covariance: Floats
    n_images: int

    @classmethod
    def fit(cls, points: Points, n_images: int) -> PowerLaw:
        """The law of these points."""
        weight = 1.0 / points.of_mean**2
        found = [_least_squares(points, weight, float(exponent)) for exponent in EXPONENTS]
        misfit = np.array([one[2] for one in found])
        share = np.exp(-0.5 * (misfit - misfit.min()))
        numbers, covariance = np.stack([one[0] for one in found]), np.stack([one[1] for one in found])
        return cls(points, share / share.sum(), numbers, covariance, n_images)

    @property
    def exponent(self) -> float:
        """Mean exponent c."""
        return float(self.share @ EXPONENTS)

    @property
    def asymptote(self) -> float:
        """Mean of a: the loss that no number of images would go below, if the law held for ever."""
        return float(self.share @ self.numbers[:, 0])

    def predict(self, n: float) -> Predicted:
        """Loss after training on n images, and the band for one training set of that size.

        Raises
        ------
        InputError
            Beyond 3 times the images at hand.
        """
        self._check(n)
        mean, variance = self._moments(n)
        total = np.sqrt(variance + self._single(n) ** 2)
        low, high = (self._quantile(mean, total, level) for level in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Predicted(float(self.share @ mean), low, high)

    def gain(self, n: float) -> Predicted:
        """Loss at the images at hand less that at n: what more images are expected to win, the luck of one draw aside.

        Raises
        ------
        InputError
            Beyond 3 times the images at hand.
        """
        self._check(n)
        step = _basis(np.array([self.n_images]), EXPONENTS) - _basis(np.array([n]), EXPONENTS)  # (1, C)
        mean = step[0] * self.numbers[:, 1]
        deviation = np.abs(step[0]) * np.sqrt(self.covariance[:, 1, 1])
        low, high = (self._quantile(mean, deviation, level) for level in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Predicted(float(self.share @ mean), low, high)

    def _check(self, n: float) -> None:
        if n > MAX_TIMES * self.n_images:
            raise InputError(
                f"{n:,.0f} images are more than {MAX_TIMES:g} times the {self.n_images:,} trained on, too far for any "
                f"law to be trusted. Ask for at most {MAX_TIMES * self.n_images:,.0f}, or add images and draw the "
                "curve again."
            )
        if n < 1:
            raise InputError(f"A number of images must be at least 1, not {n:g}.")

    def _moments(self, n: float) -> tuple[Floats, Floats]:
        basis = np.stack([np.ones(len(EXPONENTS)), _basis(np.array([n]), EXPONENTS)[0]], axis=1)  # (C, 2)
        mean = np.einsum("cj,cj->c", basis, self.numbers)
        return mean, np.einsum("ci,cij,cj->c", basis, self.covariance, basis)

    def _single(self, n: float) -> float:
        """Deviation of one draw of n, carried on by the power that the points follow."""
        sizes, single = np.log(self.points.sizes), np.log(self.points.single)
        slope = (single[-1] - single[0]) / (sizes[-1] - sizes[0])
        return float(np.exp(single[-1] + slope * (np.log(n) - sizes[-1])))

    def _quantile(self, mean: Floats, deviation: Floats, level: float) -> float:
        """Quantile of a mixture of normal distributions, by bisection."""
        spread = np.maximum(deviation, 1e-12)
        low, high = float((mean - 12 * spread).min()), float((mean + 12 * spread).max())
        for _ in range(80):
            middle = (low + high) / 2
            below = float(self.share @ ndtr((middle - mean) / spread))
            low, high = (middle, high) if below < level else (low, middle)
        return (low + high) / 2


def _basis(sizes: Floats, exponents: Floats) -> Floats:
    """(n / 100)^-c, of shape (sizes, exponents)."""
    return np.asarray((sizes[:, None] / _SCALE) ** -exponents)


def _least_squares(points: Points, weight: Floats, exponent: float) -> tuple[Floats, Floats, float]:
    """Numbers (a, b), their covariance and the misfit for one exponent; b is not let below zero, nor a.

    More images may not make the loss larger in the long run, and no loss is below zero.
    """
    design = np.stack([np.ones(len(points.sizes)), _basis(points.sizes, np.array([exponent]))[:, 0]], axis=1)
    normal = design.T @ (weight[:, None] * design)
    covariance: Floats = np.asarray(np.linalg.inv(normal), dtype=np.float64)
    numbers = covariance @ (design.T @ (weight * points.mean))
    for place in (1, 0):
        if numbers[place] < 0:
            numbers, covariance = _without(place, design, weight, points.mean)
    misfit = float((weight * (points.mean - design @ numbers) ** 2).sum())
    return numbers, covariance, misfit


def _without(place: int, design: Floats, weight: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The fit with one of the two numbers held at zero."""
    other = 1 - place
    column = design[:, other]
    precision = float(column @ (weight * column))
    numbers, covariance = np.zeros(2), np.zeros((2, 2))
    numbers[other] = max(float(column @ (weight * values)) / precision, 0.0)
    covariance[other, other] = 1.0 / precision
    return numbers, covariance
