"""Images unlike anything seen: how far is far, from distances of images that the measure did not see.

The distance of every training image is measured from those of other folds, so from images of other groups. A new image
is novel where so few of these distances reach its own that a stated rate is kept: of images of the same kind, taken in
the same way, at most that share is flagged.

References
----------
S. Bates, E. Candès, L. Lei, Y. Romano, M. Sesia, "Testing for outliers with conformal p-values", Annals of Statistics
51, 2023, arXiv:2104.08279.
Y. Lee, R. F. Barber, R. Willett, "Distribution-free inference with hierarchical data", arXiv:2306.06342 (each image
weighs one over the size of its group, and groups are counted).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics import Correction, Estimate, OutOfFold, evaluate
from headstart.metrics.validation import BoolArray, FloatArray

_TINY = 1e-9


@dataclass(frozen=True)
class NoveltyRule:
    """How unlike the training images an image must be to be flagged.

    Attributes
    ----------
    rate : float
        Share of the images of the same kind that may be flagged.
    measure : {"knn", "mahalanobis"}
    """

    rate: float
    measure: Literal["knn", "mahalanobis"] = "knn"


@dataclass(frozen=True, eq=False)
class Novelty:
    """Distance from the training images, and what follows from it, for n images.

    Attributes
    ----------
    distance : ndarray of shape (n,)
    p_value : ndarray of shape (n,)
        Share of the training images, this one counted, that lie at least as far from those of other folds.
    is_novel : ndarray of shape (n,), bool
    """

    distance: FloatArray
    p_value: FloatArray
    is_novel: BoolArray


@dataclass(frozen=True, eq=False)
class NoveltyThreshold:
    """Distances of training images from those of other folds, by which new images are judged.

    Attributes
    ----------
    rate : float
    distances : ndarray of shape (m,)
        Rising.
    weights : ndarray of shape (m,)
        One over the number of images in the group of each.
    """

    rate: float
    distances: FloatArray
    weights: FloatArray

    @property
    def n_groups(self) -> int:
        """Number of groups that the distances come from; of images, where there are no groups."""
        return round(float(self.weights.sum()))

    @property
    def is_silent(self) -> bool:
        """Whether there are too few groups for the rate, so that no image is ever flagged."""
        return self.n_groups < min_groups(self.rate)

    @property
    def threshold(self) -> float | None:
        """Distance beyond which an image is flagged; None where none ever is."""
        if self.is_silent:
            return None
        beyond = _shares(self._mass_from(np.nextafter(self.distances, np.inf)), self.n_groups)
        return float(self.distances[np.argmax(self._flags(beyond))])

    def apply(self, distances: FloatArray) -> Novelty:
        """P value and flag of images at these distances, of shape (n,)."""
        p_values = _shares(self._mass_from(distances), self.n_groups)
        return Novelty(distances, p_values, self._flags(p_values))

    def _flags(self, p_values: FloatArray) -> BoolArray:
        return np.asarray(p_values <= self.rate + _TINY)

    def _mass_from(self, distances: FloatArray) -> FloatArray:
        """Summed weight of the training images that lie at least so far."""
        tail = np.append(np.cumsum(self.weights[::-1])[::-1], 0.0)
        return np.asarray(tail[np.searchsorted(self.distances, distances, side="left")])

    def to_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Both arrays by name."""
        return {"calibration_distances": self.distances, "calibration_weights": self.weights}

    @classmethod
    def from_tensors(cls, rate: float, tensors: Mapping[str, npt.NDArray[Any]]) -> NoveltyThreshold:
        """The threshold that `to_tensors` stored.

        Raises
        ------
        InputError
            When the arrays do not fit together.
        KeyError
            When one is missing.
        """
        distances, weights = tensors["calibration_distances"], tensors["calibration_weights"]
        sound = distances.ndim == 1 and len(distances) and distances.shape == weights.shape
        kinds = distances.dtype == weights.dtype == np.float64
        if not (sound and kinds and np.isfinite(distances).all() and ((weights > 0) & (weights <= 1)).all()):
            raise InputError("Distances of the training images need a weight each, above 0 and at most 1.")
        if (np.diff(distances) < 0).any():
            raise InputError("Distances of the training images must rise.")
        return cls(check_rate(rate), distances, weights)


def check_rate(rate: float) -> float:
    """The rate, a share of images.

    Raises
    ------
    InputError
        When it is not above 0 and below 1.
    """
    if not 0 < rate < 1:
        hint = f" For {rate:g} % write {rate / 100:g}." if 1 <= rate < 100 else ""
        raise InputError(f"The novelty rate is {rate:g}; expected a share above 0 and below 1, such as 0.05.{hint}")
    return float(rate)


def min_groups(rate: float) -> int:
    """Fewest groups (images, where there are no groups) with which any image can be flagged at a rate.

    >>> min_groups(0.05), min_groups(0.01)
    (19, 99)
    """
    return math.ceil(1 / Fraction(repr(float(rate)))) - 1


def fit_novelty(
    distances: npt.ArrayLike, rate: float, *, groups: npt.NDArray[np.int64] | None = None
) -> NoveltyThreshold:
    """Threshold from distances of training images, each measured from images of other folds.

    Where a new group of images is exchangeable with those of the training images, and measured from as many images as
    they were, an image of it is flagged with a probability of at most `rate`. The final measure knows all training
    images, a few more than each of these distances, so new images of the same kind lie slightly nearer and the rate is
    kept with a little to spare.

    Parameters
    ----------
    distances : array-like of shape (n,)
    rate : float, above 0 and below 1
    groups : ndarray of shape (n,), int, optional
        Images of one group count as one together.

    Raises
    ------
    InputError
        When there is no distance, one is not finite, or the rate is out of range.

    Examples
    --------
    >>> found = fit_novelty([0.3, 0.1, 0.2, 0.4], rate=0.2)
    >>> found.apply(np.array([0.25, 0.5])).p_value.tolist(), found.threshold
    ([0.6, 0.2], 0.4)
    """
    check_rate(rate)
    values = np.asarray(distances, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise InputError(f"Distances must be finite numbers, one for each image; got shape {values.shape}.")
    weights = np.ones(len(values))
    if groups is not None:
        _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        weights = 1.0 / sizes[codes]
    order = np.argsort(values, kind="stable")
    return NoveltyThreshold(float(rate), values[order], weights[order])


def _shares(mass: FloatArray, n_groups: int) -> FloatArray:
    """P value from the weight of the training images at least as far, the new image counted with them."""
    return np.minimum((mass + 1.0) / (n_groups + 1.0), 1.0)


def evaluate_novelty(
    oof: OutOfFold, is_novel: BoolArray, *, seed: int, correction: Correction = "nadeau-bengio"
) -> Estimate:
    """Share of images flagged, with its interval.

    Parameters
    ----------
    oof : OutOfFold
        Labels, weights, groups and folds of the images.
    is_novel : ndarray of shape (n_repeats, n_images), bool
    seed : int
        Random seed of the resampling.
    correction : {"nadeau-bengio", "none"}
        As `headstart.metrics.evaluate` takes it.
    """
    labels = np.broadcast_to(oof.labels, is_novel.shape)
    counted = np.where(is_novel, labels, (labels + 1) % oof.n_classes)  # right where flagged
    found = evaluate(
        oof.with_predicted(counted), metrics=("accuracy",), per_class=False, correction=correction, seed=seed
    )
    return found.metrics["accuracy"]
