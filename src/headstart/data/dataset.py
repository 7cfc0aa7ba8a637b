"""`ImageDataset`: a table of images whose pixels are read when asked for."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from headstart.data.categorical import encode_texts
from headstart.data.checks import check_names, check_trainable, checked_folds, checked_weights
from headstart.data.constructors import DatasetConstructors
from headstart.data.images.bounds import MAX_PIXELS
from headstart.data.images.decode import WHITE_LEVEL
from headstart.data.images.source import ImageSource, StoredImage
from headstart.data.labels.order import class_order
from headstart.data.labels.raters import Ratings
from headstart.data.names import check_printable
from headstart.data.preparation import Preparation
from headstart.data.readers.table import DatasetTable
from headstart.data.shown import ShownDataset
from headstart.data.table.array_column import ArrayColumn, array_column
from headstart.data.table.array_file import read_feature_array
from headstart.data.table.column import TableColumn, check_different
from headstart.errors import DataError, ImageError, InputError
from headstart.storage import hash_json


@dataclass(frozen=True, eq=False, repr=False)
class ImageDataset(ShownDataset, DatasetConstructors):
    """Table of images with a way to their pixels.

    Made by `read_dataset` or one of the ``from_`` class methods; never changed afterwards. It holds the table
    only: pixels are read when asked for, so 100,000 files cost no more memory than their names.

    Attributes
    ----------
    names : tuple of str
        Unique name of every image; for files the path relative to the data set's folder, with ``/``.
    pixels : ImageSource
        What opens the image of a row.
    labels : ndarray of shape (n_images,), int64, or None
        Code of the class, an index into `classes`.
    classes : tuple of str
        Class names, in natural order unless given.
    groups : ndarray of shape (n_images,), int64, or None
        Code of the group, an index into `group_names`; images of one group never stand on both sides of a split.
    group_names : tuple of str
    weights : ndarray of shape (n_images,), float64, or None
        Weight of each image in training and scores, finite and >= 0; None for equal weights.
    folds : ndarray of shape (n_images,), int64, or None
        The user's own outer folds, >= 0.
    parts : ndarray of shape (n_images,), int64, or None
        The user's own split into training, validation and test images: places in
        `headstart.data.readers.table.SPLIT_PARTS`.
    soft : ndarray of shape (n_images, n_classes), float64, or None
        Soft labels: the probability of each class, rows summing to one. `labels` is what images are stratified and
        judged by; training weighs each class by its probability.
    ratings : Ratings or None
        The labels of several raters, where there are such.
    ordered : bool
        Whether the classes stand in an order that scores and heads may speak of, the lowest first.
    columns : tuple of TableColumn
        Table columns: numbers and categories that stand beside the pictures, such as an age or a site; a feature array
        is the last of them.
    notes : tuple of str
        Sentences for the user about everything that reading left out or changed.
    hashes : tuple of str or None
        Content hash of every image, where known already.
    """

    names: tuple[str, ...]
    pixels: ImageSource
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    weights: NDArray[np.float64] | None = None
    folds: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    hashes: tuple[str, ...] | None = field(default=None)
    soft: NDArray[np.float64] | None = None
    ratings: Ratings | None = None
    columns: tuple[TableColumn, ...] = ()
    ordered: bool = False
    parts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> Image.Image: ...

    @overload
    def __getitem__(self, row: slice) -> Self: ...

    def __getitem__(self, row: int | slice) -> Image.Image | Self:
        """Picture of one row as `load` gives it, which a notebook shows, or the data set of some rows.

        Raises
        ------
        IndexError
            When there is no such row.
        ImageError
            When the image cannot be read.
        """
        if isinstance(row, slice):
            return self.subset(np.arange(len(self))[row])
        return self.load(range(len(self))[operator.index(row)])

    @classmethod
    def from_table(cls, table: DatasetTable, pixels: ImageSource, *, classes: Sequence[str] | None = None) -> Self:
        """Data set from a table and the pixels of its rows, checked.

        Parameters
        ----------
        table : DatasetTable
            Columns that a reader made.
        pixels : ImageSource
            Row i is the image of row i of the table. Where the table has no groups, those that it proposes are taken.
        classes : sequence of str, optional
            Class names in the requested order. Default: as the table has them.

        Raises
        ------
        DataError
            When a name occurs twice, a label is none of the classes, or groups, weights or folds are no such.
        """
        check_names(table.names)
        table = table.in_classes(classes).with_proposed_groups(pixels.proposed_groups())
        labels = table.labels
        if labels is not None:
            check_printable("class name", labels.names, labels.codes)
        if table.groups is not None:
            check_printable("group name", table.groups.names, table.groups.codes)
        return cls(
            names=tuple(table.names),
            pixels=pixels,
            labels=None if labels is None else labels.codes,
            classes=tuple(classes or ()) if labels is None else labels.names,
            groups=None if table.groups is None else table.groups.codes,
            group_names=() if table.groups is None else table.groups.names,
            weights=None if table.weights is None else checked_weights(table.weights, len(table.names)),
            folds=None if table.folds is None else checked_folds(table.folds, len(table.names)),
            notes=tuple(table.notes),
            soft=table.soft,
            ratings=table.ratings,
            columns=table.columns,
            parts=table.parts,
        )

    def load(
        self,
        row: int,
        *,
        white_level: int = WHITE_LEVEL,
        max_pixels: int = MAX_PIXELS,
        channels: Sequence[str] | None = None,
    ) -> Image.Image:
        """Upright RGB image of one row; see `headstart.data.images.decode.decode_details`.

        Of chosen channels one is shown in grey, and of more than three the first three in red, green and blue.

        Raises
        ------
        ImageError
            When the image cannot be read.
        """
        return self.stored(row).decoded(white_level=white_level, max_pixels=max_pixels, channels=channels).image

    def prepared(self, row: int, preparation: Preparation) -> NDArray[Any]:
        """Pixels of one row before its views are made, (height, width, channels); see `Preparation.prepare`."""
        return preparation.prepare(self.stored(row))

    def stored(self, row: int) -> StoredImage:
        """One row's image, read but not decoded.

        Raises
        ------
        ImageError
            When it cannot be read.
        """
        return self.pixels.open(row, self.names[row])

    def has_float_pixels(self, channels: Sequence[str] | None = None) -> bool:
        """Whether the first image is of floating-point samples on a stated scale; not where it cannot be read.

        Parameters
        ----------
        channels : sequence of str, optional
            Names of the channels that make up an image.
        """
        try:
            samples = self.stored(0).decoded(channels=channels).samples
        except ImageError:
            return False
        return samples is not None and samples.dtype != np.uint8

    def content_hash(self, row: int) -> str:
        """SHA-256 of one row's content, in hexadecimal: of its file, or of its pixels with type and shape."""
        return self.stored(row).content_hash() if self.hashes is None else self.hashes[row]

    def with_hashes(self, hashes: Sequence[str]) -> ImageDataset:
        """The same data set, with content hashes that were computed elsewhere: by the audit, say."""
        if len(hashes) != len(self):
            raise ValueError(f"{len(hashes)} hashes for {len(self)} images")
        return replace(self, hashes=tuple(hashes))

    def with_groups(self, groups: NDArray[np.int64]) -> ImageDataset:
        """The same data set with other groups, named by their numbers: near-duplicates joined, say."""
        if len(groups) != len(self):
            raise ValueError(f"{len(groups)} groups for {len(self)} images")
        column = encode_texts([str(group) for group in np.asarray(groups).tolist()])
        return replace(self, groups=column.codes, group_names=column.names)

    def with_order(self, requested: str | Sequence[str]) -> ImageDataset:
        """The same images with ordered classes, the lowest first.

        Parameters
        ----------
        requested : str or sequence of str
            The order; see `headstart.data.labels.order.class_order`.

        Raises
        ------
        InputError
            When it does not name each class once, or names that should say it do not.
        """
        order = class_order(requested, self.classes)
        position = np.array([order.index(name) for name in self.classes], dtype=np.int64)
        return replace(
            self,
            classes=order,
            labels=None if self.labels is None else position[self.labels],
            soft=None if self.soft is None else self.soft[:, np.argsort(position)],
            ratings=None if self.ratings is None else self.ratings.recoded(position),
            ordered=True,
        )

    def subset(self, rows: ArrayLike) -> Self:
        """The data set of some rows, in the order given; classes and their codes stay as they are.

        Parameters
        ----------
        rows : array-like of int or of bool
            Row numbers, or a mask of shape (n_images,).
        """
        index = np.asarray(rows)
        chosen = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        chosen = np.arange(len(self), dtype=np.int64)[chosen]
        return replace(
            self,
            names=tuple(self.names[row] for row in chosen.tolist()),
            pixels=self.pixels.take(chosen),
            labels=None if self.labels is None else self.labels[chosen],
            groups=None if self.groups is None else self.groups[chosen],
            weights=None if self.weights is None else self.weights[chosen],
            folds=None if self.folds is None else self.folds[chosen],
            parts=None if self.parts is None else self.parts[chosen],
            soft=None if self.soft is None else self.soft[chosen],
            ratings=None if self.ratings is None else self.ratings.take(chosen),
            columns=tuple(column.take(chosen) for column in self.columns),
            hashes=None if self.hashes is None else tuple(self.hashes[row] for row in chosen.tolist()),
        )

    def with_feature_array(self, array: ArrayLike | str | os.PathLike[str], *, name: str = "array") -> ImageDataset:
        """The data set with numbers of your own for each image beside the pictures: embeddings, radiomics.

        Parameters
        ----------
        array : array-like of shape (n_images, n_columns), or path
            Finite numbers, a row for each image in the order of `names`; or a file that holds them, see
            `headstart.data.table.array_file.read_feature_array`.
        name : str
            Begins the names of its columns. Of a file its own name does.

        Raises
        ------
        DataError
            When there is an array already, shape or type do not fit, or a number is not finite.
        """
        if any(isinstance(column, ArrayColumn) for column in self.columns):
            raise DataError("The data have a feature array already. Join the two: numpy.concatenate([a, b], axis=1).")
        if isinstance(array, str | os.PathLike):
            found = read_feature_array(Path(array), self.names)
        else:
            found = array_column(array, len(self), name=name)
        check_different([*(column.name for column in self.columns), found.name])
        return replace(self, columns=(*self.columns, found))

    def without(self, rows: ArrayLike) -> ImageDataset:
        """The data set without some rows: unreadable ones, say."""
        keep = np.ones(len(self), dtype=np.bool_)
        keep[np.asarray(rows, dtype=np.int64)] = False
        return self.subset(keep)

    def label_names(self) -> list[str]:
        """Class name of every row; empty without labels."""
        return [] if self.labels is None else [self.classes[code] for code in self.labels.tolist()]

    def fingerprint(self) -> str:
        """Hash over names, contents, labels of every kind and all other columns, in row order.

        Reads every file unless the hashes are known (`with_hashes`).

        Raises
        ------
        ImageError
            When a file cannot be read.
        """
        groups = None if self.groups is None else [self.group_names[code] for code in self.groups.tolist()]
        return hash_json(
            {
                "names": self.names,
                "contents": [self.content_hash(row) for row in range(len(self))],
                "classes": self.classes,
                "labels": self.label_names(),
                "groups": groups,
                "weights": None if self.weights is None else self.weights.tolist(),
                "folds": None if self.folds is None else self.folds.tolist(),
                **({} if self.parts is None else {"parts": self.parts.tolist()}),
                **({} if self.soft is None else {"soft": self.soft.tolist()}),
                **({} if self.ratings is None else {"ratings": self.ratings.to_json()}),
                **({} if not self.columns else {"columns": [column.to_json() for column in self.columns]}),
                **({"ordered": True} if self.ordered else {}),
            }
        )

    def validate_for_training(self) -> None:
        """Refuse what no classifier can be trained on.

        Raises
        ------
        DataError
            Without images or labels, with one class, or when a class has fewer than two images (counting those
            of positive weight).
        """
        check_trainable(len(self), self.labels, self.classes, self.weights, self.ratings)

    def training_labels(self) -> NDArray[np.int64]:
        """Class code of every image, shape (n_images,).

        Raises
        ------
        InputError
            When the images have no labels.
        """
        if self.labels is None:
            raise InputError("The images have no labels; training needs one for each.")
        return self.labels
