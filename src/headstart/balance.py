"""Even classes: only ever sees the rows of a training fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError, unknown_name

METHODS = ("none", "weights")


@dataclass(frozen=True, eq=False)
class Balanced:
    """Rows after balancing.

    Attributes
    ----------
    weights : ndarray of shape (n,), float64
    """

    weights: NDArray[np.float64]


def check_method(name: str) -> None:
    """Refuse a method that is unknown.

    Raises
    ------
    InputError
    """
    if name not in METHODS:
        raise InputError(unknown_name("balancing method", name, METHODS))


def balanced(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    n_classes: int,
    weights: NDArray[np.float64] | None,
    method: str,
    seed: int,
) -> Balanced:
    """The training rows with classes made even.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
    labels : ndarray of shape (n,), int64
    n_classes : int
    weights : ndarray of shape (n,), float64, or None
    method : str
    seed : int
    """
    given = np.ones(len(labels)) if weights is None else weights
    totals = np.bincount(labels, weights=given, minlength=n_classes)
    even = given.sum() / np.count_nonzero(totals)
    factors = np.divide(even, totals, out=np.zeros(n_classes), where=totals > 0)
    return Balanced(given * factors[labels])
