"""Probabilities from decision values: the sigmoid of two classes (Platt scaling) and the softmax of several.

Both are fitted by maximum likelihood with smoothed targets on rows that the classifier was not fitted on, and both give
the shares of the classes where the decision values carry no information.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
N_DRAWN = 10.0
"""Positive rows that the sigmoid of all classifiers counts for in that of each."""


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
    return _by_parts(decisions, positive, weights, None)


def fit_platt_together(decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """The same for the classes of one problem, each against the rest: each is drawn to the sigmoid of all together.

    A class of four rows tells next to nothing of a slope, one of hundreds nearly all of it. So the sigmoid of all
    counts in each as if ten more positive rows had led to it (its likelihood there, to second order): a class without
    positive rows, or without a decision that is known, has that of all.

    Parameters
    ----------
    decisions : ndarray of shape (n, k), float64
        As in `fit_platt_columns`, of which it is the same for one column.
    positive : ndarray of shape (n, k), bool
    weights : ndarray of shape (n,), float64 > 0

    Returns
    -------
    slopes, offsets : ndarrays of shape (k,)
    """
    common = _Common.of(decisions, positive, weights) if decisions.shape[1] > 1 else None
    return _by_parts(decisions, positive, weights, common)


def _by_parts(
    decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats, common: _Common | None
) -> tuple[Floats, Floats]:
    """Slopes and offsets of all columns, some at a time."""
    size = max(1, MAX_VALUES // max(1, len(decisions)))
    parts = [slice(start, start + size) for start in range(0, decisions.shape[1], size)]
    found = [_fit_columns(decisions[:, part], positive[:, part], weights, common) for part in parts]
    slopes, offsets = zip(*found, strict=True)
    return np.concatenate(slopes), np.concatenate(offsets)


def _fit_columns(
    decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats, common: _Common | None
) -> tuple[Floats, Floats]:
    """See `fit_platt_columns`; no column depends on the others, but for what is common."""
    rows, n_positive, n_negative = _sigmoids(decisions, positive, weights)
    slopes, offsets = np.zeros(decisions.shape[1]), np.log((n_positive + 1.0) / (n_negative + 1.0))
    if common is None:
        fitted = np.flatnonzero((n_positive > 0.0) & (n_negative > 0.0))
        start = np.array([slopes[fitted], offsets[fitted]])
    else:
        fitted, start = np.arange(len(slopes)), np.repeat(common.parameters[:, None], len(slopes), axis=1)
    found = _newton(replace(rows.of(fitted), common=common), start)
    rising = found[0] > 0.0
    slopes[fitted[rising]], offsets[fitted[rising]] = found[0, rising], found[1, rising]
    return slopes, offsets


def _sigmoids(decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> tuple[_Sigmoids, Floats, Floats]:
    """What the sigmoids of all columns are fitted to, and each one's weight of positive and of negative rows."""
    known = np.isfinite(decisions)
    shares = np.where(known, weights[:, None], 0.0)
    n_positive = np.where(positive, shares, 0.0).sum(axis=0)
    n_negative = np.where(positive, 0.0, shares).sum(axis=0)
    targets = np.where(positive, (n_positive + 1.0) / (n_positive + 2.0), 1.0 / (n_negative + 2.0))
    return _Sigmoids(np.where(known, decisions, 0.0), targets, shares), n_positive, n_negative


@dataclass(frozen=True, eq=False)
class _Common:
    """The sigmoid of all classifiers together: slope and offset (2,), and the curvature (2, 2) of ten positive rows."""

    parameters: Floats
    curvature: Floats

    @classmethod
    def of(cls, decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> _Common | None:
        """Fitted to evenly spaced rows; None where the decisions of all together carry no information."""
        n_columns = decisions.shape[1]
        some = slice(None, None, -(-decisions.size // MAX_VALUES))
        of_all = decisions[some].reshape(-1, 1), positive[some].reshape(-1, 1), np.repeat(weights[some], n_columns)
        slopes, offsets = _fit_columns(*of_all, None)
        if slopes[0] <= 0.0:
            return None
        rows, n_positive, _ = _sigmoids(*of_all)
        parameters = np.array([slopes[0], offsets[0]])
        return cls(parameters, rows.slopes(parameters[:, None])[1][0] * (N_DRAWN / n_positive[0]))


@dataclass(frozen=True, eq=False)
class _Sigmoids:
    """Decisions, targets and weights of several sigmoids, each (n, k), what draws them, and their losses."""

    decisions: Floats
    targets: Floats
    weights: Floats
    common: _Common | None = None

    def of(self, columns: npt.NDArray[Any]) -> _Sigmoids:
        """Some of the columns."""
        return replace(
            self,
            decisions=self.decisions[:, columns],
            targets=self.targets[:, columns],
            weights=self.weights[:, columns],
        )

    def losses(self, parameters: Floats) -> Floats:
        """Cross-entropies (k,) at slopes and offsets (2, k), with what draws them."""
        scores = parameters[0] * self.decisions + parameters[1]
        losses = (self.weights * (np.logaddexp(0.0, scores) - self.targets * scores)).sum(axis=0)
        if self.common is not None:
            away = parameters - self.common.parameters[:, None]
            losses = losses + (away * (self.common.curvature @ away)).sum(axis=0) / 2
        return np.asarray(losses)

    def slopes(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Gradients (2, k) and second derivatives (k, 2, 2) by slope and offset."""
        probabilities = np.asarray(expit(parameters[0] * self.decisions + parameters[1]))
        errors = self.weights * (probabilities - self.targets)
        curvatures = self.weights * probabilities * (1.0 - probabilities)
        bent = curvatures * self.decisions
        mixed, straight = bent.sum(axis=0), curvatures.sum(axis=0)
        hessians = np.moveaxis(np.array([[(bent * self.decisions).sum(axis=0), mixed], [mixed, straight]]), 2, 0)
        gradients = np.array([(errors * self.decisions).sum(axis=0), errors.sum(axis=0)])
        if self.common is None:
            return gradients, hessians
        away = parameters - self.common.parameters[:, None]
        return gradients + self.common.curvature @ away, hessians + self.common.curvature


def _newton(rows: _Sigmoids, start: Floats) -> Floats:
    """Slopes and offsets (2, k) of least loss, by Newton steps from `start` halved until the losses fall."""
    found = start.copy()
    left = np.arange(start.shape[1])
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
