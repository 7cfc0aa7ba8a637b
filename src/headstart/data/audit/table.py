"""Facts about table columns: how much is missing, and whether a column alone gives the label away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.dataset import ImageDataset
from headstart.data.table.column import TableColumn

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
    kind : {"number", "category"}
    n_missing : int
        Images without a value.
    n_distinct : int
        Number of different values.
    balanced_accuracy : float or None
        Balanced accuracy of classes predicted from this column alone, in five folds that keep groups whole; None
        without labels.
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
    return tuple(_facts(dataset, column) for column in dataset.columns)


def table_warnings(facts: Sequence[ColumnFacts], dataset: ImageDataset) -> Iterator[str]:
    """Warnings about table columns, the gravest first."""
    chance = 1.0 / max(len(dataset.classes), 1)
    for one in facts:
        score = one.balanced_accuracy
        if score is not None and score - chance >= _REVEALING * (1.0 - chance):
            yield (
                f"The table column {one.name!r} alone predicts the class with a balanced accuracy of {score:.2f} "
                f"(chance is {chance:.2f}). Is it known before the class is, and measured without looking at it? If "
                "not, leave it out: the scores would flatter."
            )
    constant = [repr(one.name) for one in facts if one.n_distinct == 1 and not one.n_missing]
    if constant:
        yield f"Table columns with one value in all images tell nothing: {', '.join(constant)}. Leave them out."
    for one in facts:
        if one.n_missing > _MOSTLY_MISSING * len(dataset):
            share = one.n_missing / len(dataset)
            yield f"The table column {one.name!r} is missing in {share:.0%} of the images."


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


def _folds(labels: Integers, groups: Integers | None) -> Integers:
    """Fold of every row: groups whole, dealt out in turn within the class of their first row."""
    codes = np.arange(len(labels)) if groups is None else groups
    _, first, members = np.unique(codes, return_index=True, return_inverse=True)
    fold = np.zeros(len(first), dtype=np.int64)
    for code in np.unique(labels[first]):
        places = np.flatnonzero(labels[first] == code)
        fold[places] = np.arange(len(places)) % N_FOLDS
    return np.asarray(fold[members])


def _facts(dataset: ImageDataset, column: TableColumn) -> ColumnFacts:
    present = column.values[~column.missing]
    score = None
    if dataset.labels is not None and len(dataset.classes) > 1:
        folds = _folds(dataset.labels, dataset.groups)
        score = told_from_bins(_bins(column), dataset.labels, folds, len(dataset.classes))
    return ColumnFacts(column.name, column.kind, int(column.missing.sum()), len(np.unique(present)), score)


def _bins(column: TableColumn) -> Integers:
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
