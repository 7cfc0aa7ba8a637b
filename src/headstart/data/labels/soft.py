"""Soft labels: for every image the probability of each class."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.errors import DataError, first_few, plural

SUM_TOLERANCE: Final = 1e-6

Floats = NDArray[np.float64]


def checked_soft(soft: ArrayLike, n_images: int, n_classes: int, *, where: str = "", first_row: int = 0) -> Floats:
    """Soft labels as given, if every row is a distribution over the classes.

    Parameters
    ----------
    soft : array-like of shape (n_images, n_classes)
        Finite, at least 0, each row summing to one within 1e-6.
    n_images, n_classes : int
    where : str
        File and columns, for messages: ``"table.csv: "``.
    first_row : int
        Number of the first row in messages: 1 in a table.

    Raises
    ------
    DataError
        Naming the rows and the remedy.
    """
    values = np.asarray(soft, dtype=np.float64)
    if values.shape != (n_images, n_classes):
        raise DataError(
            f"{where}The soft labels have shape {values.shape}; expected {(n_images, n_classes)}: a row for each image "
            "and a column for each class."
        )
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)).all(axis=1))
    if len(bad):
        listed = first_few(f"row {row + first_row} holds {values[row].tolist()}" for row in bad[:6].tolist())
        raise DataError(
            f"{where}The soft labels of {plural(len(bad), 'image')} are negative, NaN or infinite (rows counted from "
            f"{first_row}: {listed}). Each is a probability from 0 to 1; write 0 for a class that is ruled out."
        )
    off = np.flatnonzero(np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE)
    if len(off):
        listed = first_few(f"row {row + first_row} sums to {values[row].sum():.6g}" for row in off[:6].tolist())
        raise DataError(
            f"{where}The soft labels of {plural(len(off), 'image')} do not sum to one (rows counted from {first_row}: "
            f"{listed}). Divide each row by its sum, written with at least 7 digits; how much an image counts belongs "
            "into its weight."
        )
    return values


def is_soft(soft: Floats) -> NDArray[np.bool_]:
    """Images whose label is shared between classes, shape (n_images,)."""
    return np.asarray(soft.max(axis=1) < 1 - SUM_TOLERANCE)
