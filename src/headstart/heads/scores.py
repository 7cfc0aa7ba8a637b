"""Scores of classes as a head gives them before it makes probabilities of them, and how they change with features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headstart.heads.arithmetic import BlockPredictor, Floats, linear_map

ScoreGradient = Callable[[Floats, Floats], Floats]
"""Function from standardised features (n, d) and a weight of every class (n, P) to the gradient (n, d) of the weighted
sum of each row's scores, with respect to its standardised features."""


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Scores of the classes that a head saw in training: what probabilities are made of, before any calibration.

    Attributes
    ----------
    values : callable
        Function from standardised features (n, d) to scores (n, P), row by row.
    gradient : callable or None
        `ScoreGradient`; None for scores that rise in steps, such as the votes of trees.
    is_linear : bool
        The gradient is the same everywhere.
    is_continuous : bool
        The gradients along a straight path add up to the difference of the scores at its ends.
    smooth_gradient : callable or None
        `ScoreGradient` of a smooth stand-in for scores that hang on a few rows at a time, whose own gradient says
        little of why they are what they are; None where `gradient` serves.
    """

    values: BlockPredictor
    gradient: ScoreGradient | None = None
    is_linear: bool = False
    is_continuous: bool = True
    smooth_gradient: ScoreGradient | None = None


def linear_scores(coefficients: Floats, intercepts: Floats) -> ClassScores:
    """Scores that are one linear map of the features.

    Parameters
    ----------
    coefficients : ndarray of shape (P, d)
    intercepts : ndarray of shape (P,)
    """
    score = linear_map(coefficients.T)
    return ClassScores(
        values=lambda block: score(block) + intercepts,
        gradient=lambda block, weights: np.asarray(weights @ coefficients),
        is_linear=True,
    )
