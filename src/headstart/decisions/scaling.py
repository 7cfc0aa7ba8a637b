"""Probabilities from decision values: the sigmoid of two classes (Platt scaling) and the softmax of several.

Both are fitted by maximum likelihood with smoothed targets on rows that the classifier was not fitted on, and both give
the shares of the classes where the decision values carry no information.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]

MAX_ITERATIONS = 100
MAX_HALVINGS = 30
TOLERANCE = 1e-10
RIDGE = 1e-12


def fit_platt(decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Slope and offset of ``sigmoid(slope * decision + offset)``, by weighted maximum likelihood.

    Targets are smoothed by the class counts as Platt proposed, so that separable decisions do not give certainty.
    The decisions must be of rows the classifier was not fitted on. Where they carry no information (one class
    missing, or a negative slope: worse than chance on unseen rows) the slope is 0 and the offset gives the share of
    the class.

    Parameters
    ----------
    decisions : ndarray of shape (n,), float64
    positive : ndarray of shape (n,), bool
    weights : ndarray of shape (n,), float64 > 0

    Returns
    -------
    slope, offset : float

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999.
    H.-T. Lin, C.-J. Lin, R. C. Weng, "A note on Platt's probabilistic outputs for support vector machines", Machine
    Learning 68, 2007, 267-276. DOI 10.1007/s10994-007-5018-6 (the Newton method used here).
    """
    n_positive, n_negative = float(weights[positive].sum()), float(weights[~positive].sum())
    prior = float(np.log((n_positive + 1.0) / (n_negative + 1.0)))
    if n_positive == 0.0 or n_negative == 0.0:
        return 0.0, prior
    targets = np.where(positive, (n_positive + 1.0) / (n_positive + 2.0), 1.0 / (n_negative + 2.0))
    slope, offset = _newton(decisions, targets, weights, prior)
    return (slope, offset) if slope > 0.0 else (0.0, prior)


def _newton(decisions: Floats, targets: Floats, weights: Floats, prior: float) -> tuple[float, float]:
    """Minimum of the cross-entropy in (slope, offset), by Newton steps halved until the loss falls."""
    design = np.column_stack([decisions, np.ones_like(decisions)])  # (n, 2)

    def loss(parameters: Floats) -> float:
        scores = design @ parameters
        return float(weights @ (np.logaddexp(0.0, scores) - targets * scores))

    parameters: Floats = np.array([0.0, prior])
    for _ in range(MAX_ITERATIONS):
        probabilities = np.asarray(expit(design @ parameters))
        gradient = design.T @ (weights * (probabilities - targets))
        if np.abs(gradient).max() <= TOLERANCE * weights.sum():
            break
        curvature = weights * probabilities * (1.0 - probabilities)
        hessian = design.T @ (curvature[:, None] * design) + RIDGE * np.eye(2)
        step: Floats = np.asarray(np.linalg.solve(hessian, gradient), dtype=np.float64)
        lower = _halved_step(loss, parameters, step)
        if lower is None:
            break
        parameters = lower
    return float(parameters[0]), float(parameters[1])


def _halved_step(loss: Callable[[Floats], float], parameters: Floats, step: Floats) -> Floats | None:
    """Parameters after the first of the full, half, quarter, ... step that lowers the loss; None when none does."""
    before = loss(parameters)
    for halvings in range(MAX_HALVINGS):
        candidate: Floats = parameters - step * 0.5**halvings
        if loss(candidate) < before:
            return candidate
    return None


def fit_softmax_scale(decisions: Floats, labels: npt.NDArray[np.int64], weights: Floats) -> tuple[float, Floats]:
    """Slope >= 0 and offsets (P,) of ``softmax(slope * decisions + offsets)``, by weighted maximum likelihood.

    Platt scaling for any number of classes: targets are smoothed by the class counts, so that separable decisions do
    not give certainty. Where decisions carry no information the slope is 0 and the classes get their shares.

    Parameters
    ----------
    decisions : ndarray of shape (n, P)
        Decision values of rows that the decision function was not fitted on.
    labels : ndarray of shape (n,), int64, 0..P - 1
    weights : ndarray of shape (n,), float64 > 0
    """
    from scipy.optimize import minimize

    n_classes = decisions.shape[1]
    totals = np.bincount(labels, weights=weights, minlength=n_classes)
    smoothed = (np.diag(totals) + 1.0) / (totals[:, None] + n_classes)  # row: true class, column: target of each class
    targets = smoothed[labels]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scores = parameters[0] * decisions + parameters[1:]
        probabilities = softmax(scores)
        errors = (probabilities - targets) * (weights / weights.sum())[:, None]
        highest = scores.max(axis=1)
        log_sum = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
        value = weights @ (log_sum - (targets * scores).sum(axis=1)) / weights.sum()
        return float(value), np.concatenate([[(errors * decisions).sum()], errors.sum(axis=0)])

    start = np.concatenate([[0.0], np.log((totals + 1.0) / (totals.sum() + n_classes))])
    bounds = [(0.0, None)] + [(None, None)] * n_classes
    options = {"gtol": 1e-9, "ftol": 1e-14, "maxiter": 500}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    slope, offsets = (float(found.x[0]), found.x[1:]) if found.x[0] > 0.0 else (0.0, start[1:])
    return slope, np.asarray(offsets - offsets.mean())


def softmax(scores: Floats) -> Floats:
    """Probabilities (n_rows, n_classes) from unnormalised log probabilities of the same shape.

    >>> softmax(np.array([[0.0, np.log(3.0)]])).round(6).tolist()
    [[0.25, 0.75]]
    """
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
