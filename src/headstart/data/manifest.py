"""Reading a CSV or Parquet manifest: one row per image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headstart.data.coded import Coded, some, sort_names
from headstart.data.printable import unprintable_rows
from headstart.data.table import Table
from headstart.data.tablefile import column_names, read_columns
from headstart.errors import DataError, unknown_name

_MISSING = ("", "nan", "na", "n/a", "null", "<na>")
_OUTSIDE = r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|^[A-Za-z][A-Za-z0-9+.-]*://"


@dataclass(frozen=True)
class ManifestColumns:
    """Names of a manifest's columns.

    Attributes
    ----------
    image : str
        Path of the image file, relative to the root.
    label : str or None
        Class; None for a manifest without labels.
    group, weight, fold : str or None
        None takes the column called ``group``, ``weight`` or ``fold`` where the table has one.
    """

    image: str = "image"
    label: str | None = "label"
    group: str | None = None
    weight: str | None = None
    fold: str | None = None

    @classmethod
    def of(cls, columns: ManifestColumns | Mapping[str, str] | None) -> ManifestColumns:
        """The columns from a mapping such as ``{"label": "diagnosis"}``, or the default ones.

        Raises
        ------
        DataError
            When the mapping speaks of something that is no column of a manifest.
        """
        if isinstance(columns, ManifestColumns):
            return columns
        known = [field.name for field in fields(cls)]
        for kind in columns or {}:
            if kind not in known:
                raise DataError(unknown_name("manifest column", kind, known))
        return cls(**(columns or {}))

    def found_in(self, path: Path, present: list[str]) -> dict[str, str]:
        """Which column of the table serves as what.

        Raises
        ------
        DataError
            When a column that is needed, or was named, is not there.
        """
        wanted = {field.name: getattr(self, field.name) for field in fields(self)}
        for kind in ("group", "weight", "fold"):
            if wanted[kind] is None and kind in present:
                wanted[kind] = kind
        for kind, name in wanted.items():
            if name is not None and name not in present:
                listed = unknown_name("column", name, present)
                raise DataError(
                    f"{path} has no {kind} column. {listed} If it is called otherwise, name it: "
                    f"--{kind}-column NAME, or columns={{{kind!r}: NAME}} in Python."
                )
        return {kind: name for kind, name in wanted.items() if name is not None}


def read_manifest(path: Path, columns: ManifestColumns, *, allow_outside: bool = False) -> Table:
    """Table of the images that a manifest lists, in its order; no image file is touched.

    Parameters
    ----------
    path : Path
        CSV (comma, semicolon or tab) or Parquet.
    columns : ManifestColumns
        Which column is what.
    allow_outside : bool
        Accept absolute paths and paths with ``..``.

    Raises
    ------
    DataError
        See `headstart.data.dataset.ImageDataset.from_manifest`.
    """
    chosen = columns.found_in(path, column_names(path))
    table = read_columns(path, list(dict.fromkeys(chosen.values())))
    if table.num_rows == 0:
        raise DataError(f"{path} lists no images; it has a header and no rows.")
    text = {kind: _texts(table[name]) for kind, name in chosen.items()}
    text["image"] = _names(path, text["image"], allow_outside)
    for kind in ("image", "label", "group"):
        if kind in text:
            _check_present(path, kind, chosen[kind], text[kind])
    coded = {kind: _coded(column) for kind, column in text.items()}
    for kind in ("image", "label", "group"):
        if kind in coded:
            _check_printable(path, chosen[kind], coded[kind])
    rows, notes = _distinct_rows(path, coded)
    return Table(
        names=pc.take(text["image"], pa.array(rows)).to_pylist(),
        labels=sort_names(coded["label"].take(rows)) if "label" in coded else None,
        groups=sort_names(coded["group"].take(rows)) if "group" in coded else None,
        weights=_numbers(path, chosen["weight"], coded["weight"])[rows] if "weight" in coded else None,
        folds=_whole(path, chosen["fold"], coded["fold"])[rows] if "fold" in coded else None,
        notes=notes,
    )


def _texts(column: pa.ChunkedArray) -> pa.Array:
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


def _names(path: Path, images: pa.Array, allow_outside: bool) -> pa.Array:
    """Image paths with ``/``, without ``./`` and double slashes, all inside the root."""
    names = pc.replace_substring(images, "\\", "/")
    names = pc.replace_substring_regex(names, "/(\\./)+", "/")
    names = pc.replace_substring_regex(pc.replace_substring_regex(names, "^(\\./)+", ""), "([^:/])/+", "\\1/")
    if not allow_outside:
        outside = np.flatnonzero(pc.match_substring_regex(names, _OUTSIDE).to_numpy(zero_copy_only=False))
        if len(outside):
            raise DataError(
                f"{path}: {len(outside):,} image paths leave its folder: {_examples(images, outside)}. Paths are "
                "relative to the manifest; move it, name the images' folder with --root, or copy the images."
            )
    return names


def _check_present(path: Path, kind: str, column: str, texts: pa.Array) -> None:
    missing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(_MISSING, texts.type))
    rows = np.flatnonzero(missing.to_numpy(zero_copy_only=False))
    if len(rows):
        listed = some(map(str, (rows + 1).tolist()))
        raise DataError(
            f"{path}: the {kind} (column {column!r}) is missing (empty or NaN) in {len(rows):,} rows, counted "
            f"from 1 below the header: {listed}. Fill it in or remove these rows."
        )


def _check_printable(path: Path, column: str, coded: Coded) -> None:
    rows = unprintable_rows(coded.names, coded.codes)
    if len(rows):
        listed = some(f"row {row + 1} has {coded.names[coded.codes[row]]!r}" for row in rows[:6].tolist())
        raise DataError(
            f"{path}: column {column!r} holds control characters, such as line breaks or escapes, in {len(rows):,} "
            f"rows, counted from 1 below the header: {listed}. Remove them, and rename files that have them."
        )


def _coded(texts: pa.Array) -> Coded:
    encoded = pc.dictionary_encode(texts)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Coded(codes, tuple(encoded.dictionary.to_pylist()))


def _distinct_rows(path: Path, coded: Mapping[str, Coded]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """First row of every image, and a note on repeated rows; repeated rows that disagree are refused."""
    images = coded["image"]
    _, first = np.unique(images.codes, return_index=True)
    rows = np.sort(first).astype(np.int64)
    n_repeated = len(images.codes) - len(rows)
    if n_repeated == 0:
        return rows, ()
    for kind, column in coded.items():
        differs = np.flatnonzero(column.codes != column.codes[first[images.codes]])
        if len(differs):
            raise DataError(f"{path}: {_conflicts(kind, images, column, differs, first)} Keep one row for each image.")
    return rows, (f"{n_repeated:,} rows of {path.name} repeat another row exactly and were dropped.",)


def _conflicts(kind: str, images: Coded, column: Coded, differs: NDArray[np.int64], first: NDArray[np.int64]) -> str:
    second = dict(zip(images.codes[differs].tolist(), column.codes[differs].tolist(), strict=True))
    listed = some(_pairs(images, column, second, first))
    return f"{len(second):,} images are listed more than once, with different {kind}s: {listed}."


def _pairs(images: Coded, column: Coded, second: Mapping[int, int], first: NDArray[np.int64]) -> Iterator[str]:
    for image, other in second.items():
        yield f"{images.names[image]} ({column.names[column.codes[first[image]]]!r} and {column.names[other]!r})"


def _numbers(path: Path, column: str, coded: Coded) -> NDArray[np.float64]:
    values = np.array([_number(text) for text in coded.names])
    _refuse(path, column, coded, ~np.isfinite(values), "a finite number")
    return values[coded.codes]


def _whole(path: Path, column: str, coded: Coded) -> NDArray[np.int64]:
    values = np.array([_number(text) for text in coded.names])
    known = np.isfinite(values) & (values >= 0) & (values < 2**31)
    whole = np.where(known, values, 0.5) % 1 == 0
    _refuse(path, column, coded, ~whole, "a whole number from 0 up")
    return values.astype(np.int64)[coded.codes]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _refuse(path: Path, column: str, coded: Coded, bad: NDArray[np.bool_], expected: str) -> None:
    rows = np.flatnonzero(bad[coded.codes])
    if len(rows):
        listed = some(f"row {row + 1} has {coded.names[coded.codes[row]]!r}" for row in rows[:6].tolist())
        raise DataError(f"{path}: column {column!r} must hold {expected}; {len(rows):,} rows do not: {listed}.")


def _examples(texts: Any, rows: NDArray[np.int64]) -> str:
    return some((f"{texts[row].as_py()!r} in row {row + 1}" for row in rows[:6].tolist()), limit=min(5, len(rows)))
