"""Shapley values of places: what each adds to a score on average, over all orders in which they could be added."""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MAX_ENUMERATED = 10
"""Most places of which every subset is looked at."""
N_EVALUATIONS = 4096
"""Scores that are computed for one image with more places, or few more."""
MIN_ORDERS = 8
_SEED = 20_953  # of the orders that are drawn: the same for every image, so that maps can be compared


def shapley_values(shares: Floats, base: Floats, value: Callable[[Floats], Floats]) -> Floats:
    """Shapley value (n_places,) of every place; together they are the value of all places less that of none.

    Up to 10 places exactly; of more, the mean over orders that are drawn in pairs, each with its reverse [1]_.

    Parameters
    ----------
    shares : ndarray of shape (n_places, n_features)
        What each place adds to the features.
    base : ndarray of shape (n_features,)
        Features without any place.
    value : callable
        Function from features (n, n_features) to values (n,).

    References
    ----------
    .. [1] R. Mitchell, J. Cooper, E. Frank and G. Holmes, "Sampling permutations for Shapley value estimation", JMLR
       23, 2022, 1-46, section 3.2 (antithetic orders). arXiv:2104.12199
    """
    if len(shares) <= MAX_ENUMERATED:
        return _enumerated(shares, base, value)
    found = np.zeros(len(shares))
    orders = list(_orders(len(shares)))
    for order in orders:
        steps = np.concatenate([base[None], base + shares[order].cumsum(axis=0)])
        found[order] += np.diff(value(steps))
    return found / len(orders)


def _enumerated(shares: Floats, base: Floats, value: Callable[[Floats], Floats]) -> Floats:
    n_places = len(shares)
    subsets = np.arange(2**n_places)
    members = (subsets[:, None] >> np.arange(n_places) & 1).astype(np.float64)  # (subsets, places)
    values, sizes = value(base + members @ shares), members.sum(axis=1).astype(int)
    n_orders = [
        factorial(size) * factorial(n_places - size - 1) / factorial(n_places) for size in range(n_places)
    ]  # share of all orders in which just these come before the place
    found = np.zeros(n_places)
    for place in range(n_places):
        without = subsets[members[:, place] == 0]
        found[place] = np.take(n_orders, sizes[without]) @ (values[without | 1 << place] - values[without])
    return found


def _orders(n_places: int) -> Iterator[NDArray[np.int64]]:
    generator = np.random.default_rng(_SEED)
    for _ in range(max(N_EVALUATIONS // n_places, MIN_ORDERS) // 2):
        order = generator.permutation(n_places)
        yield order
        yield order[::-1]
