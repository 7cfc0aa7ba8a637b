"""Abstention: the error among the images answered when the least certain are left to a person, and its area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.validation import FloatArray, check_labels, check_probabilities, check_weights, relative_weights


@dataclass(frozen=True, eq=False)
class AbstentionCurve:
    """Error among the images answered, the most certain first; all arrays of shape (m,), one point per certainty.

    Attributes
    ----------
    answered : ndarray
        Share of the weight that is answered, rising to 1.
    error : ndarray
        Share of wrong answers among them.
    certainty : ndarray
        Highest probability of the least certain image answered, falling.
    area : float
        Mean of the error over all shares answered: 0 is perfect, the error of answering everything is what a certainty
        that knows nothing gives.
    """

    answered: FloatArray
    error: FloatArray
    certainty: FloatArray
    area: float

    def at(self, share: float) -> tuple[float, float]:
        """Certainty above which at least this share of images is answered, and the error among those."""
        place = min(int(np.searchsorted(self.answered, share - 1e-12)), len(self.answered) - 1)
        return float(self.certainty[place]), float(self.error[place])


def abstention_curve(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    predicted: npt.ArrayLike | None = None,
) -> AbstentionCurve:
    """Error against the share of images answered, by the highest probability of each.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
    labels : array-like of shape (n,), int
    weights : array-like of shape (n,), optional
    predicted : array-like of shape (n,), int, optional
        Predicted class of each row. None: the most probable.

    Returns
    -------
    AbstentionCurve
        Images of equal certainty are answered together or not at all; within them the area counts every order alike.

    Raises
    ------
    InputError
        When the arrays do not fit together, or nothing has weight.

    References
    ----------
    R. El-Yaniv, Y. Wiener, "On the foundations of noise-free selective classification", JMLR 11, 2010 (risk-coverage
    curve); Y. Geifman, G. Uziel, R. El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR
    2019, arXiv:1805.08206 (its area).

    Examples
    --------
    >>> curve = abstention_curve([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [0, 1, 1])
    >>> curve.error.round(3).tolist(), round(curve.area, 4)
    ([0.0, 0.0, 0.333], 0.1111)
    """
    n_rows = len(np.atleast_1d(np.asarray(labels)))
    columns = check_probabilities(probabilities, n_rows)
    codes = check_labels(labels, columns.shape[1])
    weight = relative_weights(check_weights(weights, n_rows))
    classes = columns.argmax(axis=1) if predicted is None else check_labels(predicted, columns.shape[1])
    if not weight.any():
        raise InputError("All rows weigh 0, so nothing can be answered. Give at least one a weight above 0.")
    certainty, place = np.unique(-columns.max(axis=1)[weight > 0], return_inverse=True)
    mass: FloatArray = np.bincount(place, weights=weight[weight > 0]).astype(np.float64)
    wrong: FloatArray = np.bincount(place, weights=(weight * (classes != codes))[weight > 0]).astype(np.float64)
    total, errors = np.cumsum(mass), np.cumsum(wrong)
    return AbstentionCurve(total / total[-1], errors / total, -certainty, _area(mass, wrong, weight[weight > 0], place))


def _area(mass: FloatArray, wrong: FloatArray, weight: FloatArray, place: npt.NDArray[np.intp]) -> float:
    """Weighted mean of the error after each image, images of equal certainty sharing their errors evenly."""
    order = np.argsort(place, kind="stable")
    weights, shared = weight[order], (wrong / mass)[place[order]]
    answered = np.cumsum(weights)
    return float((weights * np.cumsum(weights * shared) / answered).sum() / answered[-1])
