"""Multinomial logistic regression with an L2 penalty."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.decisions.scaling import softmax
from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats, linear_map, sigmoid
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.scores import ClassScores, linear_scores
from headstart.heads.training_rows import TrainingRows

Objective = Callable[[Floats], tuple[float, Floats]]

GRADIENT_TOLERANCE = 1e-6
MAX_ITERATIONS = 3000


def fit_logistic(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a logistic head for every spec.

    Minimises ``C * sum_i w_i loss_i + |coefficients|^2 / 2`` on standardised features, as scikit-learn's
    `LogisticRegression` does, intercepts unpenalised. Each C starts from zero: going from C to C would save a tenth
    of the time and let a head depend on which others it was fitted with.
    """
    return [_fit_one(spec.number("C"), rows) for spec in specs]


def _fit_one(C: float, rows: TrainingRows) -> dict[str, npt.NDArray[Any]]:
    from scipy.optimize import minimize

    n_scores = 1 if rows.n_present == 2 else rows.n_present
    objective = _binary_objective(rows, C) if n_scores == 1 else _multinomial_objective(rows, C)
    found = minimize(
        objective,
        np.zeros((rows.standardised.shape[1] + 1) * n_scores),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": GRADIENT_TOLERANCE, "ftol": 0.0, "maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS},
    )
    if found.status == 1:
        warnings.warn(
            f"The logistic head with C = {C:g} had not converged after {found.nit} iterations; its probabilities are "
            "valid but not the best of this C. Use a smaller C.",
            RuntimeWarning,
            stacklevel=2,
        )
    solution = found.x.reshape(-1, n_scores).T  # (scores, d + 1)
    if n_scores == 1:  # softmax of (-s/2, s/2) is the sigmoid of s
        solution = np.concatenate([-solution / 2, solution / 2])
    return {"coefficients": solution[:, :-1].copy(), "intercepts": solution[:, -1].copy()}


def _binary_objective(rows: TrainingRows, C: float) -> Objective:
    """Penalised mean loss and its gradient for two classes, in d coefficients and the intercept."""
    features, shares = rows.standardised, rows.weights / rows.weights.sum()
    signs = 2.0 * rows.labels - 1.0
    penalty = 1.0 / (C * rows.weights.sum())

    def objective(parameters: Floats) -> tuple[float, Floats]:
        coefficients = parameters[:-1]
        margins = signs * (features @ coefficients + parameters[-1])
        loss = shares @ np.logaddexp(0.0, -margins) + penalty / 2 * (coefficients @ coefficients)
        residuals = -shares * signs * sigmoid(-margins)
        gradient = np.append(residuals @ features + penalty * coefficients, residuals.sum())
        return float(loss), gradient

    return objective


def _multinomial_objective(rows: TrainingRows, C: float) -> Objective:
    """Penalised mean loss and its gradient for three classes or more, in (d + 1, classes) parameters, flat."""
    features, shares = rows.standardised, rows.weights / rows.weights.sum()
    targets = np.eye(rows.n_present)[rows.labels]  # (n, classes)
    penalty = 1.0 / (C * rows.weights.sum())

    def objective(parameters: Floats) -> tuple[float, Floats]:
        table = parameters.reshape(-1, rows.n_present)
        probabilities = softmax(features @ table[:-1] + table[-1])
        of_true = np.maximum((probabilities * targets).sum(axis=1), np.finfo(np.float64).tiny)
        loss = -shares @ np.log(of_true) + penalty / 2 * np.sum(table[:-1] ** 2)
        residuals = shares[:, None] * (probabilities - targets)
        gradient = np.concatenate([features.T @ residuals + penalty * table[:-1], residuals.sum(axis=0)[None]])
        return float(loss), gradient.ravel()

    return objective


def logistic_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Softmax of a linear map."""
    score = linear_map(arrays["coefficients"].T)
    return lambda block: softmax(score(block) + arrays["intercepts"])


def logistic_scores(spec: HeadSpec, arrays: Arrays) -> ClassScores:
    """Logits."""
    return linear_scores(arrays["coefficients"], arrays["intercepts"])


def linear_layout(spec: HeadSpec) -> Layout:
    """Coefficients and intercepts of one linear map."""
    return {"coefficients": ("float64", "Pd"), "intercepts": ("float64", "P")}


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """The constants are fitted to timings of d = 1280, n = 200 to 2,100, 2 classes."""
    iterations = 20 + 600 * spec.number("C") ** 0.4
    return FitCost(iterations * size.n_rows * size.n_features * 0.7e-9 * size.n_machines)


register_head(
    HeadKind(
        name="logistic",
        title="Logistic",
        headline="logistic C = {C}",
        settings={"C": Setting(0.01)},
        layout=linear_layout,
        fit=fit_logistic,
        predictor=logistic_predictor,
        scores=logistic_scores,
        cost=_cost,
        grids={
            "quick": [{"C": C} for C in (1e-3, 1e-2, 3e-2)],
            "wide": [{"C": C} for C in (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)],
        },
        order=2,
    )
)
