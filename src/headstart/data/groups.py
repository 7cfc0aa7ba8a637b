"""Groups of images that stay on one side of every split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def number_by_appearance(codes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Codes of the same partition, numbered in the order of first appearance.

    >>> number_by_appearance(np.array([7, 3, 7, 0])).tolist()
    [0, 1, 0, 2]
    """
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: NDArray[np.int64] = rank[inverse.reshape(-1)]
    return numbered


def join_groups(groups: ArrayLike | None, pairs: Iterable[tuple[int, int]], n_images: int) -> NDArray[np.int64]:
    """Group codes in which paired images share one group, as do all of the groups they belong to.

    Parameters
    ----------
    groups : array-like of shape (n_images,), optional
        The user's own groups.
    pairs : iterable of (row, row)
        Near-duplicates or duplicates.
    n_images : int

    Returns
    -------
    ndarray of shape (n_images,), int64
        Numbered in the order of first appearance.

    Examples
    --------
    >>> join_groups([0, 0, 1, 2], [(1, 3)], 4).tolist()
    [0, 0, 1, 0]
    """
    from scipy.sparse import coo_array  # here, since whoever numbers groups alone should not wait for it
    from scipy.sparse.csgraph import connected_components

    own = np.arange(n_images) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    if len(own) != n_images:
        raise ValueError(f"{len(own)} groups for {n_images} images")
    rows = np.array([tuple(pair)[:2] for pair in pairs], dtype=np.int64).reshape(-1, 2)
    n_groups = int(own.max(initial=-1)) + 1
    ends = (own[rows[:, 0]], own[rows[:, 1]])
    links = coo_array((np.ones(len(rows), dtype=np.int8), ends), shape=(n_groups, n_groups))
    return number_by_appearance(connected_components(links, directed=False)[1][own].astype(np.int64))
