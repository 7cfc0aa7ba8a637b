"""The split that data bring along: folders, or a column, of training, validation and test images."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.dataset import ImageDataset
from headstart.data.readers.table import SPLIT_PARTS
from headstart.data.split.automatic import AUTO, USUAL
from headstart.data.split.scheme import holdout_scheme
from headstart.data.split.split import OUTSIDE, TRAIN_ONLY, Split
from headstart.data.split.task import SplitTask
from headstart.errors import SplitError, first_few, plural

_TRAIN, _VALIDATION, _TEST = range(len(SPLIT_PARTS))
_DRAWN_SHARE: Final = 0.25
"""Share of the training part that chooses where the data bring no part for it, as in ``holdout:60/20/20``."""


def split_of_parts(dataset: ImageDataset, *, groups: ArrayLike | None, scheme: str, repeats: int, seed: int) -> Split:
    """One holdout by the parts that the data bring: the test part judges, the validation part chooses.

    Without a test part the validation part judges; without a part that chooses, a quarter of the training part is drawn
    for it, by class and group.

    Parameters
    ----------
    dataset : ImageDataset
        With labels and `ImageDataset.parts`.
    groups : array-like of shape (n_images,), optional
        Default: those of the data set.
    scheme, repeats, seed
        As for `headstart.data.split.make.make_split`; the first two as they are by default, since nothing is drawn.

    Raises
    ------
    SplitError
        When another scheme is asked for, a class is missing in a part, or a group lies in more than one.
    """
    if scheme not in (AUTO, USUAL) or repeats != 1:
        asked = f"--split {scheme}" if scheme not in (AUTO, USUAL) else f"--repeats {repeats}"
        raise SplitError(
            f"These data bring their split along, and {asked} asks for another. Leave it out, or put the images of all "
            "parts together with --split-folders pool."
        )
    task = SplitTask.of(
        np.asarray(dataset.labels),
        groups=dataset.groups if groups is None else groups,
        weights=dataset.weights,
        strata=None,
        names=dataset.names,
        classes=dataset.classes,
    )
    parts = np.asarray(dataset.parts)[task.order]
    _check_classes(task, parts)
    _check_groups(task, parts)
    judges = parts == (_TEST if _TEST in parts else _VALIDATION)
    chooses = parts == _VALIDATION if _TEST in parts and _VALIDATION in parts else _drawn(task, parts, seed)
    outer = np.where(judges, 0, TRAIN_ONLY).astype(np.int16)
    full = np.where(chooses, 0, TRAIN_ONLY).astype(np.int16)
    return Split(
        scheme=holdout_scheme(chooses, judges),
        repeats=1,
        seed=seed,
        names=task.names,
        outer_codes=outer[None],
        inner_codes=np.where(judges, OUTSIDE, full).astype(np.int16)[None, None],
        full_codes=full,
        labels=task.label_names(),
        groups=task.groups if task.grouped else None,
        notes=("The images that judge are those that the data name for it, not drawn by headstart.",),
        own_folds=True,
    ).reordered(np.argsort(task.order))


def _drawn(task: SplitTask, parts: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Mask of the training images that choose, drawn by class and group."""
    train = np.flatnonzero(parts == _TRAIN)
    sequence = np.random.SeedSequence([seed, 1, 1])
    chooses = np.zeros(len(parts), dtype=np.bool_)
    chooses[train] = task.draw(train, (_DRAWN_SHARE, 1 - _DRAWN_SHARE), sequence, "inner") == 0
    return chooses


def _check_classes(task: SplitTask, parts: NDArray[np.int64]) -> None:
    counted = task.strata.kind < task.strata.n_needed
    for part in np.unique(parts).tolist():
        missing = np.setdiff1d(task.labels, task.labels[(parts == part) & counted])
        if len(missing):
            raise SplitError(
                f"Class {task.classes[missing[0]]!r} has no image in the {SPLIT_PARTS[part]} part that can be used. "
                "Add some, or put the images of all parts together with --split-folders pool."
            )


def _check_groups(task: SplitTask, parts: NDArray[np.int64]) -> None:
    torn = task.torn_groups(parts)
    if not len(torn):
        return
    pairs = [_pair(task, parts, group) for group in torn[:5].tolist()]
    raise SplitError(
        f"{plural(len(torn), 'group (or set of copies) lies', 'groups (or sets of copies) lie')} in more than one "
        f"part of the split that the data bring, such as {first_few(pairs)}: a model would be judged on what it has "
        "learned. Remove the copies, or put the images of all parts together with --split-folders pool; folds that are "
        "drawn keep groups whole."
    )


def _pair(task: SplitTask, parts: NDArray[np.int64], group: int) -> str:
    """Two images of a group that lie in different parts."""
    rows = np.flatnonzero(task.groups == group)
    other = rows[parts[rows] != parts[rows[0]]][0]
    return f"{task.names[rows[0]]} and {task.names[other]}"
