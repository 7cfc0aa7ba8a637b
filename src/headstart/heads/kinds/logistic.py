"""Multinomial logistic regression with an L2 penalty."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.decisions.scaling import softmax
from headstart.heads.arithmetic import Arrays, BlockPredictor, linear_map
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.linear.descent import least_loss
from headstart.heads.linear.directions import PrincipalDirections, has_own_curvatures
from headstart.heads.linear.loss import LogisticLoss, Matrix
from headstart.heads.scores import ClassScores, linear_scores
from headstart.heads.training_rows import TrainingRows

TOLERANCE = 3e-6
"""Largest entry of the gradient of the mean loss: the loss is then least to 1e-5 of itself."""
MAX_ITERATIONS = 3000

EXACT_VALUES = 2**18
"""Tables of fewer values are computed in float64, which costs nothing there, and to a finer tolerance."""
EXACT_TOLERANCE = 1e-7


def fit_logistic(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a logistic head for every spec.

    Minimises ``C * sum_i w_i loss_i + |coefficients|^2 / 2`` on standardised features, as scikit-learn's
    `LogisticRegression` does, intercepts unpenalised. All C share the principal directions of the rows. Each C starts
    from zero: going from C to C would save a tenth of the time and let a head depend on which others it was fitted
    with.
    """
    exact = rows.features.size < EXACT_VALUES
    features = rows.standardised if exact else rows.standardised_single
    directions = PrincipalDirections.of(features)
    tolerance = EXACT_TOLERANCE if exact else TOLERANCE
    return [_fit_one(spec.number("C"), rows, directions, features, tolerance) for spec in specs]


def _fit_one(
    C: float, rows: TrainingRows, directions: PrincipalDirections, features: Matrix, tolerance: float
) -> dict[str, npt.NDArray[Any]]:
    total = float(rows.weights.sum())
    loss = LogisticLoss(features, rows.labels, rows.weights / total, rows.n_present, 1.0 / (C * total))
    found = least_loss(loss, directions, tolerance=tolerance, max_iterations=MAX_ITERATIONS)
    if not found.converged:
        warnings.warn(
            f"The logistic head with C = {C:g} had not converged after {found.n_iterations} iterations; its "
            "probabilities are valid but not the best of this C. Use a smaller C.",
            RuntimeWarning,
            stacklevel=3,
        )
    solution = found.parameters.T.astype(np.float64)  # (scores, d + 1)
    if len(solution) == 1:  # softmax of (-s/2, s/2) is the sigmoid of s
        solution = np.concatenate([-solution / 2, solution / 2])
    return {"coefficients": solution[:, :-1].copy(), "intercepts": solution[:, -1].copy()}


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


def descent_seconds(C: float, n_rows: int, n_features: int, n_scores: int) -> float:
    """Rough seconds of the descent for one C; the constants are fitted to timings of d = 1280 on one core.

    Beyond C = 0.1 it takes few steps more: most rows are on their side by then.
    """
    strength = float(min(C, 0.1) ** 0.4)
    n_steps = 5 + 85 * strength if has_own_curvatures(n_scores, n_features) else 8 + 150 * strength
    return n_steps * n_rows * n_features * (1.1e-9 + 9e-11 * n_scores)


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """All C share the directions."""
    own = descent_seconds(spec.number("C"), size.n_rows, size.n_features, size.n_machines)
    return FitCost(own, 3e-9 * size.n_rows * size.n_features, "directions")


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
            "quick, many classes": [{"C": C} for C in (3e-2, 3e-1)],
            "wide": [{"C": C} for C in (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)],
        },
        order=2,
    )
)
