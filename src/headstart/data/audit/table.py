"""Facts about table columns: how much is missing, and whether a column alone gives the label away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.dataset import ImageDataset
from headstart.data.table.array_column import ARRAY, ArrayColumn
from headstart.data.table.column import TableColumn
from headstart.errors import first_few, plural

MAX_BINS: Final = 32
ROWS_PER_BIN: Final = 10
N_FOLDS: Final = 5
_REVEALING: Final = 0.8  # of the way from chance to certainty
_MOSTLY_MISSING: Final = 0.5

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ColumnFacts:
    """Facts about one table column.

    Attributes
    ----------
    name : str
    kind : {"number", "category", "array"}
    n_missing : int
        Images without a value.
    n_distinct : int
        Number of different values; of an array, of its columns that vary.
    balanced_accuracy : float or None
        Balanced accuracy of classes predicted from this column alone, in five folds that keep groups whole; of an
        array, the highest among its columns. None without labels.
    """

    name: str
    kind: str
    n_missing: int
    n_distinct: int
    balanced_accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return dict(vars(self))


def column_facts(dataset: ImageDataset) -> tuple[ColumnFacts, ...]:
    """Facts about every table column of a data set, in their order."""
    folds = None
    if dataset.labels is not None and len(dataset.classes) > 1 and dataset.columns:
        folds = dealt_folds(dataset.labels, dataset.groups)
    return tuple(_facts(dataset, column, folds) for column in dataset.columns)


def table_warnings(facts: Sequence[ColumnFacts], dataset: ImageDataset) -> Iterator[str]:
    """Warnings about table columns, the gravest first."""
    yield from _revealing(facts, 1.0 / max(len(dataset.classes), 1))
    constant = [repr(one.name) for one in facts if one.kind != ARRAY and one.n_distinct == 1 and not one.n_missing]
    if constant:
        yield f"Table columns with one value in all images tell nothing: {', '.join(constant)}. Leave them out."
    yield from _constant_arrays(dataset)
    shares = {one.name: one.n_missing / len(dataset) for one in facts if one.n_missing > _MOSTLY_MISSING * len(dataset)}
    if len(shares) == 1:
        ((name, share),) = shares.items()
        yield f"The table column {name!r} is missing in {share:.0%} of the images."
    elif shares:
        listed = first_few(f"{name!r} ({share:.0%})" for name, share in shares.items())
        yield f"{len(shares):,} table columns are missing in most of the images: {listed}."


def _revealing(facts: Sequence[ColumnFacts], chance: float) -> Iterator[str]:
    """Warnings about columns that tell the class by themselves: one of table columns, one for each feature array."""
    found = [
        (one.balanced_accuracy, one)
        for one in facts
        if one.balanced_accuracy is not None and one.balanced_accuracy - chance >= _REVEALING * (1.0 - chance)
    ]
    columns = [(score, one) for score, one in found if one.kind != ARRAY]
    if len(columns) > 1:
        ranked = sorted(columns, key=lambda each: -each[0])
        listed = first_few(f"{one.name!r} ({score:.2f})" for score, one in ranked)
        yield (
            f"{len(columns):,} table columns each predict the class alone, by balanced accuracy (chance is "
            f"{chance:.2f}): {listed}. Are they known before the class is, and measured without looking at it? If not, "
            "leave them out: the scores would flatter."
        )
        found = [(score, one) for score, one in found if one.kind == ARRAY]
    for score, one in found:
        subject = "One column of the feature array" if one.kind == ARRAY else "The table column"
        yield (
            f"{subject} {one.name!r} alone predicts the class with a balanced accuracy of {score:.2f} "
            f"(chance is {chance:.2f}). Is it known before the class is, and measured without looking at it? If "
            "not, leave it out: the scores would flatter."
        )


def told_from_bins(bins: Integers, labels: Integers, folds: Integers, n_classes: int) -> float:
    """Balanced accuracy of the likeliest class of a bin, each row judged by the rows of the other folds.

    Classes count alike, however many rows they have. Where no other row lies in a bin, or classes are equally likely
    there, a row counts as one of so many guesses.

    Parameters
    ----------
    bins, labels, folds : ndarray of shape (n,), int64
        Numbers from 0.
    n_classes : int

    Examples
    --------
    >>> told_from_bins(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 2)
    1.0
    """
    own = bins * (folds.max() + 1) + folds
    left = _counts(bins, labels, n_classes)[bins] - _counts(own, labels, n_classes)[own]  # (n, classes)
    totals = np.bincount(labels, minlength=n_classes) - _counts(folds, labels, n_classes)[folds]
    likely = left / np.maximum(totals, 1)
    best = likely >= likely.max(axis=1, keepdims=True)
    credit = best[np.arange(len(labels)), labels] / best.sum(axis=1)
    per_class = [float(credit[labels == code].mean()) for code in range(n_classes) if (labels == code).any()]
    return float(np.mean(per_class))


def dealt_folds(labels: Integers, groups: Integers | None) -> Integers:
    """Fold of every row: groups whole, dealt out in turn within the class of their first row."""
    codes = np.arange(len(labels)) if groups is None else groups
    _, first, members = np.unique(codes, return_index=True, return_inverse=True)
    fold = np.zeros(len(first), dtype=np.int64)
    for code in np.unique(labels[first]):
        places = np.flatnonzero(labels[first] == code)
        fold[places] = np.arange(len(places)) % N_FOLDS
    return np.asarray(fold[members])


def _constant_arrays(dataset: ImageDataset) -> Iterator[str]:
    for column in dataset.columns:
        if isinstance(column, ArrayColumn):
            n_columns = column.values.shape[1]
            n_constant = n_columns - _n_varying(column)
            if n_constant:
                columns = f"of {n_columns:,} columns of the feature array {column.name!r}"
                constant = plural(n_constant, f"{columns} has", f"{columns} have")
                yield f"{constant} one value in all images, which tells nothing."


def _n_varying(array: ArrayColumn) -> int:
    return int(np.count_nonzero(array.values.max(axis=0) > array.values.min(axis=0)))


def _array_facts(dataset: ImageDataset, array: ArrayColumn, folds: Integers | None) -> ColumnFacts:
    """Facts about an array as one block, so that thousands of columns are one line."""
    columns = (TableColumn(array.name, values) for values in array.values.T)
    scores = [score for column in columns if (score := _told(dataset, column, folds)) is not None]
    return ColumnFacts(array.name, ARRAY, 0, _n_varying(array), max(scores, default=None))


def _facts(dataset: ImageDataset, column: TableColumn, folds: Integers | None) -> ColumnFacts:
    if isinstance(column, ArrayColumn):
        return _array_facts(dataset, column, folds)
    present = column.values[~column.missing]
    n_missing, n_distinct = int(column.missing.sum()), len(np.unique(present))
    return ColumnFacts(column.name, column.kind, n_missing, n_distinct, _told(dataset, column, folds))


def _told(dataset: ImageDataset, column: TableColumn, folds: Integers | None) -> float | None:
    """Balanced accuracy of classes predicted from one column alone; None without labels."""
    if dataset.labels is None or folds is None:
        return None
    return told_from_bins(bins_of(column), dataset.labels, folds, len(dataset.classes))


def bins_of(column: TableColumn) -> Integers:
    """Number of the bin of every row: a category, or numbers of about the same size; what is missing is one of them."""
    present = column.values[~column.missing]
    _, codes = np.unique(present, return_inverse=True)
    if column.categories is None and len(np.unique(present)) > MAX_BINS:
        n_bins = int(np.clip(len(present) // ROWS_PER_BIN, 1, MAX_BINS))
        edges = np.unique(np.quantile(present, np.linspace(0, 1, n_bins + 1)[1:-1]))
        codes = np.searchsorted(edges, present, side="right")
    bins = np.zeros(len(column.values), dtype=np.int64)
    bins[~column.missing] = codes + 1
    return bins


def _counts(places: Integers, labels: Integers, n_classes: int) -> NDArray[np.float64]:
    """Rows of every place and class, shape (n_places, n_classes)."""
    counts = np.zeros((int(places.max()) + 1, n_classes))
    np.add.at(counts, (places, labels), 1.0)
    return counts
