"""Making a split: repeated, stratified and grouped, nested or with one holdout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.dataset import ImageDataset
from headstart.data.split.checks import check_class_sizes
from headstart.data.split.file import read_split, write_split
from headstart.data.split.foldcodes import OUTSIDE, TRAIN_ONLY
from headstart.data.split.ownfolds import fold_notes, given_folds
from headstart.data.split.scheme import Scheme, parse_scheme
from headstart.data.split.split import Split
from headstart.data.split.splittask import SplitTask
from headstart.errors import SplitError

__all__ = ["Split", "make_split", "read_split", "split_dataset", "write_split"]


def split_dataset(
    dataset: ImageDataset,
    *,
    scheme: str = "nested:5x4",
    repeats: int = 1,
    seed: int = 0,
    groups: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> Split:
    """Split of a data set, with its own groups (or those given: twins joined, say), folds and weights.

    Parameters and errors are those of `make_split`.
    """
    if dataset.labels is None:
        raise SplitError("The images have no labels, so they cannot be split by class.")
    return make_split(
        dataset.labels,
        groups=dataset.groups if groups is None else groups,
        folds=dataset.folds,
        weights=dataset.weights,
        strata=strata,
        scheme=scheme,
        repeats=repeats,
        seed=seed,
        names=dataset.names,
        classes=dataset.classes,
    )


def make_split(
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    scheme: str = "nested:5x4",
    repeats: int = 1,
    seed: int = 0,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> Split:
    """Repeated, stratified, grouped split into outer folds that judge and inner folds that choose.

    Parameters
    ----------
    labels : array-like of shape (n_images,), int
        Class codes.
    groups : array-like of shape (n_images,), optional
        Images of one group never stand on both sides.
    folds : array-like of shape (n_images,), int, optional
        The user's own outer folds; inner folds are still drawn. Needs ``repeats=1`` and a nested scheme.
    weights : array-like of shape (n_images,), optional
        Images of weight 0 are spread like others, but no class is counted as present through them.
    strata : array-like of shape (n_images,), optional
        Something else to spread evenly within each class: a site, a grade of certainty.
    scheme : str
        ``"nested:OUTERxINNER"`` folds, or ``"holdout:TRAIN/VALIDATION/TEST"`` in percent, where the test part is the
        only outer fold and the validation part the only inner one.
    repeats : int
        Draw the outer folds so many times.
    seed : int >= 0
    names : sequence of str, optional
        Image names; with them the split does not depend on the order of the rows.
    classes : sequence of str, optional
        Class names, for messages.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When the scheme is none, a class has too few images or groups (the message says what would work), the
        user's folds tear a group apart or leave a class without training images, or sizes differ.
    """
    task = SplitTask.of(labels, groups=groups, weights=weights, strata=strata, names=names, classes=classes)
    plan = parse_scheme(scheme)
    if repeats < 1 or seed < 0:
        raise SplitError(f"repeats is {repeats} and seed {seed}; expected at least 1 and at least 0.")
    given = None if folds is None else given_folds(task, folds, plan, repeats)
    plan = plan if given is None else Scheme(int(given.max()) + 1, plan.n_inner, None)
    check_class_sizes(task.class_units(), plan, grouped=task.grouped, free=given is None)
    outer, inner = _draw_all(task, plan, given, repeats, seed)
    full = task.draw(np.arange(len(task.names)), plan.inner_fractions, np.random.SeedSequence([seed, 0, 0]), "inner")
    full = _single(full, plan, tested=0)
    return Split(
        scheme=scheme if given is None else f"nested:{plan.n_outer}x{plan.n_inner}",
        repeats=repeats,
        seed=seed,
        names=task.names,
        outer_codes=outer,
        inner_codes=inner,
        full_codes=full.astype(np.int16),
        labels=task.label_names(),
        groups=None if not task.grouped else task.groups,
        notes=() if given is None else tuple(fold_notes(task, given)),
        own_folds=given is not None,
    ).reordered(np.argsort(task.order))


def _draw_all(
    task: SplitTask, plan: Scheme, given: NDArray[np.int64] | None, repeats: int, seed: int
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    n_images = len(task.names)
    outer = np.full((repeats, n_images), TRAIN_ONLY, dtype=np.int16)
    inner = np.full((repeats, plan.n_outer, n_images), OUTSIDE, dtype=np.int16)
    every = np.arange(n_images)
    for repeat in range(repeats):
        sequence = np.random.SeedSequence([seed, repeat + 1, 0])
        drawn = task.draw(every, plan.outer_fractions, sequence, "outer") if given is None else given
        outer[repeat] = _single(drawn, plan, tested=len(plan.outer_fractions) - 1)
        for fold in range(plan.n_outer):
            train = np.flatnonzero(outer[repeat] != fold)
            if plan.parts is not None:
                inner[repeat, fold, train] = np.where(drawn[train] == 1, 0, TRAIN_ONLY)
                continue
            sequence = np.random.SeedSequence([seed, repeat + 1, fold + 1])
            inner[repeat, fold, train] = task.draw(train, plan.inner_fractions, sequence, "inner")
    return outer, inner


def _single(drawn: NDArray[np.int64], plan: Scheme, *, tested: int) -> NDArray[np.int64]:
    """For a holdout: fold 0 for the part that is tested, and train-only for the rest."""
    return drawn if plan.parts is None else np.where(drawn == tested, 0, TRAIN_ONLY)
