"""Data of a study: features, labels, groups and table columns of all images, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.study.table_block import FoldTable, beside, block_spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.study.features import FeatureSet, FoldFeatures, MadeUp
    from headstart.study.folds import OuterFold

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StudyData:
    """Features and labels that heads are trained and judged on.

    Attributes
    ----------
    features : tuple of ndarray of shape (n_images, n_features), float32
        One array for each source, widths as they come; memory maps where they are large. Empty where they differ
        from fold to fold.
    labels : ndarray of shape (n_images,), int64
    n_classes : int
        Number of classes.
    weights : ndarray of shape (n_images,), float64, or None
    groups : ndarray of shape (n_images,), int64, or None
    soft : ndarray of shape (n_images, n_classes), float64, or None
        Probability of every class by the label itself, rows summing to one; heads are trained on it, `labels` are
        judged by.
    views : tuple of mappings of str to ndarray of shape (n_images, n_views, n_features), float32
        For each source the features of views, by the name of their policy; empty where nothing is augmented.
    parents : ndarray of shape (n_images, 2), int64, or None
        Numbers of the rows that each was made of; a real image is its own, -1 stands for rows of the training fold
        that the sampler does not tell. None: all are real images.
    by_fold : FoldFeatures or None
        Features that differ from fold to fold, since something in their making is fitted; `of_fold` takes one fold's.
    columns : FoldTable or None
        Table columns that stand beside the pictures; `of_fold` encodes them for one fold.
    table : ndarray of shape (n_images, n_columns), float32, or None
        The columns encoded for one outer fold; `joined` puts them behind the features of a source.
    table_blocks : tuple of int
        Number of columns of every block of `table` that heads weigh; empty where it is one block.
    spread : ndarray of shape (n_features,), float64, or None
        Standard deviation that heads give each feature; None for 1 each.
    blocks : tuple of tuple of int
        For each source the number of features of every block that heads weigh; empty where each is one block.
    ordered : bool
        Whether the classes stand in an order that scores speak of.
    made : tuple of mappings of bytes to MadeRows
        For each source the rows made up for sets of training rows of one fold; empty where none are.
    """

    features: tuple[NDArray[np.float32], ...]
    labels: Integers
    n_classes: int
    weights: Floats | None = None
    groups: Integers | None = None
    soft: Floats | None = None
    views: tuple[Mapping[str, NDArray[np.float32]], ...] = ()
    parents: Integers | None = None
    by_fold: FoldFeatures | None = None
    columns: FoldTable | None = None
    table: NDArray[np.float32] | None = None
    table_blocks: tuple[int, ...] = ()
    spread: Floats | None = None
    blocks: tuple[tuple[int, ...], ...] = ()
    ordered: bool = False
    made: tuple[MadeUp, ...] = ()

    @classmethod
    def of(
        cls,
        dataset: ImageDataset,
        features: tuple[NDArray[np.float32], ...] | FoldFeatures,
        views: tuple[Mapping[str, NDArray[np.float32]], ...] = (),
        *,
        blocks: tuple[tuple[int, ...], ...] = (),
    ) -> StudyData:
        """Images of a data set with their features, and those of their views.

        Parameters
        ----------
        dataset : ImageDataset
        features : tuple of ndarray, or FoldFeatures
            One array for each source, or what gives those of every fold, views included.
        views : tuple of mappings of str to ndarray
        blocks : tuple of tuple of int

        Raises
        ------
        InputError
            When the images have no labels.
        """
        alone = cls(
            (),
            dataset.training_labels(),
            len(dataset.classes),
            dataset.weights,
            dataset.groups,
            soft=dataset.soft,
            columns=FoldTable(dataset.columns, dataset.weights) if dataset.columns else None,
            blocks=blocks,
            ordered=dataset.ordered,
        )
        return alone.with_features(features, views)

    def with_features(
        self,
        features: tuple[NDArray[np.float32], ...] | FoldFeatures,
        views: tuple[Mapping[str, NDArray[np.float32]], ...] = (),
    ) -> StudyData:
        """The same images with other features."""
        if isinstance(features, tuple):
            return replace(self, features=features, views=views, by_fold=None, made=())
        return replace(self, features=(), views=(), by_fold=features, made=())

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of features from each source."""
        if self.by_fold is not None:
            return self.by_fold.widths
        return tuple(features.shape[1] for features in self.features)

    def widths_in(self, fold: OuterFold) -> tuple[int, ...]:
        """Number of features from each source with the table columns, as they are encoded for a fold, behind them."""
        n_columns = 0 if self.columns is None else len(self.columns.encoding(fold).outputs)
        return tuple(width + n_columns for width in self.widths)

    def of_fold(self, fold: OuterFold) -> StudyData:
        """The same images with the features of one outer fold, its inner folds included, and its table columns."""
        data = self
        if self.by_fold is not None:
            found: FeatureSet = self.by_fold.of(fold)
            data = replace(self.with_features(found.features, found.views), made=found.made)
        if self.columns is None:
            return data
        table, blocks = self.columns.of(fold), self.columns.block_widths(fold)
        encoding = self.columns.encoding(fold)
        made = tuple(
            {key: replace(rows, table=encoding.apply(rows.columns)) for key, rows in of_source.items()}
            for of_source in data.made
        )
        return replace(data, columns=None, table=table, table_blocks=blocks, made=made)

    def make_features(self, folds: Sequence[OuterFold]) -> None:
        """Compute the features of some folds now, where they differ from fold to fold."""
        for fold in folds:
            self.of_fold(fold)

    def of_source(self, source: int) -> StudyData:
        """The same images with the features of one source alone; features that differ by fold are taken first."""
        if self.by_fold is not None:
            raise ValueError("the features differ from fold to fold: take those of a fold first")
        return replace(
            self,
            features=(self.features[source],),
            views=self.views[source : source + 1],
            blocks=self.blocks[source : source + 1],
            made=self.made[source : source + 1],
        )

    def joined(self) -> StudyData:
        """Rows of one source with the encoded table columns joined to their features, every block given its weight."""
        if self.table is None and len(self.blocks[0] if self.blocks else ()) < 2:
            return self
        (features,) = self.features
        blocks = self.blocks[0] if self.blocks else (features.shape[1],)
        behind = self.table_blocks or (0 if self.table is None else self.table.shape[1],)
        spread = block_spread(blocks, *behind)
        return replace(self, features=(beside(features, self.table),), table=None, table_blocks=(), spread=spread)

    def take(self, rows: Integers) -> StudyData:
        """The rows named, in their order, without their views."""
        return replace(
            self,
            features=tuple(features[rows] for features in self.features),
            labels=self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
            groups=None if self.groups is None else self.groups[rows],
            soft=None if self.soft is None else self.soft[rows],
            views=(),
            made=(),
            parents=None if self.parents is None else self.parents[rows],
            columns=None,  # rows are taken inside a fold, whose columns are in `table`
            table=None if self.table is None else self.table[rows],
        )
