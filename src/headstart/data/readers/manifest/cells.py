"""Cells of a manifest: texts, numbers and gaps, with errors that name the file and the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headstart.data.categorical import Categorical
from headstart.data.labels.raters import MISSING
from headstart.data.names import unprintable_rows
from headstart.errors import DataError, first_few, plural


def column_texts(column: pa.ChunkedArray) -> pa.Array:
    """A column as trimmed text, missing values as the empty text."""
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_floating(whole.type):
        whole = _without_fraction(whole)
    return pc.utf8_trim_whitespace(pc.fill_null(pc.cast(whole, pa.large_string()), ""))


def _without_fraction(column: pa.Array) -> pa.Array:
    """Whole numbers in a floating column (as a table with gaps stores them) as whole numbers."""
    values = pc.if_else(pc.is_nan(column), None, column)
    whole = pc.all(pc.equal(values, pc.round(values))).as_py() and pc.max(pc.abs(values)).as_py() < 2**53
    return pc.cast(values, pa.int64()) if whole else values


def missing_cells(texts: pa.Array) -> NDArray[np.bool_]:
    """Mask of the cells that are empty, NaN or the like, shape (n_rows,)."""
    missing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(MISSING, texts.type))
    return np.asarray(missing.to_numpy(zero_copy_only=False))


def check_present(path: Path, kind: str, column: str, texts: pa.Array) -> None:
    """Refuse a column with missing cells."""
    rows = np.flatnonzero(missing_cells(texts))
    if len(rows):
        listed = first_few(map(str, (rows + 1).tolist()))
        raise DataError(
            f"{path}: the {kind} (column {column!r}) is missing (empty or NaN) in {plural(len(rows), 'row')}, counted "
            f"from 1 below the header: {listed}. Fill it in or remove these rows."
        )


def check_printable_cells(path: Path, column: str, cells: Categorical) -> None:
    """Refuse a column with control characters."""
    rows = unprintable_rows(cells.names, cells.codes)
    if len(rows):
        listed = first_few(f"row {row + 1} has {cells.names[cells.codes[row]]!r:.60}" for row in rows[:6].tolist())
        raise DataError(
            f"{path}: column {column!r} holds control characters, such as line breaks or escapes, in "
            f"{plural(len(rows), 'row')}, counted from 1 below the header: {listed}. Remove them, and rename "
            "files that have them."
        )


def categorical_column(texts: pa.Array) -> Categorical:
    """Column with its distinct texts in order of appearance as names."""
    encoded = pc.dictionary_encode(texts)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Categorical(codes, tuple(encoded.dictionary.to_pylist()))


def weight_column(path: Path, column: str, cells: Categorical) -> NDArray[np.float64]:
    """Weights of all rows, at least 0 and not all 0."""
    values = np.array([_number(text) for text in cells.names])
    remedy = " Write 0 for an image that should not count, 1 for one that counts in full."
    _refuse(
        path,
        column,
        cells,
        ~(np.isfinite(values) & (values >= 0)),
        expected="a finite number, not negative",
        remedy=remedy,
    )
    if not values.any():
        raise DataError(
            f"{path}: all weights (column {column!r}) are 0, so no image would count. Give some image a positive "
            "weight, or remove the column."
        )
    return values[cells.codes]


def soft_label_column(path: Path, column: str, cells: Categorical) -> NDArray[np.float64]:
    """Soft labels for one class, at least 0."""
    values = np.array([_number(text) for text in cells.names])
    remedy = " Write 0 for a class that is ruled out, 1 for one that is certain."
    _refuse(
        path, column, cells, ~(np.isfinite(values) & (values >= 0)), expected="a probability from 0 to 1", remedy=remedy
    )
    return values[cells.codes]


def whole_number_column(path: Path, column: str, cells: Categorical) -> NDArray[np.int64]:
    """Whole numbers from 0 up."""
    values = np.array([_number(text) for text in cells.names])
    known = np.isfinite(values) & (values >= 0) & (values < 2**31)
    whole = np.where(known, values, 0.5) % 1 == 0
    _refuse(path, column, cells, ~whole, expected="a whole number from 0 up")
    return values.astype(np.int64)[cells.codes]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _refuse(
    path: Path, column: str, cells: Categorical, bad: NDArray[np.bool_], *, expected: str, remedy: str = ""
) -> None:
    rows = np.flatnonzero(bad[cells.codes])
    if len(rows):
        listed = first_few(f"row {row + 1} has {cells.names[cells.codes[row]]!r:.60}" for row in rows[:6].tolist())
        do_not = plural(len(rows), "row does not", "rows do not")
        raise DataError(f"{path}: column {column!r} must hold {expected}; {do_not}: {listed}.{remedy}")
