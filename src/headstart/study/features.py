"""Features as an outer fold sees them: the same for all folds, or made with a preparation fitted on its training rows.

A further block of features that is fitted inside the fold (columns of a table, say) is one more `FoldFeatures`, which
joins its own columns to those of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.preparation import FittedPreparation
    from headstart.data.table.column import TableColumn
    from headstart.study.folds import OuterFold

    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MadeRows:
    """Rows made up for one set of training rows before they were pictures, with their features from one source.

    Attributes
    ----------
    features : ndarray of shape (m, n_features), float32
    labels : ndarray of shape (m,), int64
    weights : ndarray of shape (m,), float64
    parents : ndarray of shape (m, 2), int64
        Numbers of the images that each was made of, all of them training rows.
    columns : tuple of TableColumn
        Table columns of these rows, as the data set has them.
    table : ndarray of shape (m, n_columns), float32, or None
        The columns encoded for one outer fold.
    """

    features: NDArray[np.float32]
    labels: Integers
    weights: NDArray[np.float64]
    parents: Integers
    columns: tuple[TableColumn, ...] = ()
    table: NDArray[np.float32] | None = None


MadeUp = Mapping[bytes, MadeRows]
"""Rows made up for each set of training rows of a fold, by `row_key`."""


def row_key(rows: Integers) -> bytes:
    """Key of a set of rows."""
    return np.ascontiguousarray(rows, dtype=np.int64).tobytes()


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of all images from every source.

    Attributes
    ----------
    features : tuple of ndarray of shape (n_images, n_features), float32
        One array for each source; memory maps where they are large.
    views : tuple of mappings of str to ndarray of shape (n_images, n_views, n_features), float32
        For each source the features of views, by the name of their policy; empty where nothing is augmented.
    made : tuple of mappings of bytes to MadeRows
        For each source the rows made up for the fold's training rows, and for those of its inner folds; empty where
        none are.
    """

    features: tuple[NDArray[np.float32], ...]
    views: tuple[Mapping[str, NDArray[np.float32]], ...] = ()
    made: tuple[MadeUp, ...] = ()


class FoldFeatures(Protocol):
    """Features of all images for every outer fold; whatever was fitted for them saw the fold's training rows alone."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of features from each source, known before any is computed."""
        ...

    def of(self, fold: OuterFold) -> FeatureSet:
        """Features that the heads of one outer fold, its inner folds included, are trained and judged on."""
        ...


@dataclass(frozen=True, eq=False)
class SharedFeatures:
    """Features in whose making nothing was fitted: one set for all folds.

    Attributes
    ----------
    shared : FeatureSet
    """

    shared: FeatureSet

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of features from each source."""
        return tuple(features.shape[1] for features in self.shared.features)

    def of(self, fold: OuterFold) -> FeatureSet:
        """The one set."""
        return self.shared


class FittedFeatures:
    """Features made with preparations that are fitted on the training rows of every outer fold, once for each fold.

    Parameters
    ----------
    fit : callable
        From the numbers of training rows to the fitted preparation of every source.
    extract : callable
        From fitted preparations, and a name of the fold for people, to the features of all images.
    widths : sequence of int
        Number of features from each source.
    rows_of : callable, optional
        Rows that a fold's preparations are fitted on. Default: its training rows.
    """

    def __init__(
        self,
        fit: Callable[[Integers], tuple[FittedPreparation, ...]],
        extract: Callable[[tuple[FittedPreparation, ...], str], FeatureSet],
        widths: Sequence[int],
        *,
        rows_of: Callable[[OuterFold], Integers] = lambda fold: fold.train,
    ) -> None:
        self.widths = tuple(widths)
        self._fit, self._extract, self._rows_of = fit, extract, rows_of
        self._sets: dict[bytes, FeatureSet] = {}

    def of(self, fold: OuterFold) -> FeatureSet:
        """Features of all images by the preparations of a fold; folds of the same rows share them."""
        rows = self._rows_of(fold)
        key = rows.tobytes()
        if key not in self._sets:
            self._sets[key] = self._extract(self._fit(rows), fold.key)
        return self._sets[key]


class WithMadeRows:
    """Features of every outer fold with the rows that are made up for its training rows, made once for each fold.

    Parameters
    ----------
    features : FoldFeatures
        Those of the images.
    make : callable
        From a fold to what is made up in it, for each source.
    """

    def __init__(self, features: FoldFeatures, make: Callable[[OuterFold], tuple[MadeUp, ...]]) -> None:
        self._features, self._make = features, make
        self._sets: dict[tuple[str, tuple[bytes, ...]], FeatureSet] = {}

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of features from each source."""
        return self._features.widths

    def of(self, fold: OuterFold) -> FeatureSet:
        """Features of all images, and the rows made up in a fold."""
        key = fold.key, tuple(row_key(rows) for rows in training_rows_of(fold))
        if key not in self._sets:
            self._sets[key] = replace(self._features.of(fold), made=self._make(fold))
        return self._sets[key]


def training_rows_of(fold: OuterFold) -> list[Integers]:
    """Every set of rows that heads of a fold are trained on: those of its inner folds, then its own."""
    return [*(train for train, _ in fold.inner), fold.train]
