"""Outer folds that the user brings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.categorical import some
from headstart.data.split.scheme import Scheme
from headstart.data.split.splittask import SplitTask, code_values
from headstart.data.split.stratify import is_covered
from headstart.errors import SplitError


def given_folds(task: SplitTask, folds: ArrayLike, plan: Scheme, repeats: int) -> NDArray[np.int64]:
    """The user's outer folds, numbered from 0, in the task's order.

    Raises
    ------
    SplitError
        When they tear a group apart, leave a class without training images, or cannot go with the scheme.
    """
    given = np.asarray(folds)
    if given.shape != task.order.shape:
        raise SplitError(f"There are {given.size:,} folds for {len(task.order):,} images.")
    if plan.parts is not None or repeats != 1:
        raise SplitError("The data bring their own folds; use a nested scheme, not repeated, or drop the fold column.")
    numbered = code_values(given)[task.order]
    if numbered.max() < 1:
        raise SplitError("The fold column holds a single fold; at least two are needed.")
    _check_whole_groups(task, numbered)
    for fold in range(int(numbered.max()) + 1):
        missing = np.setdiff1d(task.labels, task.labels[(numbered != fold) & (task.strata.kind < task.strata.n_needed)])
        if len(missing):
            raise SplitError(
                f"Class {task.classes[missing[0]]!r} lies in one fold of the fold column alone, so nothing of it is "
                "left to train on when that fold is tested. Spread it over the folds."
            )
    return numbered


def _check_whole_groups(task: SplitTask, folds: NDArray[np.int64]) -> None:
    low = np.full(int(task.groups.max()) + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), -1)
    np.minimum.at(low, task.groups, folds)
    np.maximum.at(high, task.groups, folds)
    torn = np.flatnonzero(low != high)
    if len(torn):
        members = [task.names[np.flatnonzero(task.groups == group)[0]] for group in torn[:5].tolist()]
        raise SplitError(
            f"The fold column tears {len(torn):,} groups (or sets of duplicates) apart, such as those of "
            f"{some(members)}. Give all images of a group one fold, or drop the fold column."
        )


def fold_notes(task: SplitTask, given: NDArray[np.int64]) -> Iterator[str]:
    """What the user should know about folds of their own."""
    yield f"The outer folds are the {int(given.max()) + 1} of the fold column."
    if not is_covered(task.strata, given, int(given.max()) + 1):
        yield "Some of these folds lack a class, so per-fold scores of that class do not exist there."
