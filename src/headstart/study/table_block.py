"""Table columns of a study: encoded for every outer fold on its training rows, and weighed against the features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data.table.array_column import ARRAY
from headstart.data.table.encoding import TableEncoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.data.table.column import TableColumn
    from headstart.study.folds import OuterFold

    Floats = NDArray[np.float64]

BLOCK_SHARE: Final = 1 / 16
"""Least variance of a block of columns, in units of that of all features of a network: docs/table.md measures it."""


class FoldTable:
    """Table columns of all images, encoded once for every outer fold.

    Parameters
    ----------
    columns : sequence of TableColumn
    weights : ndarray of shape (n_images,), float64, optional
        Weight of each image; one of weight 0 has no part in the encoding.
    """

    def __init__(self, columns: Sequence[TableColumn], weights: Floats | None = None) -> None:
        self.columns = tuple(columns)
        self._weights = weights
        self._encodings: dict[bytes, TableEncoding] = {}
        self._encoded: dict[bytes, NDArray[np.float32]] = {}

    def encoding(self, fold: OuterFold) -> TableEncoding:
        """Encoding fitted on the training rows of a fold that count; no other row is looked at."""
        key = fold.train.tobytes()
        if key not in self._encodings:
            rows = fold.train if self._weights is None else fold.train[self._weights[fold.train] > 0]
            self._encodings[key] = TableEncoding.fit(self.columns, rows)
        return self._encodings[key]

    @property
    def title(self) -> str:
        """What the baseline of these columns alone is called."""
        arrays = {column.kind == ARRAY for column in self.columns}
        named = {False: "table columns", True: "feature array"}
        return f"{' and '.join(named[is_array] for is_array in sorted(arrays))} without pictures"

    def block_widths(self, fold: OuterFold) -> tuple[int, ...]:
        """Number of encoded columns of every block that heads weigh: the table's columns, a feature array."""
        return self.encoding(fold).block_widths

    def of(self, fold: OuterFold) -> NDArray[np.float32]:
        """Encoded columns of all images, shape (n_images, n_columns), for a fold and its inner folds."""
        key = fold.train.tobytes()
        if key not in self._encoded:
            self._encoded[key] = self.encoding(fold).apply(self.columns)
        return self._encoded[key]


def beside(features: NDArray[np.float32], table: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Features of rows with their table columns behind; rows that come from one image in turn share its columns.

    Parameters
    ----------
    features : ndarray of shape (n_rows x n_views, n_features)
    table : ndarray of shape (n_rows, n_columns), or None
    """
    if table is None:
        return features
    n_views = len(features) // max(len(table), 1)
    return np.concatenate([features, np.repeat(table, n_views, axis=0)], axis=1)


def block_spread(widths: Sequence[int], *behind: int) -> Floats:
    """Standard deviation that a head gives each feature, so that a block of few does not drown in one of many.

    Heads standardise every feature, so a block counts by its number of columns: three would have a weight of 3 in
    1,283. Instead the summed variance of a block is `BLOCK_SHARE` of the number of all features, or 1 for each column
    where that is more: those of the network's stages, and behind them the table columns and a feature array; where no
    network takes part it is the number of these.
    Multi-block analysis weighs blocks alike, but gives all the same variance [1]_; beside a network that lets columns
    of noise decide who is a neighbour.

    Parameters
    ----------
    widths : sequence of int
        Number of features of every block.
    *behind : int
        Number of columns of every block behind them: the table columns, a feature array.

    References
    ----------
    .. [1] J. A. Westerhuis, T. Kourti and J. F. MacGregor, "Analysis of multiblock and hierarchical PCA and PLS
       models", Journal of Chemometrics 12(5), 1998, 301-321.

    Examples
    --------
    >>> block_spread([64], 1)[-2:].tolist()
    [1.0, 2.0]
    >>> block_spread([1, 63])[:2].tolist()
    [2.0, 1.0]
    """
    share = BLOCK_SHARE * (sum(widths) or sum(behind))
    spreads = [(width, max(1.0, float(np.sqrt(share / max(width, 1))))) for width in (*widths, *behind)]
    return np.concatenate([np.full(width, spread) for width, spread in spreads])
