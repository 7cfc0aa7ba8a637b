"""The codes of a split's folds, and the checks that no row can stand on both sides."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

OUTSIDE: Final = -1  # in the inner codes: a test image of this outer fold
TRAIN_ONLY: Final = -2  # never tested (outer codes), or never used for choosing (inner and full codes)

Codes = NDArray[np.int16]


def check_codes(outer: Codes, inner: Codes, full: Codes) -> None:
    """Refuse fold codes that would let a judged image train or choose, or leave a part of a fold empty.

    Parameters
    ----------
    outer : ndarray of shape (repeats, n_images), int16
    inner : ndarray of shape (repeats, n_outer, n_images), int16
    full : ndarray of shape (n_images,), int16
        As the attributes of `headstart.data.split.split.Split`.

    Raises
    ------
    ValueError
        Naming the first repeat and fold, counted from 0, that breaks the contract.
    """
    n_outer, n_inner = inner.shape[1], int(full.max()) + 1
    if min(outer.min(), inner.min(), full.min()) < TRAIN_ONLY or OUTSIDE in outer or OUTSIDE in full:
        raise ValueError(f"a code is none: {OUTSIDE} stands in 'inner' alone, and nothing is below {TRAIN_ONLY}")
    _check_parts(full, n_inner, "the inner folds over all images")
    for repeat in range(len(outer)):
        _check_parts(outer[repeat], n_outer, f"the outer folds of repeat {repeat}")
        for fold in range(n_outer):
            where = f"outer fold {fold} of repeat {repeat}"
            if not np.array_equal(inner[repeat, fold] == OUTSIDE, outer[repeat] == fold):
                raise ValueError(f"test images of {where} train or choose in it, or training images of it do neither")
            _check_parts(inner[repeat, fold], n_inner, f"the inner folds of {where}")


def _check_parts(codes: Codes, n_folds: int, where: str) -> None:
    """Every fold from 0 to `n_folds` - 1 must hold an image, and leave one to train on; none may be beyond."""
    inside = codes[codes != OUTSIDE]
    counts = np.bincount(inside[inside >= 0], minlength=max(n_folds, 1))
    if len(counts) > n_folds or not np.all((counts > 0) & (counts < len(inside))):
        raise ValueError(f"{where} are not {n_folds} folds that each hold an image and leave one to train on")
