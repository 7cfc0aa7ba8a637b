"""Ridge regression of class indicators, one class against the rest, with probabilities fitted on rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.decisions.scaling import fit_softmax_scale, softmax
from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats, linear_map
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.scores import ClassScores, linear_scores
from headstart.heads.training_rows import TrainingRows

RANK_TOLERANCE = 1e-12
"""Directions whose eigenvalue is below this share of the largest are rounding alone."""

MIN_PENALTY = 1e-10
"""Share of the largest eigenvalue that an alpha counts for at least. With more features than rows a smaller one lets
the regression pass through every row to the last digit: residuals of rows left out would be 0 divided by 0."""


def fit_ridge(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a ridge head for every spec.

    Minimises ``sum_i w_i (y_i - f(x_i))^2 + alpha |coefficients|^2`` for targets of +1 in the class and -1 in the rest,
    as scikit-learn's `RidgeClassifier` does, intercepts unpenalised. All alphas share one eigendecomposition.

    Probabilities are ``softmax(slope * f + offset of the class)``. Slope and offsets maximise the likelihood of values
    of f that leave each row, with all rows of its group, out of the regression; closed form, so that no fold need be
    fitted again. The mean target is that of all rows: it is the same for every row, whatever its class,
    while leaving a row out moves it away from the row's own class. So is the standardisation, which knows no labels.

    References
    ----------
    D. M. Allen, "The relationship between variable selection and data augmentation and a method for prediction",
    Technometrics 16, 1974, 125-127. DOI 10.1080/00401706.1974.10489157 (rows left out in closed form).
    """
    problem = _decompose(rows)
    fitted = {alpha: _fit_one(problem, alpha, rows) for alpha in sorted({spec.number("alpha") for spec in specs})}
    return [dict(fitted[spec.number("alpha")]) for spec in specs]


@dataclass(frozen=True, eq=False)
class _Problem:
    """The weighted least-squares problem in the coordinates of its principal directions.

    Parameters
    ----------
    scores : ndarray of shape (n, r)
        Rows times the square root of their weight, in those coordinates.
    directions : ndarray of shape (d, r)
    squares : ndarray of shape (r,)
        Eigenvalues of the weighted scatter.
    targets : ndarray of shape (n, P)
        Centred targets times the square root of the row's weight.
    means : ndarray of shape (P,)
        Weighted mean targets: the intercepts, since features are centred.
    roots : ndarray of shape (n,)
        Square roots of the weights.
    """

    scores: Floats
    directions: Floats
    squares: Floats
    targets: Floats
    means: Floats
    roots: Floats


def _decompose(rows: TrainingRows) -> _Problem:
    from scipy.linalg import eigh

    roots = np.sqrt(rows.weights)
    scaled = rows.standardised * roots[:, None]  # (n, d)
    signs = 2.0 * np.eye(rows.n_present)[rows.labels] - 1.0
    means = rows.weights @ signs / rows.weights.sum()
    wide = scaled.shape[1] > scaled.shape[0]
    squares, vectors = eigh(scaled @ scaled.T if wide else scaled.T @ scaled)
    kept = squares > RANK_TOLERANCE * max(float(squares[-1]), 1.0)
    squares, vectors = squares[kept], vectors[:, kept]
    directions = scaled.T @ (vectors / np.sqrt(squares)) if wide else vectors
    scores = vectors * np.sqrt(squares) if wide else scaled @ vectors
    return _Problem(scores, directions, squares, (signs - means) * roots[:, None], means, roots)


def _fit_one(problem: _Problem, alpha: float, rows: TrainingRows) -> dict[str, npt.NDArray[Any]]:
    penalty = max(alpha, MIN_PENALTY * float(problem.squares.max(initial=0.0)))
    shrunk = problem.scores / (problem.squares + penalty)  # (n, r)
    within = shrunk.T @ problem.targets  # (r, P)
    decisions = np.zeros_like(problem.targets)
    if rows.groups is None or np.unique(rows.groups).size > 1:  # one group alone leaves nothing to judge it by
        residuals = _left_out_residuals(problem, shrunk, problem.targets - problem.scores @ within, rows.groups)
        moved = _left_out_means(problem, rows.groups)
        decisions = problem.means + (problem.targets - residuals) / problem.roots[:, None] - moved
    slope, offsets = fit_softmax_scale(decisions, rows.labels, rows.weights)
    return {
        "coefficients": np.ascontiguousarray((problem.directions @ within).T),
        "intercepts": problem.means.copy(),
        "slope": np.array(slope),
        "offsets": offsets,
    }


