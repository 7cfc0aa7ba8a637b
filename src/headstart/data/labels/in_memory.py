"""Soft labels and raters' labels that a caller has in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from headstart.data.categorical import Categorical, code_in_order, natural_key
from headstart.data.labels.raters import Ratings, judge_votes, ratings_from_table
from headstart.data.labels.soft import checked_soft
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError


def with_opinions(
    table: DatasetTable,
    *,
    soft: ArrayLike | None,
    ratings: ArrayLike | None,
    classes: Sequence[str] | None,
    votes: str,
) -> DatasetTable:
    """The table with soft labels or the labels of several raters.

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
        See `headstart.data.labels.raters.judge_votes`.

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
    return replace(table, labels=code_in_order(table.labels, names), soft=values)


def _with_ratings(table: DatasetTable, ratings: ArrayLike, votes: str) -> DatasetTable:
    found, classes = ratings_from_table(ratings)
    if len(found.codes) != len(table.names):
        raise DataError(f"There are ratings of {len(found.codes):,} images for {len(table.names):,} images.")
    if table.labels is None:
        verdict = judge_votes(found, table.names, len(classes), votes=votes)
        notes = (*table.notes, *verdict.notes)
        return replace(
            table, labels=Categorical(verdict.labels, classes), soft=verdict.soft, ratings=found, notes=notes
        )
    every = tuple(sorted({*classes, *table.labels.names}, key=natural_key))
    return replace(table, labels=code_in_order(table.labels, every), ratings=_named(found, classes, every))


def _named(ratings: Ratings, classes: Sequence[str], every: Sequence[str]) -> Ratings:
    return ratings.recoded(np.array([list(every).index(name) for name in classes], dtype=np.int64))
