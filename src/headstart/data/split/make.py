"""Makers of a split: repeated, stratified and grouped, nested or with one holdout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.dataset import ImageDataset
from headstart.data.split.automatic import AUTO, USUAL, automatic_scheme
from headstart.data.split.checks import check_class_sizes
from headstart.data.split.given_parts import split_of_parts
from headstart.data.split.scheme import Scheme, parse_scheme
from headstart.data.split.split import OUTSIDE, TRAIN_ONLY, Split
from headstart.data.split.stratify import is_covered
from headstart.data.split.task import SplitTask, codes_of
from headstart.errors import SplitError, first_few, plural


def split_dataset(
    dataset: ImageDataset,
    *,
    scheme: str = "nested:5x4",
    repeats: int = 1,
    seed: int = 0,
    groups: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> Split:
    """Split of a data set, with its own groups (or those given: near-duplicates joined, say), folds and weights.

    Where the data bring parts of a split (folders ``train`` and ``test``), these are taken. Parameters and errors are
    those of `make_split`.
    """
    if dataset.labels is None:
        raise SplitError("The images have no labels, so they cannot be split by class.")
    if dataset.parts is not None:
        return split_of_parts(dataset, groups=groups, scheme=scheme, repeats=repeats, seed=seed)
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
        ``"nested:OUTERxINNER"`` folds, of which a single inner one is a quarter of the training images, or
        ``"holdout:TRAIN/VALIDATION/TEST"`` in percent, where the test part is the only outer fold and the validation
        part the only inner one. ``"nested:2of5x4"`` draws five outer folds and judges by the first two, so that the
        others train only. ``"auto"`` takes one of these by the size of the data
        (`headstart.data.split.automatic`).
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
    rule = ""
    if scheme == AUTO:
        scheme, rule = (USUAL, "") if folds is not None else automatic_scheme(task, repeats=repeats)
    plan = parse_scheme(scheme)
    if repeats < 1 or seed < 0:
        raise SplitError(f"repeats is {repeats} and seed {seed}; expected at least 1 and at least 0.")
    given = None if folds is None else given_folds(task, folds, plan, repeats)
    plan = plan if given is None else Scheme(int(given.max()) + 1, plan.n_inner, None)
    check_class_sizes(task.class_units(), plan, grouped=task.grouped, free=given is None)
    outer, inner = _draw_all(task, plan, given, repeats, seed)
    full = task.draw(np.arange(len(task.names)), plan.inner_fractions, np.random.SeedSequence([seed, 0, 0]), "inner")
    full = _single(full, tested=0) if plan.has_inner_holdout else full
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
        rule=rule,
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
        if plan.parts is None:
            outer[repeat] = np.where(drawn < plan.n_outer, drawn, TRAIN_ONLY)
        else:
            outer[repeat] = _single(drawn, tested=len(plan.outer_fractions) - 1)
        for fold in range(plan.n_outer):
            train = np.flatnonzero(outer[repeat] != fold)
            if plan.parts is not None:
                inner[repeat, fold, train] = np.where(drawn[train] == 1, 0, TRAIN_ONLY)
                continue
            sequence = np.random.SeedSequence([seed, repeat + 1, fold + 1])
            chosen = task.draw(train, plan.inner_fractions, sequence, "inner")
            inner[repeat, fold, train] = _single(chosen, tested=0) if plan.has_inner_holdout else chosen
    return outer, inner


def _single(drawn: NDArray[np.int64], *, tested: int) -> NDArray[np.int64]:
    """Fold 0 for the part of a holdout that is tested, and train-only for the rest."""
    return np.where(drawn == tested, 0, TRAIN_ONLY)


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
    if plan.n_drawn:
        raise SplitError(
            f"The data bring their own folds, and all of them judge. Write nested:{plan.n_drawn}x{plan.n_inner}, or "
            "drop the fold column."
        )
    numbered = codes_of(given)[task.order]
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
    torn = task.torn_groups(folds)
    if len(torn):
        members = [task.members(group)[0] for group in torn[:5].tolist()]
        raise SplitError(
            f"The fold column tears {plural(len(torn), 'group (or set', 'groups (or sets')} of duplicates) apart, such "
            f"as those of {first_few(members)}. Give all images of a group one fold, or drop the fold column (of "
            "folders: --split-folders pool)."
        )


def fold_notes(task: SplitTask, given: NDArray[np.int64]) -> Iterator[str]:
    """Notes for a user who brought their own folds."""
    yield f"The outer folds are the {int(given.max()) + 1} of the fold column."
    if not is_covered(task.strata, given, int(given.max()) + 1):
        yield "Some of these folds lack a class, so per-fold scores of that class do not exist there."
