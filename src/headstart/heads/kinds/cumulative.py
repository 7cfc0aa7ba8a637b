"""Cumulative logit of ordered classes (proportional odds) with an L2 penalty: one direction, a threshold between two.

The probability of a class at or below k is the sigmoid of ``threshold_k - x @ coefficients``: all thresholds share the
direction, so few images of a class suffice to place it.

References
----------
P. McCullagh, "Regression models for ordinal data", Journal of the Royal Statistical Society B 42, 1980, 109-142.
DOI 10.1111/j.2517-6161.1980.tb01109.x
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats, linear_map, sigmoid
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.scores import ClassScores
from headstart.heads.training_rows import TrainingRows

GRADIENT_TOLERANCE = 1e-7
MAX_ITERATIONS = 3000
STEP_LOGS = (-20.0, 20.0)
"""Range of the logs of the steps between thresholds: a step of 2e-9 is still seen beside a threshold of 1e6."""


def fit_cumulative(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a cumulative head for every spec.

    Minimises ``C * sum_i w_i loss_i + |coefficients|^2 / 2`` on standardised features, thresholds unpenalised. Each C
    starts from no coefficients and the frequencies of the classes.
    """
    return [_fit_one(spec.number("C"), rows) for spec in specs]


def _fit_one(C: float, rows: TrainingRows) -> dict[str, npt.NDArray[Any]]:
    from scipy.optimize import minimize

    n_features = rows.standardised.shape[1]
    found = minimize(
        lambda parameters: _objective(parameters, rows, C),
        np.concatenate([np.zeros(n_features), _steps(_frequency_thresholds(rows))]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] * (n_features + 1) + [STEP_LOGS] * (rows.n_present - 2),
        options={"gtol": GRADIENT_TOLERANCE, "ftol": 0.0, "maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS},
    )
    if found.status == 1:
        warnings.warn(
            f"The cumulative head with C = {C:g} had not converged after {found.nit} iterations; its probabilities are "
            "valid but not the best of this C. Use a smaller C.",
            RuntimeWarning,
            stacklevel=2,
        )
    return {"coefficients": found.x[:n_features].copy(), "thresholds": _thresholds(found.x[n_features:])}


def _frequency_thresholds(rows: TrainingRows) -> Floats:
    """Log odds of a class at or below each threshold, shape (P - 1,): the fit without features."""
    below = np.cumsum(np.bincount(rows.labels, weights=rows.weights))
    return np.asarray(np.log(below[:-1] / (below[-1] - below[:-1])))


def _steps(thresholds: Floats) -> Floats:
    """The first threshold and the logs of the steps to the next ones, which are free where thresholds must rise."""
    return np.concatenate([thresholds[:1], np.log(np.diff(thresholds))])


def _thresholds(steps: Floats) -> Floats:
    """Rising thresholds of shape (P - 1,) from what `_steps` gave."""
    return np.cumsum(np.concatenate([steps[:1], np.exp(steps[1:])]))


def _objective(parameters: Floats, rows: TrainingRows, C: float) -> tuple[float, Floats]:
    """Penalised mean loss and its gradient, in d coefficients and the P - 1 steps of the thresholds."""
    features, shares = rows.standardised, rows.weights / rows.weights.sum()
    penalty = 1.0 / (C * rows.weights.sum())
    coefficients, steps = np.split(parameters, [features.shape[1]])
    thresholds = _thresholds(steps)
    lower, upper = _bounds(features @ coefficients, thresholds, rows.labels)
    loss = -shares @ log_between(lower, upper) + penalty / 2 * (coefficients @ coefficients)
    crowding = 1.0 / np.expm1(np.minimum(upper - lower, 700.0))  # 0 for the outermost classes
    of_upper = -shares * (sigmoid(-upper) + crowding)  # derivative of the loss by each row's bounds
    of_lower = shares * (sigmoid(lower) + crowding)
    n_thresholds = len(thresholds)
    of_thresholds = np.bincount(rows.labels, weights=of_upper, minlength=n_thresholds + 1)[:-1]
    of_thresholds += np.bincount(rows.labels, weights=of_lower, minlength=n_thresholds + 1)[1:]
    of_steps = np.cumsum(of_thresholds[::-1])[::-1]  # a step moves all thresholds above it
    of_steps[1:] *= np.exp(steps[1:])
    of_coefficients = -(of_upper + of_lower) @ features + penalty * coefficients
    return float(loss), np.concatenate([of_coefficients, of_steps])


def _bounds(scores: Floats, thresholds: Floats, labels: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Thresholds around each row's class, less its score; infinite at the ends."""
    ends = np.concatenate([[-np.inf], thresholds, [np.inf]])
    return ends[labels] - scores, ends[labels + 1] - scores


def log_between(lower: Floats, upper: Floats) -> Floats:
    """Log of sigmoid(upper) - sigmoid(lower), element by element, exact where both are nearly the same.

    >>> np.exp(log_between(np.array([-np.inf, 0.0]), np.array([0.0, np.inf]))).tolist()
    [0.5, 0.5]
    """
    inside = -np.logaddexp(0.0, -upper) - np.logaddexp(0.0, lower)
    return np.asarray(inside + np.log(-np.expm1(lower - upper)))


def cumulative_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Differences of the cumulative probabilities."""
    return lambda block: np.exp(_log_probabilities(arrays, block))


def cumulative_scores(spec: HeadSpec, arrays: Arrays) -> ClassScores:
    """Logs of the probabilities; all change along the one direction."""

    def gradient(block: Floats, weights: Floats) -> Floats:
        lower, upper = _all_bounds(arrays, block)
        slopes = sigmoid(upper) - sigmoid(-lower)
        return np.asarray((weights * slopes).sum(axis=1)[:, None] * arrays["coefficients"])

    return ClassScores(values=lambda block: _log_probabilities(arrays, block), gradient=gradient)


def _log_probabilities(arrays: Arrays, block: Floats) -> Floats:
    return log_between(*_all_bounds(arrays, block))


def _all_bounds(arrays: Arrays, block: Floats) -> tuple[Floats, Floats]:
    """Thresholds around every class, less each row's score, each of shape (n, P)."""
    scores = linear_map(arrays["coefficients"][:, None])(block)
    ends = np.concatenate([[-np.inf], arrays["thresholds"], [np.inf]])
    return ends[:-1] - scores, ends[1:] - scores


def _layout(spec: HeadSpec) -> Layout:
    return {"coefficients": ("float64", "d"), "thresholds": ("float64", "t")}


def _damage(arrays: Arrays) -> str:
    n_present = int(np.count_nonzero(arrays["present"]))
    if len(arrays["thresholds"]) != n_present - 1:
        return f"{n_present} classes need {n_present - 1} thresholds, not {len(arrays['thresholds'])}"
    return "" if (np.diff(arrays["thresholds"]) > 0).all() else "the thresholds do not rise"


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """One direction, however many the classes, with the iterations of a logistic head."""
    iterations = 40 + 600 * spec.number("C") ** 0.4
    return FitCost(iterations * size.n_rows * size.n_features * 0.7e-9)


register_head(
    HeadKind(
        name="cumulative",
        title="Cumulative logit",
        headline="cumulative logit C = {C}",
        settings={"C": Setting(0.01)},
        layout=_layout,
        fit=fit_cumulative,
        predictor=cumulative_predictor,
        scores=cumulative_scores,
        cost=_cost,
        n_products=lambda spec, size: float(size.n_features),
        damage=_damage,
        grids={
            "quick": [{"C": C} for C in (1e-3, 1e-2, 1e-1)],
            "wide": [{"C": C} for C in (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)],
        },
        needs_order=True,
        order=7,
    )
)
