"""Scores of ordered classes: kappa with weights, error in classes, AUC at every threshold between them.

Plain kappa is for unordered classes as well. The first three take ``confusion`` of shape (..., K, K), rows true and
columns predicted, entries summed weights, classes in their order, and work over the leading axes.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.metrics.rank_scores import area_under_roc, cumulative, rank
from headstart.metrics.validation import FloatArray, check_labels, check_probabilities, check_weights, ratio

KappaWeights = Literal["plain", "linear", "quadratic"]


def cohen_kappa(confusion: FloatArray, weights: KappaWeights = "plain") -> FloatArray:
    """Cohen's kappa of truth and prediction, shape (...): 1 is perfect, 0 what chance gives.

    Parameters
    ----------
    confusion : ndarray of shape (..., K, K)
    weights : {"plain", "linear", "quadratic"}
        How a disagreement counts: all alike, by the distance of the classes, or by its square.

    Returns
    -------
    ndarray of shape (...)
        nan where truth and predictions are all of one class, so that there is nothing to agree about.

    Raises
    ------
    InputError
        For unknown weights.

    References
    ----------
    Cohen 1968, "Weighted kappa", doi:10.1037/h0026256.

    Examples
    --------
    >>> confusion = np.array([[4.0, 1, 0], [1, 3, 1], [0, 2, 3]])
    >>> [round(float(cohen_kappa(confusion, weights)), 3) for weights in ("plain", "linear", "quadratic")]
    [0.5, 0.615, 0.737]
    """
    if weights not in get_args(KappaWeights):
        raise InputError(unknown_name("weights of kappa", weights, get_args(KappaWeights)))
    distance = _distances(confusion.shape[-1])
    costs = {"plain": (distance > 0).astype(np.float64), "linear": distance, "quadratic": distance**2}[weights]
    total = confusion.sum(axis=(-2, -1))
    by_chance = confusion.sum(axis=-1)[..., :, None] * confusion.sum(axis=-2)[..., None, :]
    observed = (confusion * costs).sum(axis=(-2, -1)) * total
    return np.asarray(1 - ratio(observed, (by_chance * costs).sum(axis=(-2, -1))))


def mean_class_error(confusion: FloatArray) -> FloatArray:
    """Mean distance of the predicted from the true class, in classes, shape (...); nan without weight.

    >>> float(mean_class_error(np.array([[2.0, 0, 1], [0, 1, 0], [0, 0, 0]])))
    0.5
    """
    return ratio((confusion * _distances(confusion.shape[-1])).sum(axis=(-2, -1)), confusion.sum(axis=(-2, -1)))


def adjacent_accuracy(confusion: FloatArray) -> FloatArray:
    """Share of weight predicted right or one class beside, shape (...); nan without weight.

    >>> float(adjacent_accuracy(np.array([[2.0, 0, 1], [0, 1, 0], [0, 0, 0]])))
    0.75
    """
    near = _distances(confusion.shape[-1]) <= 1
    return ratio((confusion * near).sum(axis=(-2, -1)), confusion.sum(axis=(-2, -1)))


def threshold_auc(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> FloatArray:
    """Area under the ROC curve at every threshold between ordered classes.

    Threshold k asks whether a row is of a class above k; the probability of that is the sum of those of the classes
    above.

    Parameters
    ----------
    labels : array-like of shape (n,), int
        True classes in their order, 0 to K - 1.
    probabilities : array-like of shape (n, K)
    weights : array-like of shape (n,), optional

    Returns
    -------
    ndarray of shape (K - 1,)
        nan where no row lies on one of the sides.

    Raises
    ------
    InputError
        When the arrays do not fit together.

    Examples
    --------
    >>> threshold_auc([0, 1, 2], [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.4, 0.5]]).tolist()
    [1.0, 1.0]
    """
    columns = check_probabilities(probabilities, len(np.atleast_1d(labels)))
    classes = check_labels(labels, columns.shape[1])
    weight = check_weights(weights, len(classes))
    above = np.cumsum(columns[:, ::-1], axis=1)[:, ::-1][:, 1:]  # (n, K - 1): of a class above 0, 1, ...
    areas = [
        area_under_roc(*cumulative(rank(above[:, threshold]), classes > threshold, weight[None]))[0]
        for threshold in range(columns.shape[1] - 1)
    ]
    return np.array(areas, dtype=np.float64)


def _distances(n_classes: int) -> FloatArray:
    """Distance of every two classes in their order, shape (K, K)."""
    return np.abs(np.subtract.outer(np.arange(n_classes), np.arange(n_classes))).astype(np.float64)
