"""Gradients of scores that say why a score is what it is, not only where it would rise next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.explain.scored_model import ScoredModel

    Floats = NDArray[np.float64]

N_PATH_POINTS = 16
"""Gauss-Legendre points along the path from the mean of the training images to an image."""


def path_gradient(model: ScoredModel, standard: Floats, weights: Floats) -> Floats:
    """Gradient (n_features,) of a score, averaged along the path from the mean to standardised features."""
    gradient = model.class_scores.gradient
    assert gradient is not None  # checked by the callers: they choose another method otherwise
    if model.class_scores.is_linear:
        return np.asarray(gradient(np.zeros((1, len(standard))), weights[None])[0])
    points, shares = np.polynomial.legendre.leggauss(N_PATH_POINTS)
    along = (points[:, None] + 1) / 2 * standard
    return np.asarray(shares / 2 @ gradient(along, np.tile(weights, (len(points), 1))))


def telling_gradients(model: ScoredModel, standard: Floats, weights: Floats) -> Floats:
    """Gradients (n, n_features) of the scores of some images, by which maps weigh the features.

    Those of SVM and dense heads are averages along the path from the mean of the training images: deep inside a class
    the gradient at the image itself vanishes, or turns to whatever is left. Of kNN it is that of smooth votes.

    Parameters
    ----------
    model : ScoredModel
    standard : ndarray of shape (n, n_features)
        Standardised features.
    weights : ndarray of shape (n, P)
        Weights of the classes.

    Raises
    ------
    InputError
        When the scores rise in steps.
    """
    scores = model.class_scores
    if scores.gradient is None:
        raise InputError("A head whose scores rise in steps has no gradient. Use the method 'occlusion'.")
    if scores.smooth_gradient is not None:
        return scores.smooth_gradient(standard, weights)
    if scores.is_linear or not scores.is_continuous:
        return scores.gradient(standard, weights)
    return np.stack([path_gradient(model, *pair) for pair in zip(standard, weights, strict=True)])
