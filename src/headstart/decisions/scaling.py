"""Probabilities from decision values: the sigmoid of two classes (Platt scaling) and the softmax of several.

Both are fitted by maximum likelihood with smoothed targets on rows that the classifier was not fitted on, and both give
the shares of the classes where the decision values carry no information.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]

MAX_ITERATIONS = 100
MAX_HALVINGS = 30
TOLERANCE = 1e-10
RIDGE = 1e-12
MAX_VALUES = 2**20
"""Decisions that are worked on at a time: a table of them is held about ten times."""


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
    slopes, offsets = fit_platt_columns(decisions[:, None], positive[:, None], weights)
    return float(slopes[0]), float(offsets[0])


def fit_platt_columns(decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """The same for several classifiers at once, each with a column of its own; slopes and offsets (k,).

    Parameters
    ----------
    decisions : ndarray of shape (n, k), float64
        nan where a classifier's decision on a row is not known: the row is then left out for this one.
    positive : ndarray of shape (n, k), bool
    weights : ndarray of shape (n,), float64 > 0
    """
    size = max(1, MAX_VALUES // max(1, len(decisions)))
    parts = [slice(start, start + size) for start in range(0, decisions.shape[1], size)]
    found = [_fit_columns(decisions[:, part], positive[:, part], weights) for part in parts]
    slopes, offsets = zip(*found, strict=True)
    return np.concatenate(slopes), np.concatenate(offsets)


def _fit_columns(decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """See `fit_platt_columns`; no column depends on the others."""
    known = np.isfinite(decisions)
    shares = np.where(known, weights[:, None], 0.0)
    n_positive = np.where(positive, shares, 0.0).sum(axis=0)
    n_negative = np.where(positive, 0.0, shares).sum(axis=0)
    slopes, offsets = np.zeros(decisions.shape[1]), np.log((n_positive + 1.0) / (n_negative + 1.0))
    both = np.flatnonzero((n_positive > 0.0) & (n_negative > 0.0))
    targets = np.where(positive, (n_positive + 1.0) / (n_positive + 2.0), 1.0 / (n_negative + 2.0))
    rows = _Sigmoids(np.where(known, decisions, 0.0)[:, both], targets[:, both], shares[:, both])
    found = _newton(rows, offsets[both])
    rising = found[0] > 0.0
    slopes[both[rising]], offsets[both[rising]] = found[0, rising], found[1, rising]
    return slopes, offsets


@dataclass(frozen=True, eq=False)
class _Sigmoids:
    """Decisions, targets and weights of several sigmoids, each (n, k), and their losses."""

    decisions: Floats
    targets: Floats
    weights: Floats

    def of(self, columns: npt.NDArray[Any]) -> _Sigmoids:
        """Some of the columns."""
        return _Sigmoids(self.decisions[:, columns], self.targets[:, columns], self.weights[:, columns])

    def losses(self, parameters: Floats) -> Floats:
        """Cross-entropies (k,) at slopes and offsets (2, k)."""
        scores = parameters[0] * self.decisions + parameters[1]
        return np.asarray((self.weights * (np.logaddexp(0.0, scores) - self.targets * scores)).sum(axis=0))

    def slopes(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Gradients (2, k) and second derivatives (k, 2, 2) by slope and offset."""
        probabilities = np.asarray(expit(parameters[0] * self.decisions + parameters[1]))
        errors = self.weights * (probabilities - self.targets)
        curvatures = self.weights * probabilities * (1.0 - probabilities)
        bent = curvatures * self.decisions
        mixed, straight = bent.sum(axis=0), curvatures.sum(axis=0)
        hessians = np.array([[(bent * self.decisions).sum(axis=0), mixed], [mixed, straight]])
        return np.array([(errors * self.decisions).sum(axis=0), errors.sum(axis=0)]), np.moveaxis(hessians, 2, 0)


def _newton(rows: _Sigmoids, priors: Floats) -> Floats:
    """Slopes and offsets (2, k) of least cross-entropy, by Newton steps halved until the losses fall."""
    found = np.array([np.zeros_like(priors), priors])
    left = np.arange(len(priors))
    for _ in range(MAX_ITERATIONS):
        gradients, hessians = rows.slopes(found[:, left])
        far = np.abs(gradients).max(axis=0) > TOLERANCE * rows.weights.sum(axis=0)
        left, rows = left[far], rows.of(far)
        if not left.size:
            break
        steps = np.linalg.solve(hessians[far] + RIDGE * np.eye(2), gradients[:, far].T[:, :, None])[:, :, 0].T
        lower, fell = _halved_steps(rows, found[:, left], steps)
        found[:, left] = lower
        left, rows = left[fell], rows.of(fell)
    return found


def _halved_steps(rows: _Sigmoids, parameters: Floats, steps: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Parameters after the first of the full, half, quarter, ... step that lowers each loss, and whether one does."""
    before, lower = rows.losses(parameters), parameters.copy()
    fell = np.zeros(len(before), dtype=bool)
    left = np.arange(len(before))
    for halvings in range(MAX_HALVINGS):
        tried = parameters[:, left] - steps[:, left] * 0.5**halvings
        falls = rows.losses(tried) < before[left]
        lower[:, left[falls]], fell[left[falls]] = tried[:, falls], True
        left, rows = left[~falls], rows.of(~falls)
        if not left.size:
            break
    return lower, fell


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
