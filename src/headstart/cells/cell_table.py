"""`CellTable`: one row for each cell, measured columns beside its label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CellTable:
    """Measured cells of one micrograph, in the order of their labels; `dict(table.columns)` makes a data frame.

    Attributes
    ----------
    label : ndarray of shape (n_cells,), int64
        Number of the cell in the label image.
    y, x : ndarray of shape (n_cells,), float64
        Centroid in pixels; the middle of the first pixel is 0, 0.
    box : ndarray of shape (n_cells, 4), int64
        First row, first column, last row + 1 and last column + 1.
    columns : mapping of str to ndarray of shape (n_cells,), float64
        Measurements by name, in a fixed order; see `headstart.cells.measure.measure_cells`.
    """

    label: NDArray[np.int64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    box: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.label)
