"""Arguments of scikit-learn as a data set: images, labels, weights and groups."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from headstart.data.checks import checked_weights
from headstart.data.dataset import ImageDataset
from headstart.errors import ArgumentError, DataError, InputError, first_few

Images = ImageDataset | Sequence[str | os.PathLike[str]] | NDArray[Any]

_EXPECTED = (
    "Expected a list of paths, an ImageDataset, or images as uint8 or uint16 in an array of shape "
    "(n_images, height, width) or (n_images, height, width, channels) with 1 to 4 channels"
)
_REMEDIES = {
    "b": "masks become images by array.astype('uint8') * 255",
    "f": "images scaled to 0..1 become uint8 by (array * 255).round().astype('uint8'), or go in as they are by "
    "ImageDataset.from_arrays(array, scale=(0, 1))",
    "i": "whole numbers from 0 to 255 become uint8 by array.astype('uint8')",
    "u": "whole numbers from 0 to 255 become uint8 by array.astype('uint8')",
}


def image_dataset(images: Images) -> ImageDataset:
    """The images as a data set; pixels are not read yet.

    Parameters
    ----------
    images : ImageDataset, array-like of paths, or ndarray of shape (n_images, height, width[, channels])
        Paths are text or path objects, in a list, an array, a table's column or a table of one column; the same path
        may occur more than once, as in a bootstrap sample. Arrays are uint8 or uint16.

    Raises
    ------
    ArgumentError
        When they are none of these, or there are none.
    """
    given = images if isinstance(images, ImageDataset) else _as_array(images)
    if len(given) == 0:
        raise ArgumentError(f"X holds no images (0 samples). {_EXPECTED}, with at least one image.")
    if isinstance(given, ImageDataset):
        return given
    return _from_paths(given) if given.dtype.kind in "OU" else _from_pixels(given)


def _as_array(images: Any) -> NDArray[Any]:
    if issparse(images):
        raise ArgumentError(f"Sparse data not supported: X is a {type(images).__name__}. {_EXPECTED}.")
    try:
        array = np.asarray(images)
    except ValueError as error:
        raise ArgumentError(
            f"X cannot be made one array ({error}). {_EXPECTED}; images of different sizes go in as paths."
        ) from error
    if array.ndim == 0:
        raise ArgumentError(
            f"X is a single {type(images).__name__}. {_EXPECTED}; a folder goes in as ImageDataset.from_folder(path)."
        )
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "OU" else array


def _from_paths(array: NDArray[Any]) -> ImageDataset:
    """Data set with one row per path; rows of one path share its name."""
    if array.ndim != 1:
        raise ArgumentError(
            f"X is a table of shape {array.shape}. {_EXPECTED}; choose the column that holds the paths."
        )
    names = [_path_name(row, value) for row, value in enumerate(array.tolist())]
    place = {name: row for row, name in enumerate(dict.fromkeys(names))}
    return ImageDataset.from_files(list(place)).subset([place[name] for name in names])


def _path_name(row: int, value: Any) -> str:
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str) or not os.fspath(value):
        raise ArgumentError(f"Row {row} of X is {value!r:.80}, which is no path. {_EXPECTED}.")
    return Path(value).as_posix()


def _from_pixels(array: NDArray[Any]) -> ImageDataset:
    has_type = array.dtype in (np.uint8, np.uint16)
    has_shape = array.ndim in (3, 4) and 0 not in array.shape and (array.ndim == 3 or array.shape[3] <= 4)
    if has_type and has_shape:
        return ImageDataset.from_arrays(array)
    complex_data = "Complex data not supported: " if array.dtype.kind == "c" else ""
    infinite = ", and holds NaN or infinity" if array.dtype.kind == "f" and not np.isfinite(array).all() else ""
    remedy = f"; {_REMEDIES[array.dtype.kind]}" if has_shape and array.dtype.kind in _REMEDIES else ""
    raise ArgumentError(
        f"{complex_data}X is an array of shape {array.shape} and type {array.dtype}{infinite}. {_EXPECTED}{remedy}."
    )


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
            f"{name} is missing (None, NaN or infinite) in {len(missing):,} rows, counted from 0: "
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
