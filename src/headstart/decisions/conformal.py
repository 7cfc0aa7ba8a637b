"""Prediction sets that hold the true class with a stated frequency, class by class.

A class is in the set of an image where its probability is not among the lowest that calibration images of that class
were given (the score LAC: one minus the probability). Classes are treated apart (Mondrian), so that the level holds
for each of them, the rare ones too.

References
----------
V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", 2005, section 4.5 (Mondrian).
M. Sadinle, J. Lei, L. Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", JASA 114, 2019,
DOI 10.1080/01621459.2017.1395341 (LAC, class-conditional).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics import Correction, Estimate, OutOfFold, evaluate
from headstart.metrics.validation import BoolArray, check_labels, check_probabilities, check_weights

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConformalSets:
    """Prediction sets: the probability from which on a class is in the set, class by class.

    Attributes
    ----------
    level : float
        Share of the images of each class whose set is to hold that class.
    thresholds : tuple of float
        For each class the lowest probability with which it is in a set; 0 where it always is.
    n_calibration : tuple of int
        Images of each class it rests on.
    intervals : bool
        Whether the sets are intervals of ordered classes.
    """

    level: float
    thresholds: tuple[float, ...]
    n_calibration: tuple[int, ...]
    intervals: bool = False

    @property
    def uninformative(self) -> tuple[bool, ...]:
        """Whether each class has too few images for the level, and is therefore in every set."""
        return tuple(n < min_calibration_size(self.level) for n in self.n_calibration)

    def sets(self, probabilities: Floats) -> BoolArray:
        """Whether each class is in the set of each row, shape (n, n_classes); a set may be empty.

        An interval holds the classes between those of the set too, and where that is empty the most probable one: it
        only grows, so it holds the true class as often at the least.
        """
        found = np.asarray(probabilities >= np.array(self.thresholds) - 1e-12)
        return filled(found, probabilities) if self.intervals else found

    def to_json(self) -> dict[str, Any]:
        """Plain values; bundles have called the thresholds floors from the first."""
        intervals = {"intervals": True} if self.intervals else {}
        floors = list(self.thresholds)
        return {"level": self.level, "floors": floors, "n_calibration": list(self.n_calibration), **intervals}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], n_classes: int) -> ConformalSets:
        """The sets that `to_json` wrote; InputError, KeyError, TypeError or ValueError for something else."""
        thresholds = tuple(float(threshold) for threshold in value["floors"])
        counts = tuple(int(count) for count in value["n_calibration"])
        sound = len(thresholds) == len(counts) == n_classes and all(0 <= one <= 1 for one in thresholds)
        if not sound:
            raise InputError(f"Conformal sets of {n_classes} classes need as many thresholds from 0 to 1.")
        return cls(check_level(value["level"]), thresholds, counts, bool(value.get("intervals", False)))


def filled(sets: BoolArray, probabilities: Floats) -> BoolArray:
    """Sets with every class between their members; of an empty set the most probable class.

    Parameters
    ----------
    sets : ndarray of shape (n, n_classes), bool
    probabilities : ndarray of shape (n, n_classes)

    Examples
    --------
    >>> sets = np.array([[True, False, True, False], [False, False, False, False]])
    >>> filled(sets, np.array([[0.4, 0.1, 0.4, 0.1], [0.2, 0.3, 0.3, 0.2]])).astype(int).tolist()
    [[1, 1, 1, 0], [0, 1, 0, 0]]
    """
    from_below = np.logical_or.accumulate(sets, axis=1)
    from_above = np.logical_or.accumulate(sets[:, ::-1], axis=1)[:, ::-1]
    most_probable = np.arange(sets.shape[1]) == probabilities.argmax(axis=1)[:, None]
    is_empty = ~sets.any(axis=1, keepdims=True)
    return np.asarray((from_below & from_above) | (is_empty & most_probable))


def check_level(level: float) -> float:
    """The level, which is a share of images.

    Raises
    ------
    InputError
        When it is not above 0 and below 1.
    """
    if not 0 < level < 1:
        hint = f" For {level:g} % write {level / 100:g}." if 1 < level < 100 else ""
        raise InputError(f"The conformal level is {level:g}; expected a share above 0 and below 1, such as 0.9.{hint}")
    return float(level)


def rank_of(level: float, n: int) -> int:
    """Rank of the one of n scores, from the smallest, that bounds those of new images; above n there is none.

    >>> rank_of(0.9, 9), rank_of(0.9, 8), rank_of(0.9, 99)
    (9, 9, 90)
    """
    return math.ceil(Fraction(repr(float(level))) * (n + 1))


def min_calibration_size(level: float) -> int:
    """Smallest number of calibration images that lets the sets of a class exclude anything.

    >>> min_calibration_size(0.9), min_calibration_size(0.95), min_calibration_size(0.5)
    (9, 19, 1)
    """
    alpha = 1 - Fraction(repr(float(level)))
    return math.ceil(1 / alpha) - 1


def fit_conformal(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    level: float,
    weights: npt.ArrayLike | None = None,
    *,
    intervals: bool = False,
) -> ConformalSets:
    """Prediction sets from predictions for rows that the head was not trained on (split-conformal).

    Where new images are like the calibration images (exchangeable with them) and predicted by the same head, the set of
    an image of class c holds c with a probability of at least the level, and at most 1/(n + 1) more where no two
    probabilities are equal, n being the calibration images of the class. Of out-of-fold predictions, made by heads
    trained on less, the level is nominal: see docs/decide.md for what was measured.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
    labels : array-like of shape (n,), int
    level : float, above 0 and below 1
    weights : array-like of shape (n,), optional
        Only rows of weight 0 are left out: ranks know no weights.
    intervals : bool
        Whether classes are ordered and sets are to be intervals of them: the sets are filled up.

    Returns
    -------
    ConformalSets
        A class with fewer images than `min_calibration_size` is in every set, and is named in ``uninformative``.

    Raises
    ------
    InputError
        When the arrays do not fit together or the level is out of range.

    Examples
    --------
    >>> found = fit_conformal([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 0, 1], level=0.6)
    >>> found.thresholds, found.uninformative
    ((0.8, 0.0), (False, True))
    """
    check_level(level)
    columns, codes = _counted_rows(probabilities, labels, weights)
    own = columns[np.arange(len(codes)), codes]
    counts = np.bincount(codes, minlength=columns.shape[1]).tolist()
    thresholds = tuple(_threshold(own[codes == code], level) for code in range(columns.shape[1]))
    return ConformalSets(float(level), thresholds, tuple(counts), intervals)


def _counted_rows(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Floats, npt.NDArray[np.int64]]:
    n_rows = len(np.atleast_1d(np.asarray(labels)))
    columns = check_probabilities(probabilities, n_rows)
    codes = check_labels(labels, columns.shape[1])
    there = check_weights(weights, n_rows) > 0
    return columns[there], codes[there]


def _threshold(own: Floats, level: float) -> float:
    """The probability of the class that the k-th highest of its images was given; 0 where there are fewer than k."""
    place = rank_of(level, len(own))
    return 0.0 if place > len(own) else float(np.sort(own)[len(own) - place])


@dataclass(frozen=True, eq=False)
class SetEvaluation:
    """How often prediction sets hold the true class, and how large they are.

    Attributes
    ----------
    level : float
        Level that the sets were made for.
    coverage : Estimate
        Share of the images whose set holds their class.
    per_class : dict of str to Estimate
        The same for the images of each class.
    mean_size : float
        Mean number of classes in a set.
    share_of_size : tuple of float
        Share of the images whose set holds no class, one class, and so on.
    """

    level: float
    coverage: Estimate
    per_class: dict[str, Estimate]
    mean_size: float
    share_of_size: tuple[float, ...]


def evaluate_sets(
    oof: OutOfFold, sets: BoolArray, level: float, *, seed: int, correction: Correction = "nadeau-bengio"
) -> SetEvaluation:
    """Coverage and size of prediction sets of images that they were not fitted on.

    Parameters
    ----------
    oof : OutOfFold
    sets : ndarray of shape (n_repeats, n_images, n_classes), bool
    level : float
        Level that the sets were made for.
    seed : int
        Random seed of the resampling.
    correction : {"nadeau-bengio", "none"}
        As `headstart.metrics.evaluate` takes it.
    """
    covered = np.take_along_axis(sets, np.broadcast_to(oof.labels[:, None], (*sets.shape[:2], 1)), axis=2)[:, :, 0]
    predicted = np.where(covered, oof.labels, (oof.labels + 1) % oof.n_classes)  # right where the set holds it
    found = evaluate(
        oof.with_predicted(predicted),
        metrics=("accuracy",),
        class_metrics=("recall",),
        correction=correction,
        seed=seed,
    )
    weights = np.where(oof.fold >= 0, oof.row_weights, 0.0)
    shares = np.bincount(sets.sum(axis=2).ravel(), weights=weights.ravel(), minlength=oof.n_classes + 1) / weights.sum()
    return SetEvaluation(
        level=level,
        coverage=found.metrics["accuracy"],
        per_class={name: scores["recall"] for name, scores in found.per_class.items()},
        mean_size=float(shares @ np.arange(oof.n_classes + 1)),
        share_of_size=tuple(shares.tolist()),
    )
