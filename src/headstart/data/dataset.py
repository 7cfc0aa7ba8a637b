"""`ImageDataset`: a table of images with lazily read pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from headstart.data.categorical import encode_texts
from headstart.data.checks import check_names, check_trainable, checked_folds, checked_weights
from headstart.data.images.decode import MAX_PIXELS, WHITE_LEVEL
from headstart.data.images.pixels import ArrayPixels, FilePixels, PixelSource
from headstart.data.labels.raters import Ratings
from headstart.data.names import check_printable
from headstart.data.preparation import Preparation
from headstart.data.readers.arrays import column_table, with_opinions
from headstart.data.readers.folder import read_folder
from headstart.data.readers.manifest.columns import ManifestColumns
from headstart.data.readers.manifest.read import read_manifest
from headstart.data.readers.npz import read_npz
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError, ImageError, InputError
from headstart.storage import hash_json


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A table of images, and a way to their pixels.

    Made by `read_dataset` or one of the ``from_`` class methods; never changed afterwards. It holds the table
    only: pixels are read when asked for, so 100,000 files cost no more memory than their names.

    Attributes
    ----------
    names : tuple of str
        Unique name of every image; for files the path relative to the data set's folder, with ``/``.
    pixels : PixelSource
        Where the pixels come from.
    labels : ndarray of shape (n_images,), int64, or None
        Code of the class, an index into `classes`.
    classes : tuple of str
        Class names, in natural order unless given.
    groups : ndarray of shape (n_images,), int64, or None
        Code of the group, an index into `group_names`; images of one group never stand on both sides of a split.
    group_names : tuple of str
    weights : ndarray of shape (n_images,), float64, or None
        How much each image counts, finite and >= 0; None counts all alike.
    folds : ndarray of shape (n_images,), int64, or None
        The user's own outer folds, >= 0.
    soft : ndarray of shape (n_images, n_classes), float64, or None
        Soft labels: the probability of each class, rows summing to one. `labels` is what images are stratified and
        judged by; training weighs each class by its probability.
    ratings : Ratings or None
        The labels of several raters, where there are such.
    notes : tuple of str
        What reading left out or changed, one sentence each, for the user.
    hashes : tuple of str or None
        Content hash of every image, where known already.
    """

    names: tuple[str, ...]
    pixels: PixelSource
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    weights: NDArray[np.float64] | None = None
    folds: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    hashes: tuple[str, ...] | None = field(default=None, repr=False)
    soft: NDArray[np.float64] | None = None
    ratings: Ratings | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        groups = "" if self.groups is None else f", {len(np.unique(self.groups)):,} groups"
        return f"<ImageDataset: {len(self):,} images, {len(self.classes)} classes{groups}>"

    @classmethod
    def from_table(
        cls, table: DatasetTable, pixels: PixelSource, *, classes: Sequence[str] | None = None
    ) -> ImageDataset:
        """Data set from a table that a reader made, with its checks."""
        check_names(table.names)
        table = table.in_classes(classes)
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
        )

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        *,
        group_from: str | None = None,
        classes: Sequence[str] | None = None,
        allow_outside: bool = False,
    ) -> ImageDataset:
        """Data set from a folder with one folder per class, images at any depth below.

        Parameters
        ----------
        path : path
            The folder. Hidden files, files that are no images and images whose names hold control characters are
            left out and counted in `notes`.
        group_from : str, optional
            Regular expression searched in the name of every image (``class/sub/file.png``); what the group called
            ``group``, or else the first parenthesis, matches is the group.
        classes : sequence of str, optional
            Class names in the order wanted; every class folder must be among them. Default: natural order.
        allow_outside : bool
            Follow links that lead out of the folder, instead of refusing them.

        Raises
        ------
        DataError
            When the folder is missing, empty, unreadable, has no class folders, holds a link in a loop, or the name
            of a class folder holds control characters.
        """
        root = Path(path).resolve()
        table = read_folder(root, allow_outside=allow_outside).grouped(group_from)
        return cls.from_table(table, FilePixels(root, confined=not allow_outside), classes=classes)

    @classmethod
    def from_manifest(
        cls,
        path: str | os.PathLike[str],
        *,
        columns: ManifestColumns | Mapping[str, str] | None = None,
        root: str | os.PathLike[str] | None = None,
        group_from: str | None = None,
        classes: Sequence[str] | None = None,
        votes: str = "majority",
        allow_outside: bool = False,
    ) -> ImageDataset:
        """Data set from a CSV or Parquet table with one row per image, or one per image and rater.

        Parameters
        ----------
        path : path
            The table; a name that ends with ``.parquet`` or ``.pq`` is read as Parquet, any other as CSV.
        columns : ManifestColumns or mapping, optional
            Names of the columns, such as ``{"label": "diagnosis"}``. Default: image, label and, where the table
            has them, group, weight, fold, rater and soft labels ``p:CLASS``.
        root : path, optional
            Folder that the image paths start from and must stay in. Default: the table's own folder.
        group_from, classes
            As for `from_folder`.
        votes : {"majority", "shares"}
            What several raters' labels come to: the class with most votes, ties made soft, or soft labels throughout,
            the shares of the votes.
        allow_outside : bool
            Accept absolute paths and paths that leave the root.

        Raises
        ------
        DataError
            When the table or a column is missing or damaged, a label is empty, soft labels do not sum to one, a name
            holds control characters, a path leads outside, or one image is listed with different labels.
        """
        folder = Path(path).parent if root is None else Path(root)
        table = read_manifest(Path(path), ManifestColumns.of(columns), allow_outside=allow_outside, votes=votes)
        pixels = FilePixels(folder.resolve(), confined=not allow_outside)
        return cls.from_table(table.grouped(group_from), pixels, classes=classes)

    @classmethod
    def from_npz(
        cls,
        path: str | os.PathLike[str],
        *,
        partition: str | None = None,
        group_from: str | None = None,
        classes: Sequence[str] | None = None,
    ) -> ImageDataset:
        """Data set from a NumPy archive in the layout of MedMNIST, or with ``images`` and ``labels``.

        Parameters
        ----------
        path : path
            The ``.npz`` file; its images are held in memory.
        partition : {"train", "val", "test"}, optional
            Take this part of a MedMNIST file alone. Default: all parts pooled, and a note that says so.
        group_from, classes
            As for `from_folder`; names are ``train/000000`` or ``000000``.

        Raises
        ------
        DataError
            When the archive is damaged, needs unpickling, is too large for memory, or its arrays do not fit.
        """
        table, images = read_npz(Path(path), partition=partition)
        return cls.from_table(table.grouped(group_from), ArrayPixels.of(images), classes=classes)

    @classmethod
    def from_arrays(
        cls,
        images: NDArray[Any],
        labels: ArrayLike | None = None,
        *,
        names: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        folds: ArrayLike | None = None,
        soft: ArrayLike | None = None,
        ratings: ArrayLike | None = None,
        votes: str = "majority",
    ) -> ImageDataset:
        """Data set from an array of images.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width[, channels]), uint8 or uint16
            Kept as it is, not copied; a memory map stays on disk.
        labels : array-like of shape (n_images,), optional
            Class of every image: text or whole numbers.
        names : sequence of str, optional
            Default: ``000000``, ``000001`` and so on.
        classes, groups, weights, folds : optional
            See the attributes of `ImageDataset`; groups are text or whole numbers.
        soft : array-like of shape (n_images, n_classes), optional
            Probability of each class, columns in class order; without `labels` the most probable class is the label,
            of equal ones the first.
        ratings : array-like of shape (n_images, n_raters), optional
            Labels of several raters, None or empty text where one did not see the image. Without `labels` they vote.
        votes : {"majority", "shares"}
            As for `from_manifest`.

        Raises
        ------
        DataError
            When shapes, types or lengths do not fit, or a name holds control characters.
        """
        pixels = ArrayPixels.of(np.asanyarray(images))
        named = [f"{row:06d}" for row in range(len(images))] if names is None else list(names)
        if len(named) != len(images):
            raise DataError(f"There are {len(named):,} names for {len(images):,} images; expected one for each.")
        check_printable("image name", named, np.arange(len(named)))
        table = column_table(named, labels, groups, weights, folds)
        table = with_opinions(table, soft=soft, ratings=ratings, classes=classes, votes=votes)
        return cls.from_table(table, pixels, classes=classes)

    @classmethod
    def from_files(
        cls,
        paths: Sequence[str | os.PathLike[str]],
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        classes: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
        folds: ArrayLike | None = None,
        soft: ArrayLike | None = None,
        ratings: ArrayLike | None = None,
        votes: str = "majority",
    ) -> ImageDataset:
        """Data set from image files, named as they are given; relative paths start from the current folder.

        Any name that a file system takes is accepted, as every file asked for gets its prediction.

        Parameters
        ----------
        paths : sequence of paths
        labels, groups, classes, weights, folds, soft, ratings, votes : optional
            As for `from_arrays`.

        Raises
        ------
        DataError
            When lengths do not fit or a path is given twice.
        """
        names = [Path(path).as_posix() for path in paths]
        table = column_table(names, labels, groups, weights, folds)
        table = with_opinions(table, soft=soft, ratings=ratings, classes=classes, votes=votes)
        return cls.from_table(table, FilePixels(Path.cwd(), confined=False), classes=classes)

    def load(self, row: int, *, white_level: int = WHITE_LEVEL, max_pixels: int = MAX_PIXELS) -> Image.Image:
        """Upright RGB image of one row; see `headstart.data.images.decode.decode`.

        Raises
        ------
        ImageError
            When the image cannot be read.
        """
        return self.pixels.load(row, self.names[row], max_pixels, white_level)

    def prepared(self, row: int, preparation: Preparation) -> NDArray[np.uint8]:
        """One row as the network takes it: array of shape (height, width, 3)."""
        if isinstance(self.pixels, FilePixels):
            return preparation.read(self.encoded(row), self.names[row])
        return preparation.apply(self.load(row, white_level=preparation.white_level))

    def encoded(self, row: int) -> bytes:
        """The bytes of one row's file.

        Raises
        ------
        ImageError
            When the file cannot be read, or the images are arrays and have none.
        """
        if not isinstance(self.pixels, FilePixels):
            raise ImageError(self.names[row], "this image is an array in memory, not a file; use load")
        return self.pixels.encoded(self.names[row])

    def path(self, row: int) -> Path | None:
        """Where one row's file lies, or None for an array in memory."""
        return self.pixels.path(self.names[row]) if isinstance(self.pixels, FilePixels) else None

    def content_hash(self, row: int) -> str:
        """SHA-256 of one row's file, or of its pixels with type and shape, in hexadecimal."""
        return self.pixels.content_hash(row, self.names[row]) if self.hashes is None else self.hashes[row]

    def with_hashes(self, hashes: Sequence[str]) -> ImageDataset:
        """The same data set, with content hashes that were computed elsewhere: by the audit, say."""
        if len(hashes) != len(self):
            raise ValueError(f"{len(hashes)} hashes for {len(self)} images")
        return replace(self, hashes=tuple(hashes))

    def with_groups(self, groups: NDArray[np.int64]) -> ImageDataset:
        """The same data set with other groups, named by their numbers: twins joined, say."""
        if len(groups) != len(self):
            raise ValueError(f"{len(groups)} groups for {len(self)} images")
        coded = encode_texts([str(group) for group in np.asarray(groups).tolist()])
        return replace(self, groups=coded.codes, group_names=coded.names)

    def subset(self, rows: ArrayLike) -> ImageDataset:
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
            soft=None if self.soft is None else self.soft[chosen],
            ratings=None if self.ratings is None else self.ratings.take(chosen),
            hashes=None if self.hashes is None else tuple(self.hashes[row] for row in chosen.tolist()),
        )

    def without(self, rows: ArrayLike) -> ImageDataset:
        """The data set without some rows: unreadable ones, say."""
        keep = np.ones(len(self), dtype=np.bool_)
        keep[np.asarray(rows, dtype=np.int64)] = False
        return self.subset(keep)

    def label_names(self) -> list[str]:
        """Class name of every row; empty without labels."""
        return [] if self.labels is None else [self.classes[code] for code in self.labels.tolist()]

    def fingerprint(self) -> str:
        """Hash over names, contents, labels of every kind, groups, weights and folds, in row order.

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
                **({} if self.soft is None else {"soft": self.soft.tolist()}),
                **({} if self.ratings is None else {"ratings": self.ratings.to_json()}),
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
        """Class code of every image, (n_images,).

        Raises
        ------
        InputError
            When the images have no labels.
        """
        if self.labels is None:
            raise InputError("The images have no labels; training needs one for each.")
        return self.labels
