"""What a classifier can be trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.data.categorical import some
from headstart.data.labels.raters import Ratings
from headstart.errors import DataError


def check_trainable(
    n_images: int,
    labels: NDArray[np.int64] | None,
    classes: Sequence[str],
    weights: NDArray[np.float64] | None,
    ratings: Ratings | None,
) -> None:
    """Refuse a data set without images, labels, or two classes of two images that count; columns of `ImageDataset`.

    Raises
    ------
    DataError
    """
    if n_images == 0:
        raise DataError("The data set holds no images; nothing can be learned from it.")
    if labels is None:
        raise DataError("The images have no labels; put them into class folders or name a label column.")
    if len(classes) < 2:
        raise DataError(
            f"All {n_images:,} images are of one class ({some(map(repr, classes))}); training needs at "
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
    """A hint where a class exists in the votes of some raters alone: misspelled, perhaps."""
    if ratings is None:
        return ""
    n_votes = (ratings.codes == code).sum(axis=0)
    voters = [f"{name!r} {n}" for name, n in zip(ratings.raters, n_votes.tolist(), strict=True) if n]
    return f" Raters' votes for it: {some(voters)}; is it misspelled?" if voters else ""
