"""Ways to make a data set: from folders, tables and archives, and from what a caller has in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.images.arrays import ArrayPixels, is_one_colour_image
from headstart.data.images.files import FilePixels
from headstart.data.images.source import ImageSource
from headstart.data.memory.collection import collected
from headstart.data.memory.form import PictureForm
from headstart.data.memory.repeats import without_repeats
from headstart.data.names import check_printable
from headstart.data.readers import ReadOptions
from headstart.data.readers.arrays import column_table, with_annotations
from headstart.data.readers.dicom import with_dicom_tags
from headstart.data.readers.folder import open_folder
from headstart.data.readers.manifest import open_manifest
from headstart.data.readers.manifest.columns import ManifestColumns
from headstart.data.readers.npz import open_npz
from headstart.data.readers.table import DatasetTable
from headstart.data.table.column import TableColumn
from headstart.errors import DataError


class DatasetConstructors:
    """Constructors of `headstart.data.dataset.ImageDataset`; each ends in its `from_table`."""

    @classmethod
    def from_table(cls, table: DatasetTable, pixels: ImageSource, *, classes: Sequence[str] | None = None) -> Self:
        """Data set from a table and the pixels of its rows."""
        raise NotImplementedError

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        *,
        group_from: str | None = None,
        classes: Sequence[str] | None = None,
        allow_outside: bool = False,
        split_folders: str | None = None,
    ) -> Self:
        """Data set from a folder with one folder per class, images at any depth below.

        Parameters
        ----------
        path : path
            The folder. Hidden and system files, files that are no images, masks and thumbnails of images, and images
            whose names hold control characters are left out and counted in `notes`.
        group_from : str, optional
            Regular expression searched in the name of every image (``class/sub/file.png``); what the group called
            ``group``, or else the first parenthesis, matches is the group.
        classes : sequence of str, optional
            Class names in the requested order; every class folder must be among them. Default: natural order.
        allow_outside : bool
            Follow links that lead out of the folder, instead of refusing them.
        split_folders : {"pool", "classes"}, optional
            What folders called like the parts of a split (``train``, ``val``, ``test``, ``fold_0``) are: put together,
            so that folds are drawn, or classes. Default: the split, where they hold the same class folders.

        Raises
        ------
        DataError
            When the folder is missing, empty, unreadable, has no class folders, holds a link in a loop, the name of a
            class folder holds control characters, or folders called like a split are around other classes.
        """
        table, pixels = open_folder(Path(path), ReadOptions(allow_outside=allow_outside, split_folders=split_folders))
        return cls.from_table(table.grouped(group_from), pixels, classes=classes)

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
        table_columns: Sequence[str] | None = None,
        allow_outside: bool = False,
    ) -> Self:
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
            How the labels of several raters are combined: to the class with most votes, ties made soft, or to soft
            labels throughout, the shares of the votes.
        table_columns : sequence of str, optional
            Further columns that stand beside the pictures: ``age``, or with its kind ``stage:category``.
        allow_outside : bool
            Accept absolute paths and paths that leave the root.

        Raises
        ------
        DataError
            When the table or a column is missing or damaged, a label is empty, soft labels do not sum to one, a name
            holds control characters, a path leads outside, or one image is listed with different labels.
        """
        options = ReadOptions(
            columns=columns, root=root, votes=votes, table_columns=table_columns, allow_outside=allow_outside
        )
        table, pixels = open_manifest(Path(path), options)
        return cls.from_table(table.grouped(group_from), pixels, classes=classes)

    @classmethod
    def from_npz(
        cls,
        path: str | os.PathLike[str],
        *,
        partition: str | None = None,
        group_from: str | None = None,
        classes: Sequence[str] | None = None,
        table_columns: Sequence[str] | None = None,
    ) -> Self:
        """Data set from a NumPy archive in the layout of MedMNIST, or with ``images`` and ``labels``.

        Parameters
        ----------
        path : path
            The ``.npz`` file; its images are held in memory. An entry ``channels`` names their channels; an entry
            ``scale`` states black and white of floating-point ones.
        partition : {"train", "val", "test"}, optional
            Take this part of a MedMNIST file alone. Default: all parts pooled, and a note that says so.
        group_from, classes
            As for `from_folder`; names are ``train/000000`` or ``000000``.
        table_columns : sequence of str, optional
            Entries of the archive that stand beside the pictures, as for `from_manifest`; in a MedMNIST file
            ``age`` stands for ``train_age`` and so on.

        Raises
        ------
        DataError
            When the archive is damaged, needs unpickling, is too large for memory, or its arrays do not fit.
        """
        table, pixels = open_npz(Path(path), ReadOptions(partition=partition, table_columns=table_columns))
        return cls.from_table(table.grouped(group_from), pixels, classes=classes)

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
        table: Mapping[str, ArrayLike] | Sequence[TableColumn] = (),
        channels: Sequence[str] | None = None,
        scale: Sequence[float] | None = None,
    ) -> Self:
        """Data set from an array of images.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width[, channels])
            uint8 or uint16, or float32 or float64 with their scale. Kept as it is, not copied; a memory map stays on
            disk.
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
        table : mapping of str to array-like, data frame, or sequence of TableColumn
            Further columns that stand beside the pictures: numbers or texts, None or NaN for gaps.
        channels : sequence of str, optional
            Names of the channels, by which some of them are chosen: ``FitOptions(channels=("dapi", "gfp"))``.
            Default: grey, or red, green and blue, alpha last; of more than four their numbers from 1.
        scale : (float, float), optional
            Values shown as black and as white of floating-point images; what lies beyond is clipped.

        Raises
        ------
        DataError
            When shapes, types or lengths do not fit, or a name holds control characters.
        """
        images = np.asanyarray(images)
        if is_one_colour_image(images) and (labels is None or len(np.atleast_1d(labels)) == 1):
            images = images[None]
        pixels = ArrayPixels.of(images, channels=channels, scale=scale)
        named = [f"{row:06d}" for row in range(len(images))] if names is None else list(names)
        if len(named) != len(images):
            raise DataError(f"There are {len(named):,} names for {len(images):,} images; expected one for each.")
        return cls.from_source(
            pixels,
            named,
            labels,
            groups,
            classes=classes,
            weights=weights,
            folds=folds,
            soft=soft,
            ratings=ratings,
            votes=votes,
            table=table,
        )

    @classmethod
    def from_images(
        cls,
        images: Any,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        classes: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
        folds: ArrayLike | None = None,
        soft: ArrayLike | None = None,
        ratings: ArrayLike | None = None,
        votes: str = "majority",
        table: Mapping[str, ArrayLike] | Sequence[TableColumn] = (),
        channels: Sequence[str] | None = None,
        scale: Sequence[float] | None = None,
    ) -> Self:
        """Data set from pictures of any kind: paths, Pillow images, arrays of different sizes, tensors.

        Parameters
        ----------
        images : path, Pillow image, array, tensor, sequence of these, data set, or table
            See docs/data.md. What can be read later is not read or held in memory. A path that is given again with the
            same label, group and so on counts once.
        labels, groups, classes, weights, folds, soft, ratings, votes, table, channels : optional
            As for `from_arrays`.
        scale : (float, float), optional
            As for `from_arrays`. Default: 0 and 1, and no value may lie beyond.

        Raises
        ------
        DataError
            When a row is no picture, lengths do not fit, or rows of one path differ.

        Examples
        --------
        >>> import numpy as np
        >>> from headstart import ImageDataset
        >>> ImageDataset.from_images([np.zeros((8, 9, 3), np.uint8), np.ones((5, 4))], ["dark", "bright"])
        <ImageDataset: 2 images, 2 classes>
        """
        n_rows = None if labels is None else len(np.atleast_1d(np.asarray(labels)))
        found = collected(images, PictureForm.of(channels, scale), n_rows=n_rows)
        given = column_table(found.names, labels, groups, weights, folds, table=table)
        given = with_annotations(given, soft=soft, ratings=ratings, classes=classes, votes=votes)
        return cls.from_table(*with_dicom_tags(*without_repeats(given, found.source)), classes=classes)

    @classmethod
    def from_source(
        cls,
        source: ImageSource,
        names: Sequence[str],
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        classes: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
        folds: ArrayLike | None = None,
        soft: ArrayLike | None = None,
        ratings: ArrayLike | None = None,
        votes: str = "majority",
        table: Mapping[str, ArrayLike] | Sequence[TableColumn] = (),
    ) -> Self:
        """Data set from a source of your own: windows of a signal, crops of a picture, slices of a volume.

        Parameters
        ----------
        source : ImageSource
            What opens the image of a row; see `headstart.data.images.source.ImageSource`.
        names : sequence of str
            Unique name of every row of the source.
        groups : array-like of shape (n_images,), optional
            Default: those that the source proposes, if it does.
        labels, classes, weights, folds, soft, ratings, votes, table : optional
            As for `from_arrays`.

        Raises
        ------
        DataError
            When lengths do not fit, a name occurs twice or holds control characters.
        """
        check_printable("image name", names, np.arange(len(names)))
        given = column_table(names, labels, groups, weights, folds, table=table)
        given = with_annotations(given, soft=soft, ratings=ratings, classes=classes, votes=votes)
        return cls.from_table(given, source, classes=classes)

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
        table: Mapping[str, ArrayLike] | Sequence[TableColumn] = (),
    ) -> Self:
        """Data set from image files, named as they are given; relative paths start from the current folder.

        Any name that a file system takes is accepted, as every requested file gets its prediction.

        Parameters
        ----------
        paths : sequence of paths
        labels, groups, classes, weights, folds, soft, ratings, votes, table : optional
            As for `from_arrays`.

        Raises
        ------
        DataError
            When lengths do not fit or a path is given twice.
        """
        names = [Path(path).as_posix() for path in paths]
        given = column_table(names, labels, groups, weights, folds, table=table)
        given = with_annotations(given, soft=soft, ratings=ratings, classes=classes, votes=votes)
        return cls.from_table(given, FilePixels(Path.cwd(), confined=False), classes=classes)
