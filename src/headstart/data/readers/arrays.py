"""Columns that a caller has in memory: labels, groups, weights and folds, soft labels, labels of several raters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from headstart.data.categorical import Categorical, encode_texts, natural_key, recode_labels
from headstart.data.labels.raters import Ratings, aggregate_votes, ratings_from_table
from headstart.data.labels.soft import checked_soft
from headstart.data.readers.table import DatasetTable
from headstart.data.table.column import TableColumn, table_columns
from headstart.errors import DataError, first_few, plural


def column_table(
    names: Sequence[str],
    labels: ArrayLike | None,
    groups: ArrayLike | None,
    weights: ArrayLike | None,
    folds: ArrayLike | None,
    *,
    table: Mapping[str, ArrayLike] | Sequence[TableColumn] = (),
) -> DatasetTable:
    """Table from columns in memory; texts and whole numbers become categorical columns."""
    return DatasetTable(
        names=names,
        labels=None if labels is None else categorical_labels(labels, len(names)),
        groups=None if groups is None else _categorical_column("groups", groups, len(names)),
        weights=None if weights is None else np.asarray(weights, dtype=np.float64),
        folds=None if folds is None else np.asarray(folds),
        columns=table_columns(table, len(names)),
    )


def categorical_labels(labels: ArrayLike, n_images: int) -> Categorical:
    """Labels of all images as a categorical column.

    Raises
    ------
    DataError
        When there are more or fewer, or some are missing.
    """
    return _categorical_column("labels", labels, n_images)


def _categorical_column(kind: str, values: ArrayLike, n_images: int) -> Categorical:
    column = np.asarray(values)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.shape != (n_images,):
        raise DataError(f"The {kind} have shape {column.shape}; expected one for each of {n_images:,} images.")
    missing = [row for row, value in enumerate(column.tolist()) if value is None or value != value or value == ""]  # noqa: PLR0124
    if missing:
        raise DataError(
            f"The {kind} are missing (empty, None or NaN) in {plural(len(missing), 'row')}, counted from 0: "
            f"{first_few(map(str, missing))}. Fill them in or leave these images out."
        )
    return encode_texts([_text(value) for value in column.tolist()])


def _text(value: object) -> str:
    """Text of a label; 1.0 is the class '1', as in the whole-number column it came from."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def with_annotations(
    table: DatasetTable,
    *,
    soft: ArrayLike | None,
    ratings: ArrayLike | None,
    classes: Sequence[str] | None,
    votes: str,
) -> DatasetTable:
    """Table with soft labels or the labels of several raters added.

    Parameters
    ----------
    table : DatasetTable
        With or without labels.
    soft : array-like of shape (n_images, n_classes), optional
        Columns in the order of the classes.
    ratings : array-like of shape (n_images, n_raters), optional
        Text or whole numbers, None, NaN or empty text for gaps.
    classes : sequence of str, optional
        Default: those of the labels, else for soft labels ``0``, ``1`` and so on.
    votes : {"majority", "shares"}
        See `headstart.data.labels.raters.aggregate_votes`.

    Raises
    ------
    DataError
        When both are given, or one does not fit.
    """
    if soft is not None and ratings is not None:
        raise DataError("Soft labels and raters' labels are both given; give one of the two.")
    if soft is not None:
        return _with_soft(table, soft, classes)
    return table if ratings is None else _with_ratings(table, ratings, votes)


def _with_soft(table: DatasetTable, soft: ArrayLike, classes: Sequence[str] | None) -> DatasetTable:
    shape = np.shape(soft)
    n_columns = shape[1] if len(shape) == 2 else 0
    default = tuple(str(code) for code in range(n_columns)) if table.labels is None else table.labels.names
    names = tuple(default if classes is None else classes)
    values = checked_soft(soft, len(table.names), len(names))
    if table.labels is None:
        return replace(table, labels=Categorical(values.argmax(axis=1).astype(np.int64), names), soft=values)
    return replace(table, labels=recode_labels(table.labels, names), soft=values)


def _with_ratings(table: DatasetTable, ratings: ArrayLike, votes: str) -> DatasetTable:
    found, classes = ratings_from_table(ratings)
    if len(found.codes) != len(table.names):
        raise DataError(f"There are ratings of {len(found.codes):,} images for {len(table.names):,} images.")
    if table.labels is None:
        voted = aggregate_votes(found, table.names, len(classes), votes=votes)
        notes = (*table.notes, *voted.notes)
        return replace(table, labels=Categorical(voted.labels, classes), soft=voted.soft, ratings=found, notes=notes)
    every = tuple(sorted({*classes, *table.labels.names}, key=natural_key))
    return replace(table, labels=recode_labels(table.labels, every), ratings=_named(found, classes, every))


def _named(ratings: Ratings, classes: Sequence[str], every: Sequence[str]) -> Ratings:
    return ratings.recoded(np.array([list(every).index(name) for name in classes], dtype=np.int64))
