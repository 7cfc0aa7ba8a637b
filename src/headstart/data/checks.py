"""Checks of a data set: its names, weights and folds, and whether a classifier can be trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.labels.raters import Ratings
from headstart.errors import DataError, first_few, plural


def check_names(names: Sequence[str]) -> None:
    """Refuse a name that occurs twice."""
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    raise DataError(f"These images are listed more than once: {first_few(dict.fromkeys(twice))}. Names must be unique.")


def checked_weights(weights: NDArray[np.float64], n_images: int) -> NDArray[np.float64]:
    """Weights as given, if they are finite, >= 0 and not all 0."""
    if weights.shape != (n_images,):
        raise DataError(f"The weights have shape {weights.shape}; expected one for each of {n_images:,} images.")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise DataError(
            f"The weight of {plural(len(bad), 'image')} is negative, NaN or infinite (rows counted from 0: "
            f"{first_few(f'{row} is {weights[row]}' for row in bad.tolist())}). Weights are finite and at least 0."
        )
    if n_images and not weights.any():
        raise DataError("All weights are zero, so no image would count. Give some image a positive weight.")
    return weights


def checked_folds(folds: NDArray[Any], n_images: int) -> NDArray[np.int64]:
    """Folds as int64, if they are whole numbers from 0 up."""
    if folds.shape != (n_images,):
        raise DataError(f"The folds have shape {folds.shape}; expected one for each of {n_images:,} images.")
    if folds.dtype.kind not in "iu" or (n_images and folds.min() < 0):
        raise DataError("The folds must be whole numbers from 0 up, one for each image.")
    return folds.astype(np.int64)


def check_trainable(
    n_images: int,
    labels: NDArray[np.int64] | None,
    classes: Sequence[str],
    weights: NDArray[np.float64] | None,
    ratings: Ratings | None,
) -> None:
    """Refuse columns of a data set that has no images, no labels, or no two classes of two images that count.

    Raises
    ------
    DataError
    """
    if n_images == 0:
        raise DataError("The data set holds no images; nothing can be learned from it.")
    if labels is None:
        raise DataError(
            "The images have no labels; put them into class folders, name a label column, "
            "or give both: ImageDataset.from_images(images, labels)."
        )
    if len(classes) < 2:
        raise DataError(
            f"All {n_images:,} images are of one class ({first_few(map(repr, classes))}); training needs at "
            "least two. Add images of another class, or check the folder or label column."
        )
    counted = np.ones(n_images, dtype=np.bool_) if weights is None else weights > 0
    counts = np.bincount(labels[counted], minlength=len(classes))
    for code, (name, count) in enumerate(zip(classes, counts.tolist(), strict=True)):
        if count < 2:
            found = "no image" if count == 0 else "one image"
            weighted = "" if weights is None else " of positive weight"
            raise DataError(
                f"Class {name!r} has {found}{weighted}; training and testing need at least two. "
                f"Add images of this class, or remove it.{_single_votes(ratings, code)}"
            )


def _single_votes(ratings: Ratings | None, code: int) -> str:
    """Hint for a class that exists in the votes of some raters alone: misspelled, perhaps."""
    if ratings is None:
        return ""
    n_votes = (ratings.codes == code).sum(axis=0)
    voters = [f"{name!r} {n}" for name, n in zip(ratings.raters, n_votes.tolist(), strict=True) if n]
    return f" Raters' votes for it: {first_few(voters)}; is it misspelled?" if voters else ""
