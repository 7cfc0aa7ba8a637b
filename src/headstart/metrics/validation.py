"""Array types of the room and the few checks and helpers all its modules share."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MAX_PROBABILITY: Final = 1 + 1e-6
MAX_SUM_ERROR: Final = 1e-3


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> FloatArray:
    """Quotient, nan where the denominator is 0: the mark of a score that is undefined.

    >>> ratio([1.0, 0.0], [2.0, 0.0])
    array([0.5, nan])
    """
    above, below = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    quotient: FloatArray = np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)
    return quotient


def check_labels(labels: Any, n_classes: int) -> IntArray:
    """Labels as int64 of shape (n,), each from 0 to n_classes - 1.

    Raises
    ------
    InputError
        When they are not whole numbers in that range, or not one-dimensional.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"Labels must be a non-empty list of class numbers; got shape {array.shape}.")
    if array.dtype.kind not in "iub":
        raise InputError(f"Labels must be class numbers (integers); got {array.dtype}. Encode names as 0, 1, ... .")
    if array.min() < 0 or array.max() >= n_classes:
        raise InputError(
            f"Labels must lie in 0 to {n_classes - 1} for {n_classes} probability columns; "
            f"got {array.min()} to {array.max()}. Pass one column per class."
        )
    return array.astype(np.int64)


def check_probabilities(probabilities: Any, n_rows: int) -> FloatArray:
    """Probabilities as float64 of shape (n_rows, n_classes), each row summing to 1 within 1e-3.

    Raises
    ------
    InputError
        When the shape is wrong, a value is outside [0, 1] or not finite, or a row does not sum to 1.
    """
    array = np.asarray(probabilities, dtype=np.float64)
    if array.ndim != 2 or len(array) != n_rows or array.shape[1] < 2:
        raise InputError(
            f"Probabilities must have shape ({n_rows}, number of classes >= 2), one row per label; got {array.shape}."
        )
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= MAX_PROBABILITY):
        raise InputError("Probabilities must be finite and between 0 and 1. Apply a softmax to raw scores first.")
    sums = array.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > MAX_SUM_ERROR:
        raise InputError(f"Probabilities of a row must sum to 1; row {worst} sums to {sums[worst]:.4f}. Normalise.")
    return array


def check_weights(weights: Any, n_rows: int) -> FloatArray:
    """Weights as float64 of shape (n_rows,) or (batch, n_rows): finite, none negative; all ones for None.

    Raises
    ------
    InputError
        When the shape is wrong or a weight is negative or not finite.
    """
    if weights is None:
        return np.ones(n_rows)
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim not in (1, 2) or array.shape[-1] != n_rows:
        raise InputError(f"Weights must have shape ({n_rows},) or (batch, {n_rows}); got {array.shape}.")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise InputError("Weights must be finite and not negative. Drop rows that should not count, or weigh them 0.")
    return array


def relative_weights(weights: FloatArray) -> FloatArray:
    """Weights with a mean of 1 over the positive ones, along the last axis; all zeros stay.

    What a score means does not depend on the unit of the weights, so neither may its digits: the largest weight is
    divided out first, so that sums neither overflow nor vanish, whatever the unit.

    Parameters
    ----------
    weights : ndarray of shape (n,) or (batch, n)
        Finite, none negative.

    Examples
    --------
    >>> relative_weights(np.array([1e300, 3e300, 0.0]))
    array([0.5, 1.5, 0. ])
    """
    largest = weights.max(axis=-1, keepdims=True)
    shares = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0)
    mean = ratio(shares.sum(axis=-1, keepdims=True), (weights > 0).sum(axis=-1, keepdims=True))
    relative: FloatArray = np.divide(shares, mean, out=shares, where=largest > 0)
    return relative


def plain(value: float) -> float | None:
    """Python float for JSON; None for nan, since JSON has no word for undefined."""
    return None if np.isnan(value) else float(value)
