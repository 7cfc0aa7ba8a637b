"""Checks of a data set's columns: names, labels, weights and folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.categorical import Categorical, encode_texts, some
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError


def column_table(
    names: Sequence[str],
    labels: ArrayLike | None,
    groups: ArrayLike | None,
    weights: ArrayLike | None,
    folds: ArrayLike | None,
) -> DatasetTable:
    """Table from the caller's own columns; text or whole numbers become codes."""
    return DatasetTable(
        names=names,
        labels=None if labels is None else coded_labels(labels, len(names)),
        groups=None if groups is None else _coded_column("groups", groups, len(names)),
        weights=None if weights is None else np.asarray(weights, dtype=np.float64),
        folds=None if folds is None else np.asarray(folds),
    )


def coded_labels(labels: ArrayLike, n_images: int) -> Categorical:
    """Labels of all images as codes.

    Raises
    ------
    DataError
        When there are more or fewer, or some are missing.
    """
    return _coded_column("labels", labels, n_images)


def _coded_column(kind: str, values: ArrayLike, n_images: int) -> Categorical:
    column = np.asarray(values)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.shape != (n_images,):
        raise DataError(f"The {kind} have shape {column.shape}; expected one for each of {n_images:,} images.")
    missing = [row for row, value in enumerate(column.tolist()) if value is None or value != value or value == ""]  # noqa: PLR0124
    if missing:
        raise DataError(
            f"The {kind} are missing (empty, None or NaN) in {len(missing):,} rows, counted from 0: "
            f"{some(map(str, missing))}. Fill them in or leave these images out."
        )
    return encode_texts([_text(value) for value in column.tolist()])


def _text(value: object) -> str:
    """Text of a label; 1.0 is the class '1', as in the whole-number column it came from."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def check_names(names: Sequence[str]) -> None:
    """Refuse a name that occurs twice."""
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    raise DataError(f"These images are listed more than once: {some(dict.fromkeys(twice))}. Names must be unique.")


def checked_weights(weights: NDArray[np.float64], n_images: int) -> NDArray[np.float64]:
    """Weights as given, if they are finite, >= 0 and not all 0."""
    if weights.shape != (n_images,):
        raise DataError(f"The weights have shape {weights.shape}; expected one for each of {n_images:,} images.")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise DataError(
            f"The weight of {len(bad):,} images is negative, NaN or infinite (rows counted from 0: "
            f"{some(f'{row} is {weights[row]}' for row in bad.tolist())}). Weights are finite and at least 0."
        )
    if n_images and not weights.any():
        raise DataError("All weights are 0, so no image would count. Give some image a positive weight.")
    return weights


def checked_folds(folds: NDArray[Any], n_images: int) -> NDArray[np.int64]:
    """Folds as int64, if they are whole numbers from 0 up."""
    if folds.shape != (n_images,):
        raise DataError(f"The folds have shape {folds.shape}; expected one for each of {n_images:,} images.")
    if folds.dtype.kind not in "iu" or (n_images and folds.min() < 0):
        raise DataError("The folds must be whole numbers from 0 up, one for each image.")
    return folds.astype(np.int64)
