"""Reading a CSV or Parquet manifest: one row per image, or one per image and rater."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headstart.data.categorical import Categorical, sort_names
from headstart.data.readers.manifest.cells import (
    categorical_column,
    check_present,
    check_printable_cells,
    column_texts,
    weight_column,
    whole_number_column,
)
from headstart.data.readers.manifest.columns import KINDS, FoundColumns, ManifestColumns
from headstart.data.readers.manifest.labels import LabelTable
from headstart.data.readers.manifest.split_column import find_split
from headstart.data.readers.manifest.tabular import column_names, read_columns
from headstart.data.readers.table import DatasetTable
from headstart.data.table.column import TableColumn, column_from_texts
from headstart.data.table.request import ColumnRequest, check_requests
from headstart.errors import DataError, first_few, plural

_OUTSIDE = r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|^[A-Za-z][A-Za-z0-9+.-]*://"


def read_manifest(
    path: Path,
    columns: ManifestColumns,
    *,
    table_columns: Sequence[ColumnRequest] = (),
    root: Path | None = None,
    allow_outside: bool = False,
    votes: str = "majority",
    split_folders: str | None = None,
) -> DatasetTable:
    """Table of the images that a manifest lists, in its order; no image file is touched.

    Parameters
    ----------
    path : Path
        CSV (comma, semicolon or tab) or Parquet.
    columns : ManifestColumns
        Roles of the columns.
    table_columns : sequence of ColumnRequest
        Further columns, of numbers or categories.
    root : Path, optional
        Folder that the paths start from. Default: that of the table.
    allow_outside : bool
        Accept absolute paths and paths with ``..``.
    votes : {"majority", "shares"}
        How the labels of several raters are combined; see `headstart.data.labels.raters.aggregate_votes`.
    split_folders : {"pool"}, optional
        Take a column that names the parts of a split for none.

    Raises
    ------
    DataError
        See `headstart.data.dataset.ImageDataset.from_manifest`.
    """
    return manifest_table(
        path,
        column_names(path),
        lambda names: read_columns(path, list(names)),
        columns,
        table_columns=table_columns,
        root=path.parent if root is None else root,
        allow_outside=allow_outside,
        votes=votes,
        split_folders=split_folders,
    )


def manifest_table(
    path: Path,
    present: list[str],
    read: Callable[[Sequence[str]], pa.Table],
    columns: ManifestColumns,
    *,
    table_columns: Sequence[ColumnRequest] = (),
    root: Path | None = None,
    allow_outside: bool = False,
    votes: str = "majority",
    split_folders: str | None = None,
) -> DatasetTable:
    """Table of the images that any table lists, by the rules of a manifest.

    Parameters
    ----------
    path : Path
        Where it lies, or what it is called in messages.
    present : list of str
        Names of its columns.
    read : callable
        From names of columns to these columns.
    root : Path, optional
        Folder in which absolute paths count as relative to it. Default: absolute paths lead outside.
    columns, table_columns, allow_outside, votes, split_folders
        As for `read_manifest`, as are the errors.
    """
    found = columns.found_in(path, present)
    asked = [request.name for request in table_columns]
    check_requests(table_columns, present, found.without("split").roles, source=f"{path}: ")
    every = list(dict.fromkeys([*found.every, *asked]))
    table = read(every)
    if table.num_rows == 0:
        raise DataError(f"{path} lists no images; it has a header and no rows.")
    text = {name: _texts(path, name, table[name]) for name in every}
    text[found.single["image"]] = _names(path, text[found.single["image"]], root, allow_outside)
    split = find_split(path, found, text, is_named=columns.split is not None, split_folders=split_folders)
    if split.is_split:
        check_requests(table_columns, present, found.roles, source=f"{path}: ")
    if split.column is None:
        found = found.without("split")
    named = found.single
    cells = {kind: categorical_column(text[name]) for kind, name in named.items()}
    for kind in ("image", "group"):
        if kind in cells:
            check_present(path, kind, named[kind], text[named[kind]])
            check_printable_cells(path, named[kind], cells[kind])
    fixed = _fixed_columns(found, cells, text, asked)
    rows, notes = _distinct_rows(path, fixed, by_rater="rater" in named)
    found_labels = LabelTable(path, found, text, cells["image"], rows, votes).read()
    return DatasetTable(
        names=pc.take(text[named["image"]], pa.array(rows)).to_pylist(),
        labels=found_labels.labels,
        groups=sort_names(cells["group"].take(rows)) if "group" in cells else None,
        weights=weight_column(path, named["weight"], cells["weight"])[rows] if "weight" in cells else None,
        folds=(whole_number_column(path, named["fold"], cells["fold"])[rows] if "fold" in cells else split.folds(rows)),
        notes=(*notes, *found_labels.notes, *split.notes_on(rows)),
        soft=found_labels.soft,
        ratings=found_labels.ratings,
        source=f"{path}: ",
        columns=tuple(_table_column(path, request, text[request.name]).take(rows) for request in table_columns),
        parts=split.parts(rows),
    )


def _texts(path: Path, name: str, column: pa.ChunkedArray) -> pa.Array:
    try:
        return column_texts(column)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0][:200]
        raise DataError(f"{path}: column {name!r} holds cells that are no texts or numbers: {reason}.") from error


def _table_column(path: Path, request: ColumnRequest, texts: pa.Array) -> TableColumn:
    return column_from_texts(request.name, texts.to_pylist(), kind=request.kind, source=f"{path}: ", first_row=1)


def _fixed_columns(
    found: FoundColumns, cells: Mapping[str, Categorical], text: Mapping[str, pa.Array], table_columns: Sequence[str]
) -> dict[str, Categorical]:
    """Columns that may not differ between rows of one image; with a row for each rater, labels may."""
    differing = ("label", "rater") if "rater" in found.single else ()
    single = {kind: column for kind, column in cells.items() if kind not in differing}
    return single | {
        name: categorical_column(text[name]) for name in (*found.soft.values(), *found.raters, *table_columns)
    }


def _names(path: Path, images: pa.Array, root: Path | None, allow_outside: bool) -> pa.Array:
    """Image paths with ``/``, without ``./`` and double slashes, all inside the root."""
    names = pc.replace_substring(images, "\\", "/")
    names = pc.replace_substring_regex(names, "/(\\./)+", "/")
    names = pc.replace_substring_regex(pc.replace_substring_regex(names, "^(\\./)+", ""), "([^:/])/+", "\\1/")
    if not allow_outside:
        names = names if root is None else _relative_to(root, names)
        outside = np.flatnonzero(pc.match_substring_regex(names, _OUTSIDE).to_numpy(zero_copy_only=False))
        if len(outside):
            raise DataError(
                f"{path}: {len(outside):,} image paths leave its folder: {_examples(images, outside)}. Paths are "
                "relative to the manifest; move it, name the images' folder with --root, copy the images, or take the "
                "paths as they are with --allow-outside."
            )
    return names


def _relative_to(root: Path, names: pa.Array) -> pa.Array:
    """Names, those that are absolute paths into the root relative to it."""
    for place in dict.fromkeys((root.absolute().as_posix(), root.resolve().as_posix())):
        start = f"{place.rstrip('/')}/"
        names = pc.if_else(pc.starts_with(names, start), pc.utf8_slice_codeunits(names, len(start)), names)
    return names


def _distinct_rows(
    path: Path, fixed: Mapping[str, Categorical], *, by_rater: bool
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """First row of every image, and a note on repeated rows; repeated rows that disagree are refused."""
    images = fixed["image"]
    _, first = np.unique(images.codes, return_index=True)
    rows = np.sort(first).astype(np.int64)
    n_repeated = len(images.codes) - len(rows)
    if n_repeated == 0:
        return rows, ()
    for kind, column in fixed.items():
        differs = np.flatnonzero(column.codes != column.codes[first[images.codes]])
        if len(differs):
            raise DataError(f"{path}: {_conflicts(kind, images, column, differs, first)} Keep one row for each image.")
    if by_rater:
        return rows, ()
    repeated = f"row of {path.name} repeats another row exactly and was dropped"
    several = f"rows of {path.name} repeat another row exactly and were dropped"
    return rows, (f"{plural(n_repeated, repeated, several)}.",)


def _conflicts(
    kind: str, images: Categorical, column: Categorical, differs: NDArray[np.int64], first: NDArray[np.int64]
) -> str:
    second = dict(zip(images.codes[differs].tolist(), column.codes[differs].tolist(), strict=True))
    listed = first_few(_pairs(images, column, second, first))
    different = f"{kind}s" if kind in KINDS else f"values of {kind!r}"
    return (
        f"{plural(len(second), 'image is', 'images are')} listed more than once, with different {different}: {listed}."
    )


def _pairs(
    images: Categorical, column: Categorical, second: Mapping[int, int], first: NDArray[np.int64]
) -> Iterator[str]:
    for image, other in second.items():
        yield f"{images.names[image]} ({column.names[column.codes[first[image]]]!r} and {column.names[other]!r})"


def _examples(texts: Any, rows: NDArray[np.int64]) -> str:
    return first_few((f"{texts[row].as_py()!r} in row {row + 1}" for row in rows[:6].tolist()), limit=min(5, len(rows)))
