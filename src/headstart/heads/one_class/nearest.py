"""Distance to the nearest rows of normal running."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats, linear_map, squared_distances, squared_norms

N_NEIGHBOURS: Final = 5
MAX_ROWS: Final = 4096
"""Most rows that are kept; of more, rows at even steps."""


def fit_nearest(rows: Floats) -> dict[str, npt.NDArray[Any]]:
    """Standardised rows of normal running, of many some at even steps in their order."""
    kept = np.linspace(0, len(rows) - 1, min(len(rows), MAX_ROWS)).round().astype(np.int64)
    return {"rows": np.ascontiguousarray(rows[kept])}


def nearest_distance(arrays: Arrays) -> BlockPredictor:
    """Mean distance to the five nearest rows, per square root of the number of features.

    References
    ----------
    F. Angiulli, C. Pizzuti, "Fast outlier detection in high dimensional spaces", PKDD 2002,
    DOI 10.1007/3-540-45681-3_2 (the sum over k neighbours instead of the k-th alone).
    """
    rows = arrays["rows"]
    products, norms = linear_map(rows.T), squared_norms(rows)
    k, n_features = min(N_NEIGHBOURS, len(rows)), rows.shape[1]

    def distance(block: Floats) -> Floats:
        squares = squared_distances(products(block), squared_norms(block), norms)
        nearest = np.sort(np.partition(squares, k - 1, axis=1)[:, :k], axis=1)
        return np.asarray(np.sqrt(nearest / n_features).mean(axis=1))

    return distance
