"""`ArrayColumn`: a user's own array of numbers, a row for each image, as one block beside the pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.names import check_printable
from headstart.data.table.column import TableColumn
from headstart.errors import DataError
from headstart.runtime.machine import memory_bytes

ARRAY: Final = "array"
MAX_COLUMNS: Final = 16_384
"""More columns than any network's pooled features have; an array of more is mostly pictures laid flat."""
BYTES_PER_VALUE: Final = 64
"""Memory that a run needs for one number: as it is read, as float64, and encoded once for every outer fold."""


@dataclass(frozen=True, eq=False)
class ArrayColumn(TableColumn):
    """An array of numbers without gaps, a row for each image: embeddings of another network, radiomics.

    Attributes
    ----------
    name : str
    values : ndarray of shape (n_images, n_columns), float64
        Finite numbers; read only.

    Examples
    --------
    >>> array_column([[1, 2, 3], [4, 5, 6]], 2, name="radiomics").outputs
    ('radiomics_0', 'radiomics_1', 'radiomics_2')
    """

    @property
    def kind(self) -> str:
        """``array``."""
        return ARRAY

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask of shape (n_images,) that is nowhere true: an array has no gaps."""
        return np.zeros(len(self.values), dtype=np.bool_)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name of every column."""
        return array_outputs(self.name, self.values.shape[1])

    def of_kind(self, kind: str) -> TableColumn:
        """The array itself; it can be read as no other kind.

        Raises
        ------
        DataError
        """
        if kind != ARRAY:
            raise DataError(f"The feature array {self.name!r} cannot be read as a {kind}.")
        return self

    def to_json(self) -> dict[str, Any]:
        """Name, kind, shape and a hash of the numbers, since thousands for each image are too many to list."""
        digest = hashlib.sha256(np.ascontiguousarray(self.values).tobytes()).hexdigest()
        return {"name": self.name, "kind": ARRAY, "shape": list(self.values.shape), "sha256": digest}


def array_outputs(name: str, width: int) -> tuple[str, ...]:
    """Names of the columns of an array: ``radiomics_0``, ``radiomics_1`` and so on."""
    return tuple(f"{name}_{place}" for place in range(width))


def array_column(values: ArrayLike, n_images: int, *, name: str, source: str = "The feature array") -> ArrayColumn:
    """Feature array that a caller has in memory, checked.

    Parameters
    ----------
    values : array-like of shape (n_images, n_columns)
        Finite numbers, rows in the order of the data set.
    n_images : int
    name : str
        Begins the names of its columns.
    source : str
        Begins messages: ``"radiomics.npy"``.

    Raises
    ------
    DataError
        When shape or type do not fit, a number is not finite, or it is too large.
    """
    array = np.asarray(values)
    check_layout(array.shape, array.dtype, n_images, source=source)
    largest = np.finfo(np.float32).max
    bad = ~(np.abs(array.astype(np.float64, copy=False)) <= largest)
    if bad.any():
        row, place = np.argwhere(bad)[0].tolist()
        raise DataError(
            f"{source} must hold finite numbers below {largest:.1e}; {int(bad.sum()):,} of {bad.size:,} are not, first "
            f"row {row}, column {place}: {array[row, place]}. Fill or leave out such columns, or scale them."
        )
    check_printable("name of the feature array", [name])
    return ArrayColumn(name, array)


def check_layout(shape: tuple[int, ...], dtype: np.dtype[Any], n_images: int, *, source: str) -> None:
    """Refuse an array by what its header says, before its numbers are read.

    Raises
    ------
    DataError
        When it holds no numbers, has no two dimensions, another number of rows than there are images, no columns, or
        more than the memory takes.
    """
    expected = f"expected numbers of shape ({n_images:,}, n_columns), a row for each image"
    if dtype.hasobject:
        raise DataError(f"{source} holds Python objects, which are never unpickled; {expected}. Save it as float32.")
    if dtype.kind not in "biuf":
        raise DataError(f"{source} holds values of type {dtype}; {expected}. Save it as float32.")
    if len(shape) != 2:
        raise DataError(f"{source} has shape {shape}; {expected}. Reshape it: array.reshape(len(array), -1).")
    if shape[0] != n_images:
        raise DataError(
            f"{source} has {shape[0]:,} rows for {n_images:,} images; {expected}, in the data set's order. Where it "
            "was made of other images, save an .npz with the entries names (of its images) and values."
        )
    if shape[1] == 0:
        raise DataError(f"{source} has no columns; {expected}.")
    _check_size(shape, source)


def _check_size(shape: tuple[int, ...], source: str) -> None:
    if shape[1] > MAX_COLUMNS:
        raise DataError(
            f"{source} has {shape[1]:,} columns; at most {MAX_COLUMNS:,} are taken. Give summaries of the images, such "
            "as pooled features, not their pixels."
        )
    needed, free = shape[0] * shape[1] * BYTES_PER_VALUE, memory_bytes()[1]
    if free is not None and needed > free:
        raise DataError(
            f"{source} has {shape[0]:,} x {shape[1]:,} numbers, for which a run needs about {needed / 2**30:,.1f} GiB "
            f"of memory; {free / 2**30:,.1f} GiB are free. Give fewer columns, or run where there is more."
        )
