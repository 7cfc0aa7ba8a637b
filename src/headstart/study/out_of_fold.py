"""Out-of-fold predictions of a study, gathered from its outer folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from headstart.metrics import OutOfFold
from headstart.study.data import StudyData
from headstart.study.fold_result import FoldResult

HEADLINE = "balanced_accuracy"
"""Score of the headline."""


def gather(
    data: StudyData,
    folds: Sequence[FoldResult],
    classes: tuple[str, ...],
    positive: int | None,
    n_repeats: int,
    *,
    kind: Literal["probabilities", "raw", "frozen", "frozen_raw", "alone"] = "probabilities",
) -> OutOfFold:
    """Out-of-fold predictions of every repeat, ready to be judged.

    Parameters
    ----------
    data : StudyData
    folds : sequence of FoldResult
        Every outer fold of every repeat.
    classes : tuple of str
    positive : int or None
        Code of the positive class of a two-class task.
    n_repeats : int
    kind : str
        Which probabilities of `FoldResult`.
    """
    n_images = len(data.labels)
    probabilities = np.full((n_repeats, n_images, data.n_classes), 1.0 / data.n_classes)
    fold = np.full((n_repeats, n_images), -1, dtype=np.int64)
    for result in folds:
        outer = result.outer
        probabilities[outer.repeat, outer.test] = getattr(result, kind)
        fold[outer.repeat, outer.test] = outer.fold
    return OutOfFold(
        labels=data.labels,
        probabilities=probabilities,
        fold=fold,
        classes=classes,
        positive=positive,
        weights=data.weights,
        groups=data.groups,
        ordered=data.ordered,
    )
