"""Arithmetic whose result for a row does not depend on the other rows of the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Values = TypeVar("Values", Floats, Features)
"""Float64 or float32, computed in that precision."""
Arrays = Mapping[str, npt.NDArray[Any]]
"""Arrays that a fitted head is made of, by name."""
BlockPredictor = Callable[[Floats], Floats]
"""Function from a block of standardised features (BLOCK_ROWS, n_features) to values of every row, row by row.

Blocks of other sizes may come to it where its `HeadKind.n_unpadded` says so.
"""

TINY = 1e-12

BLOCK_ROWS = 64
COLUMN_TILE = 64
"""Number of rows that go through a matrix product at once, and the multiple that the columns of its result fill.

BLAS picks its kernel by the shape of the matrices, and different kernels add in different orders. One fixed shape,
filled up with zero rows, makes the last bits of a row the same whether it comes alone or among ten thousand. Columns
that do not fill a tile of the kernel are summed in an order that depends on where in the block the row stands
(OpenBLAS 0.3.31 on AVX-512: 9 of 2,624 rows changed their last bit when shuffled), so columns are filled up too.
"""

PROBABILITY_FLOOR = 1e-6
"""Least probability a head gives a class: what a class absent from the training rows gets, in every row."""


def standardised(rows: npt.NDArray[Any], arrays: Arrays) -> Floats:
    """Features in units of the training rows' standard deviation; features constant in training become 0."""
    centred = rows.astype(np.float64)
    centred -= arrays["mean"]
    centred *= arrays["inverse_scale"]
    return centred


def in_blocks(
    features: Features, compute: Callable[[Floats], Floats], n_columns: int, *, n_unpadded: int = 0
) -> Floats:
    """Result of `compute` for every row, computed in zero-padded blocks of `BLOCK_ROWS` rows.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features), float32
    compute : callable
        Function from a block (BLOCK_ROWS, n_features) float64 to (BLOCK_ROWS, n_columns) float64, row by row.
    n_columns : int
    n_unpadded : int
        Greatest number of rows of a block where `compute` gives a row the same bits in blocks of every size: none is
        padded then. Default: 0, it does not.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), float64
    """
    n_rows, n_features = features.shape
    result = np.empty((n_rows, n_columns))
    step = n_unpadded or BLOCK_ROWS
    for start in range(0, n_rows, step):
        rows = features[start : start + step]
        block = np.zeros((len(rows) if n_unpadded else BLOCK_ROWS, n_features))
        block[: len(rows)] = rows
        result[start : start + len(rows)] = compute(block)[: len(rows)]
    return result


def linear_map(matrix: Floats) -> Callable[[Floats], Floats]:
    """Function from a block (BLOCK_ROWS, n_inputs) to ``block @ matrix``, each row regardless of the others.

    Parameters
    ----------
    matrix : ndarray of shape (n_inputs, n_outputs), float64
    """
    n_inputs, n_outputs = matrix.shape
    filled = np.zeros((n_outputs + -n_outputs % COLUMN_TILE, n_inputs))
    filled[:n_outputs] = matrix.T
    return lambda block: np.asarray((block @ filled.T)[:, :n_outputs])


def sigmoid(scores: Floats) -> Floats:
    """1 / (1 + exp(-scores)), element by element, without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(scores))
    return np.where(scores >= 0, 1.0, small) / (1.0 + small)


def gelu(values: Floats) -> Floats:
    """Value times the probability that a standard normal number lies below it, element by element.

    >>> gelu(np.array([-40.0, 0.0, 40.0])).tolist()
    [-0.0, 0.0, 40.0]
    """
    from scipy.special import ndtr

    return np.asarray(values * ndtr(values))


def gelu_derivative(values: Floats) -> Floats:
    """Derivative of `gelu`, element by element.

    >>> abs(gelu_derivative(np.array([-40.0, 0.0, 40.0]))).tolist()
    [0.0, 0.5, 1.0]
    """
    from scipy.special import ndtr

    return np.asarray(ndtr(values) + values * np.exp(-0.5 * values**2) / np.sqrt(2.0 * np.pi))


def squared_norms(rows: Values) -> Values:
    """Squared Euclidean length of every row; (n_rows,)."""
    lengths: Values = np.einsum("ij,ij->i", rows, rows)
    return lengths


def unit_rows(rows: Floats) -> Floats:
    """Rows scaled to length 1; a row of zeros stays zero."""
    lengths = np.sqrt(squared_norms(rows))
    return rows / np.where(lengths > 0, lengths, 1.0)[:, None]


def squared_distances(products: Values, norms: Values, other_norms: Values) -> Values:
    """Squared Euclidean distance of every pair, from inner products and squared norms; overwrites the products.

    >>> squared_distances(np.array([[3.0]]), np.array([9.0]), np.array([1.0])).tolist()
    [[4.0]]
    """
    products *= -2.0
    products += norms[:, None]
    products += other_norms
    np.maximum(products, 0.0, out=products)  # rounding can leave one slightly below zero
    return products


def rbf(distances: Values, gamma: float, out: Values | None = None) -> Values:
    """exp(-gamma * distance), element by element, of squared distances; written into `out` where it is given."""
    kernel: Values = np.multiply(distances, -gamma, out=out)
    np.exp(kernel, out=kernel)
    return kernel


def over_all_classes(probabilities: Floats, present: npt.NDArray[np.bool_]) -> Floats:
    """Probabilities of all classes from those of the classes seen in training.

    Every probability is raised to at least `PROBABILITY_FLOOR` by an affine map, which keeps every ranking; a class
    not seen in training gets exactly the floor.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_present), float64
    present : ndarray of shape (n_classes,), bool

    Returns
    -------
    ndarray of shape (n_rows, n_classes), float64
        Rows sum to 1.
    """
    result = np.full((len(probabilities), present.size), PROBABILITY_FLOOR)
    result[:, present] += (1.0 - present.size * PROBABILITY_FLOOR) * probabilities
    return result
