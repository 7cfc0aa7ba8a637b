"""Arguments of scikit-learn as a data set: images, labels, weights and groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from headstart.data.checks import checked_weights
from headstart.data.dataset import ImageDataset
from headstart.data.images.samples import MAX_CHANNELS
from headstart.data.memory.form import PictureForm
from headstart.data.read import as_dataset, read_dataset
from headstart.errors import ArgumentError, DataError, InputError, first_few, plural

Images = Any
"""Images as `headstart.data.read.as_dataset` takes them: paths, pictures of any kind, an ImageDataset."""


def image_dataset(images: Images, *, max_channels: int = MAX_CHANNELS) -> ImageDataset:
    """The images as a data set; pixels are not read yet.

    Parameters
    ----------
    images : ImageDataset, path, Pillow image, array, tensor, sequence of these, data set, or table
        The same path may occur more than once, as in a bootstrap sample.
    max_channels : int
        Largest number of channels of an array.

    Raises
    ------
    ArgumentError
        When they are none of these, or there are none.
    """
    form = PictureForm("X", max_channels=max_channels)
    try:
        dataset = as_dataset(images, form)
    except DataError as error:
        raise ArgumentError(str(error)) from error
    if len(dataset) == 0:
        raise ArgumentError(f"X holds no images (0 samples). {form.expected}, with at least one image.")
    return dataset


def labelled_dataset(images: Images) -> ImageDataset:
    """The images with the labels, groups and weights that they bring along, as `headstart.fit` reads them.

    Raises
    ------
    ArgumentError
        When they are no images, or their table cannot be used.
    """
    try:
        return read_dataset(images)
    except DataError as error:
        raise ArgumentError(f"X: {error}") from error


def labelled(
    dataset: ImageDataset, y: ArrayLike | None, sample_weight: ArrayLike | None, groups: ArrayLike | None
) -> tuple[ImageDataset, NDArray[Any]]:
    """The data set with the labels, weights and groups that `fit` was given, and the distinct labels, sorted.

    What is None is taken from the data set itself, where it has it. The class names of the data set are the labels as
    text.

    Raises
    ------
    ArgumentError
        When labels are missing, of one class only, or lengths do not fit.
    ValueError
        From scikit-learn's own checks of labels and weights.
    """
    if y is None and dataset.labels is not None:
        y = np.array(dataset.label_names())
    classes, codes = coded_target(y, len(dataset))
    weights = dataset.weights if sample_weight is None else _sample_weights(sample_weight, len(dataset))
    group_names, group_codes = dataset.group_names, dataset.groups
    if groups is not None:
        distinct, group_codes = _coded("groups", groups, len(dataset))
        group_names = tuple(map(str, distinct.tolist()))
    return (
        replace(
            dataset,
            labels=codes,
            classes=tuple(map(str, classes.tolist())),
            weights=weights,
            groups=group_codes,
            group_names=group_names,
            folds=None,
            ordered=False,
        ),
        classes,
    )


def in_order(
    dataset: ImageDataset, classes: NDArray[Any], requested: str | Sequence[Any]
) -> tuple[ImageDataset, NDArray[Any]]:
    """The data set and its distinct labels in the requested order of the classes, the lowest first.

    Parameters
    ----------
    dataset : ImageDataset
    classes : ndarray of shape (n_classes,)
        The labels that its classes stand for.
    requested : str or sequence
        See `headstart.data.labels.order.class_order`; of a sequence the labels themselves.

    Raises
    ------
    ArgumentError
        When it does not name each label once, or names that should say their order do not.
    """
    try:
        ordered = dataset.with_order(requested if isinstance(requested, str) else [str(label) for label in requested])
    except InputError as error:
        raise ArgumentError(str(error).replace("--ordinal", "ordinal")) from error
    return ordered, classes[[dataset.classes.index(name) for name in ordered.classes]]


def coded_target(y: ArrayLike | None, n_images: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct labels, sorted, and the place among them of every row's label.

    Raises
    ------
    ArgumentError, ValueError
        See `labelled`.
    """
    if y is None:
        raise ArgumentError(
            "TransferClassifier requires y to be passed, but the target y is None. Give one label for each image, or "
            "an ImageDataset that has labels."
        )
    column = column_or_1d(y, warn=True)
    classes, codes = _coded("y", column, n_images)
    check_classification_targets(column)
    if len(classes) < 2:
        raise ArgumentError(f"y holds one class ({classes[0]!r}) in {n_images:,} rows; a classifier needs two or more.")
    return classes, codes


def _sample_weights(sample_weight: ArrayLike, n_images: int) -> NDArray[np.float64]:
    try:
        return checked_weights(np.asarray(sample_weight, dtype=np.float64), n_images)
    except DataError as error:
        raise ArgumentError(f"sample_weight: {error}") from error


def _coded(name: str, values: ArrayLike, n_images: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    column = np.asarray(values)
    if column.shape != (n_images,):
        raise ArgumentError(f"{name} has shape {column.shape}, but X has {n_images:,} images; expected one for each.")
    _check_complete(name, column)
    try:
        distinct, codes = np.unique(column, return_inverse=True)
    except TypeError as error:
        raise ArgumentError(
            f"{name} mixes kinds that cannot be sorted ({error}). Make all text or all numbers."
        ) from error
    return distinct, codes.astype(np.int64)


def _check_complete(name: str, column: NDArray[Any]) -> None:
    missing = [row for row, value in enumerate(column.tolist()) if _is_missing(value)]
    if missing:
        raise ArgumentError(
            f"{name} is missing (None, NaN or infinite) in {plural(len(missing), 'row')}, counted from 0: "
            f"{first_few(map(str, missing))}. Fill them in or leave these images out."
        )


def _is_missing(value: object) -> bool:
    """Whether a value is no label: None, NaN, infinite, or a table's NA or NaT.

    >>> [_is_missing(value) for value in (None, float("nan"), float("inf"), "", 0, False)]
    [True, True, True, False, False, False]
    """
    if isinstance(value, float | np.floating):
        return not math.isfinite(value)
    return value is None or type(value).__name__ in {"NAType", "NaTType"}  # by name: pandas need not be there