def _left_out_residuals(
    problem: _Problem, shrunk: Floats, residuals: Floats, groups: npt.NDArray[Any] | None
) -> Floats:
    """Residuals (n, P), weighted, of a regression that saw neither the row nor its group.

    With H the hat matrix (intercept included) they are ``(I - H_gg)^-1 e_g`` for the rows g of a group. The inverse
    exists unless one group is all there is: penalised directions have eigenvalues below 1.
    """
    share = problem.roots / np.sqrt((problem.roots**2).sum())
    leverage = np.einsum("ij,ij->i", problem.scores, shrunk) + share**2
    result: Floats = residuals / (1.0 - leverage)[:, None]
    if groups is None:
        return result
    order = np.argsort(groups, kind="stable")
    for group in np.split(order, np.flatnonzero(groups[order][1:] != groups[order][:-1]) + 1):
        if len(group) > 1:
            hat = problem.scores[group] @ shrunk[group].T + np.outer(share[group], share[group])
            result[group] = np.linalg.solve(np.eye(len(group)) - hat, residuals[group])
    return result


def _left_out_means(problem: _Problem, groups: npt.NDArray[Any] | None) -> Floats:
    """Mean centred target (n, P) of the rows outside each row's group."""
    members = np.arange(len(problem.roots)) if groups is None else np.unique(groups, return_inverse=True)[1].ravel()
    weights = np.bincount(members, weights=problem.roots**2)
    sums = np.zeros((len(weights), problem.targets.shape[1]))
    np.add.at(sums, members, problem.targets * problem.roots[:, None])
    return np.asarray((-sums / (weights.sum() - weights)[:, None])[members])  # the centred targets sum to zero


def ridge_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Softmax of scaled and shifted regression values."""
    decide = ridge_decisions(arrays)
    return lambda block: softmax(decide(block) * arrays["slope"] + arrays["offsets"])


def ridge_decisions(arrays: Arrays) -> BlockPredictor:
    """Function from a block of standardised features to regression values (BLOCK_ROWS, n_present)."""
    decide = linear_map(arrays["coefficients"].T)
    return lambda block: decide(block) + arrays["intercepts"]


def ridge_scores(spec: HeadSpec, arrays: Arrays) -> ClassScores:
    """Regression values, before they are scaled to probabilities."""
    return linear_scores(arrays["coefficients"], arrays["intercepts"])


def _layout(spec: HeadSpec) -> Layout:
    return {
        "coefficients": ("float64", "Pd"),
        "intercepts": ("float64", "P"),
        "slope": ("float64", ""),
        "offsets": ("float64", "P"),
    }


def _damage(arrays: Arrays) -> str:
    return "array 'slope' must not be negative" if arrays["slope"] < 0 else ""


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """The constants are fitted to timings of d = 1280, n = 200 to 2,100, 2 classes."""
    small = min(size.n_rows, size.n_features)
    shared = 3.4e-11 * size.n_rows * size.n_features * small + 4e-10 * small**3
    return FitCost(1e-9 * size.n_rows * small * (2 + size.n_classes), shared, "eigenvectors")


register_head(
    HeadKind(
        name="ridge",
        title="Ridge",
        headline="ridge alpha = {alpha}",
        settings={"alpha": Setting(3000.0)},
        layout=_layout,
        fit=fit_ridge,
        predictor=ridge_predictor,
        scores=ridge_scores,
        cost=_cost,
        damage=_damage,
        grids={"wide": [{"alpha": alpha} for alpha in (3e2, 1e3, 3e3, 1e4)]},
        order=5,
    )
)
