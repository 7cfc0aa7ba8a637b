"""Probabilities and labels that the tests of decisions share."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

FOUR = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])  # positive column .1 .4 .3 .8
FOUR_LABELS = np.array([0, 0, 1, 1])


def overconfident(n: int, *, factor: float = 3.0, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two-class probabilities whose log odds are `factor` times the true ones plus a shift, and labels."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(scale=1.5, size=n)
    labels = (rng.random(n) < expit(odds)).astype(np.int64)
    positive = expit(factor * odds + shift)
    return np.stack([1 - positive, positive], axis=1), labels


def three_classes(n: int = 600, *, factor: float = 2.5, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=1.3, size=(n, 3))
    true = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in true])
    given = np.exp(factor * scores)
    return given / given.sum(axis=1, keepdims=True), labels
