"""Descent to the least loss of a linear head: L-BFGS that knows the curvature along the principal directions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from headstart.heads.linear.directions import Curvature, PrincipalDirections
from headstart.heads.linear.loss import LinearLoss, Matrix

N_REMEMBERED = 8
ROUGH_SHARE = 1e-2
"""Share of the first gradient down to which the problem within the principal directions is solved."""
N_WATCHED = 6
"""Losses in a row whose fall ends the descent once it is no more than rounding can make of it."""
MAX_HALVINGS = 30
LEAST_GAIN = 1e-4
"""Share of the gain promised by the gradient that a step must bring (Armijo)."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Parameters that a descent came to.

    Attributes
    ----------
    parameters : ndarray of shape (d + 1, n_scores)
    n_iterations : int
    converged : bool
        Whether no entry of the gradient is above the tolerance, or rounding hides what the last steps gained.
    """

    parameters: Matrix
    n_iterations: int
    converged: bool


def least_loss(loss: LinearLoss, directions: PrincipalDirections, *, tolerance: float, max_iterations: int) -> Descent:
    """Parameters of least loss: first within the principal directions, which is cheap, from there in all.

    Parameters
    ----------
    loss : LinearLoss
    directions : PrincipalDirections
        Of the features of the loss.
    tolerance : float > 0
        Largest entry that the gradient of the mean loss may have, as scikit-learn's `LogisticRegression` counts it.
    max_iterations : int
    """
    inside = replace(loss, features=directions.scores)
    n_inside = directions.vectors.shape[1]
    within = PrincipalDirections(np.eye(n_inside, dtype=directions.vectors.dtype), directions.scores, 0.0)
    first = float(np.abs(inside(inside.start)[1]).max())
    rough = _descend(inside, inside.start, within, max(tolerance, ROUGH_SHARE * first), max_iterations)
    del inside
    return _descend(loss, directions.parameters(rough.parameters), directions, tolerance, max_iterations)


def _descend(
    loss: LinearLoss, start: Matrix, directions: PrincipalDirections, tolerance: float, max_iterations: int
) -> Descent:
    """Steps of limited-memory BFGS, whose first matrix is the estimated curvature.

    References
    ----------
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, Springer, 2006, algorithms 3.1 and 7.4.
    DOI 10.1007/978-0-387-40065-5
    """
    parameters = start
    value, gradient = loss(parameters)
    curvature = Curvature(directions, loss)
    pairs: deque[_Pair] = deque(maxlen=N_REMEMBERED)
    values: deque[float] = deque([value], maxlen=N_WATCHED)
    for iteration in range(max_iterations):
        if np.abs(gradient).max() <= tolerance:
            return Descent(parameters, iteration, converged=True)
        if iteration and iteration % curvature.refresh_every == 0:
            curvature.refresh()
        direction = _direction(gradient, pairs, curvature)
        found = _searched(loss, parameters, value, gradient, direction)
        if found is None and pairs:  # what was remembered may mislead
            pairs.clear()
            found = _searched(loss, parameters, value, gradient, curvature.solve(gradient))
        if found is None:
            return Descent(parameters, iteration, converged=True)
        before, slope = parameters, gradient
        parameters, value, gradient = found
        values.append(value)
        if len(values) == N_WATCHED and values[0] - value <= N_WATCHED * _rounding(value, gradient):
            return Descent(parameters, iteration + 1, converged=True)
        pair = _Pair.of(parameters - before, gradient - slope)
        if pair is not None:
            pairs.append(pair)
            curvature.learn(pair.step, pair.change)
    return Descent(parameters, max_iterations, converged=bool(np.abs(gradient).max() <= tolerance))


@dataclass(frozen=True, eq=False)
class _Pair:
    """A step, the change of the gradient along it, and the inverse of their product."""

    step: Matrix
    change: Matrix
    inverse: float

    @classmethod
    def of(cls, step: Matrix, change: Matrix) -> _Pair | None:
        """The pair; None where rounding hides how the loss bends."""
        product = float(np.vdot(step, change))
        return cls(step, change, 1.0 / product) if product > 0 else None


def _direction(gradient: Matrix, pairs: deque[_Pair], curvature: Curvature) -> Matrix:
    """What the step of least loss would take off the parameters, by all that is known of the curvature."""
    left, shares, product = gradient.copy(), [], np.empty_like(gradient)
    for pair in reversed(pairs):
        shares.append(pair.inverse * float(np.vdot(pair.step, left)))
        left -= np.multiply(pair.change, shares[-1], out=product)
    found = curvature.solve(left)
    for pair, share in zip(pairs, reversed(shares), strict=True):
        found += np.multiply(pair.step, share - pair.inverse * float(np.vdot(pair.change, found)), out=product)
    return found


def _searched(
    loss: LinearLoss, parameters: Matrix, value: float, gradient: Matrix, direction: Matrix
) -> tuple[Matrix, float, Matrix] | None:
    """Parameters, loss and gradient after a step along the direction that lowers the loss; None when none does."""
    promised = float(np.vdot(gradient, direction))
    if promised <= 0:
        return None
    length = 1.0
    for _ in range(MAX_HALVINGS):
        tried = parameters - length * direction
        lower, slope = loss(tried)
        if lower <= value - LEAST_GAIN * length * promised + _rounding(value, gradient):
            return tried, lower, slope
        least = length * promised / (2 * (lower - value + length * promised))  # of the parabola through what is known
        length *= min(0.5, max(0.1, least))
    return None


def _rounding(value: float, gradient: Matrix) -> float:
    """Difference of losses that rounding hides in the precision of the gradient."""
    return float(np.finfo(gradient.dtype).eps) * abs(value)
