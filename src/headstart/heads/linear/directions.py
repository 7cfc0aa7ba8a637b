"""The principal directions of training rows, and the curvature of a loss within and beyond them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Floats
from headstart.heads.linear.loss import BLOCK_ROWS, LinearLoss, Matrix

N_DIRECTIONS = 64
N_SKETCHED = 512
"""Rows that the directions are found from, evenly spaced among all: they need not be exact."""
MANY_SCORES = 64
"""Scores from which each has a curvature of its own: a class is then mistaken for few others, each for different ones.
"""
WIDE = 8
"""Features for each direction from which the same holds: finding the curvatures then costs less than it saves."""
REFRESH_EVERY, REFRESH_MANY_EVERY = 4, 8
"""Steps after which the curvature is computed anew: shared by all scores, and one for each."""
LEAST_SCALE = 0.5
"""Least share of a step within the directions that is taken: what a step beyond them bends within would hide the rest.
"""
NEGLIGIBLE = 1e-12
"""Directions whose squared length is below this share of the longest are rounding alone."""


@dataclass(frozen=True, eq=False)
class PrincipalDirections:
    """Orthonormal directions in which the rows vary most, and the rows in their coordinates.

    The loss bends far more along the few directions in which features vary together than along all others. With these
    known, a descent need not find them out step by step.

    Attributes
    ----------
    vectors : ndarray of shape (d, r)
    scores : ndarray of shape (n, r)
        Rows in the coordinates of the directions.
    beyond : float
        Mean variance of the rows along a direction that is none of these; 0 where there is none.
    """

    vectors: Matrix
    scores: Matrix
    beyond: float

    @classmethod
    def of(cls, features: Matrix) -> PrincipalDirections:
        """Directions of standardised features, from random combinations of evenly spaced rows.

        References
        ----------
        N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Review 53, 2011, 217-288,
        algorithm 4.3. DOI 10.1137/090771806
        """
        n_rows, n_features = features.shape
        sketched = features[:: max(1, n_rows // N_SKETCHED)]
        n_directions = min(N_DIRECTIONS, n_features, len(sketched))
        draws = np.random.default_rng(0).standard_normal((len(sketched), n_directions)).astype(features.dtype)
        spanned = (sketched.T @ (sketched @ (sketched.T @ draws))).astype(np.float64)  # (d, r)
        squares, turns = np.linalg.eigh(spanned.T @ spanned)
        kept = squares > NEGLIGIBLE * max(float(squares[-1]), np.finfo(np.float64).tiny)
        vectors = (spanned @ (turns[:, kept] / np.sqrt(squares[kept]))).astype(features.dtype)
        scores = features @ vectors
        n_left = n_features - vectors.shape[1]
        left = float(np.vdot(features, features)) - float(np.vdot(scores, scores))
        return cls(vectors, scores, max(0.0, left) / (n_rows * n_left) if n_left else 0.0)

    def of_rows(self, rows: npt.NDArray[np.bool_]) -> PrincipalDirections:
        """The same directions, with the coordinates of some of the rows."""
        return PrincipalDirections(self.vectors, self.scores[rows], self.beyond)

    def coordinates(self, parameters: Matrix) -> Matrix:
        """Coordinates (r + 1, n_scores) of parameters (d + 1, n_scores) along the directions and the intercept."""
        return np.concatenate([self.vectors.T @ parameters[:-1], parameters[-1:]])

    def parameters(self, coordinates: Matrix) -> Matrix:
        """Parameters (d + 1, n_scores) with these coordinates and none beyond."""
        return np.concatenate([self.vectors @ coordinates[:-1], coordinates[-1:]])


def has_own_curvatures(n_scores: int, n_features: int, n_directions: int = N_DIRECTIONS) -> bool:
    """Whether every score has a curvature of its own, by the sizes of the task."""
    return n_scores >= MANY_SCORES and n_features >= WIDE * n_directions


class Curvature:
    """Estimated curvature of a loss: a matrix along principal directions and intercept, one number for all others.

    Few scores share that of their mean. Of many, on wide features, each has its own, once the descent leaves the
    principal directions. What bends two scores together is left out.

    Parameters
    ----------
    directions : PrincipalDirections
        Directions of the loss's features.
    loss : LinearLoss
        Computed once already.
    """

    def __init__(self, directions: PrincipalDirections, loss: LinearLoss) -> None:
        self.directions, self.loss = directions, loss
        self._by_score = directions.beyond > 0 and has_own_curvatures(loss.n_scores, *directions.vectors.shape)
        self.refresh_every = REFRESH_MANY_EVERY if self._by_score else REFRESH_EVERY
        ones = np.ones((len(directions.scores), 1), dtype=directions.scores.dtype)
        self._scores = np.concatenate([directions.scores, ones], axis=1)  # (n, r + 1)
        self._scale = self._scale_beyond = 1.0
        self.refresh()

    def refresh(self) -> None:
        """Take the curvatures of the rows from where the loss was computed last."""
        if self._by_score:
            matrices = self._matrices_by_score()
        else:
            weights = self._weights(slice(None))
            matrices = np.asarray((self._scores * weights).T @ self._scores, dtype=np.float64)[None]
        means = matrices[:, -1, -1].copy()  # of the intercept: the sums of the weights
        within = np.arange(matrices.shape[1] - 1)
        matrices[:, within, within] += self.loss.penalty
        matrices[:, -1, -1] += NEGLIGIBLE  # intercepts have no penalty
        self._inverses = np.linalg.inv(matrices).astype(self._scores.dtype)
        self._steps_beyond = 1.0 / (means * self.directions.beyond + self.loss.penalty)

    def _weights(self, rows: slice) -> Matrix:
        """Curvatures of some rows times their shares, for each score or all together."""
        curvatures = self.loss.curvatures[rows]
        common = curvatures.mean(axis=1, keepdims=True)
        if not self._by_score:
            return np.asarray(common * self.loss.shares[rows, None])
        shrinkage = self.loss.shrinkage
        weights = curvatures if shrinkage == 0 else (1 - shrinkage) * curvatures + shrinkage * common
        return np.asarray(weights * self.loss.shares[rows, None], dtype=self._scores.dtype)

    def _matrices_by_score(self) -> Floats:
        """``scores.T @ diag(weights[:, k]) @ scores`` of every score k, intercept last; (n_scores, r + 1, r + 1).

        All are found in one product, of the weights with the products of two columns of the rows each.
        """
        n_rows, n_columns = self._scores.shape
        first, second = np.triu_indices(n_columns)
        sums: Floats = np.zeros((self.loss.n_scores, len(first)))
        for start in range(0, n_rows, BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            block = self._scores[rows]
            sums += self._weights(rows).T @ (block[:, first] * block[:, second])
        found: Floats = np.empty((self.loss.n_scores, n_columns, n_columns))
        found[:, first, second] = found[:, second, first] = sums
        return found

    def solve(self, gradient: Matrix) -> Matrix:
        """Step (d + 1, n_scores) that the curvature makes of a gradient."""
        inside = self.directions.coordinates(gradient)
        beyond = self._scale_beyond * self._steps_beyond
        step = self._scale * self._inverse_times(inside)
        step[:-1] -= beyond * inside[:-1]
        found = self.directions.parameters(step)
        found[:-1] += beyond * gradient[:-1]
        return found.astype(gradient.dtype)

    def _inverse_times(self, inside: Matrix) -> Matrix:
        """Product (r + 1, n_scores) of the inverse of each score's matrix with its column."""
        if len(self._inverses) == 1:
            return np.asarray(self._inverses[0] @ inside)
        return np.asarray(np.matmul(self._inverses, inside.T[:, :, None])[:, :, 0].T)

    def learn(self, step: Matrix, change: Matrix) -> None:
        """Scale both parts to what a step has changed in the gradient, after Barzilai and Borwein.

        References
        ----------
        J. Barzilai, J. M. Borwein, "Two-point step size gradient methods", IMA Journal of Numerical Analysis 8, 1988,
        141-148. DOI 10.1093/imanum/8.1.141
        """
        step_inside, change_inside = self.directions.coordinates(step), self.directions.coordinates(change)
        inside = float(np.vdot(step_inside, change_inside))
        expected = float(np.vdot(change_inside, self._inverse_times(change_inside)))
        if inside > 0 and expected > 0:
            self._scale = min(1.0, max(LEAST_SCALE, inside / expected))
        beyond = float(np.vdot(step, change)) - inside
        squares = np.einsum("ij,ij->j", change, change) - np.einsum("ij,ij->j", change_inside, change_inside)
        expected_beyond = float((self._steps_beyond * squares).sum())
        if self.directions.beyond > 0 and beyond > 0 and expected_beyond > 0:
            self._scale_beyond = beyond / expected_beyond
