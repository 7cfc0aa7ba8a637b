"""Checks that every class has enough images that count for a split, and what would work where it has not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from headstart.data.split.scheme import Scheme
from headstart.data.split.split import Split
from headstart.errors import SplitError, plural


def check_class_sizes(classes: Mapping[str, tuple[int, int]], scheme: Scheme, *, grouped: bool, free: bool) -> None:
    """Refuse a scheme that a class is too small for.

    Parameters
    ----------
    classes : mapping of class name to (n_images, n_groups)
        Without groups the two numbers are equal.
    scheme : Scheme
    grouped : bool
        Whether to speak of groups.
    free : bool
        Whether headstart draws the outer folds; with the user's own only the inner ones are checked here.

    Raises
    ------
    SplitError
        Naming the smallest such class and what would work.
    """
    if len(classes) < 2:
        raise SplitError(f"All images are of one class ({', '.join(map(repr, classes))}); a split needs at least two.")
    name, (n_images, n_groups) = min(classes.items(), key=lambda item: item[1][1])
    needed = n_needed(scheme) if free else _n_inner_parts(scheme)
    if n_groups >= needed:
        return
    has = f"{plural(n_images, 'image')} in {plural(n_groups, 'group')}" if grouped else plural(n_images, "image")
    unit = "group" if grouped else "image"
    raise SplitError(
        f"Class {name!r} has {has} but {_requested(scheme)} need at least {needed}{' groups' if grouped else ''}. "
        f"{_remedy(n_groups, scheme, needed - n_groups, unit)}"
    )


def check_fold_weights(split: Split, weights: NDArray[np.float64] | None, *, source: str) -> None:
    """Refuse a split with a training part whose images all have weight 0: nothing would be learned there.

    Parameters
    ----------
    split : Split
    weights : ndarray of shape (n_images,), float64, or None
    source : str
        Name of the split in the message: its file, say.

    Raises
    ------
    SplitError
        Naming the fold and the remedy.
    """
    if weights is None:
        return
    for where, rows in _training_parts(split):
        if len(rows) and not weights[rows].any():
            raise SplitError(
                f"{source}: all {len(rows):,} images that train in {where} have weight 0, such as "
                f"{split.names[rows[0]]}, so nothing can be learned there. Give some of them a positive weight, or "
                "make other folds."
            )


def _training_parts(split: Split) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Name and training rows of every outer and inner fold."""
    for repeat in range(split.repeats):
        for fold, train, _ in split.outer(repeat):
            outer = f"outer fold {fold + 1}" + (f" of repeat {repeat + 1}" if split.repeats > 1 else "")
            yield outer, train
            for number, (inner, _) in enumerate(split.inner(repeat, fold)):
                yield f"inner fold {number + 1} of {outer}", inner
    for number, (inner, _) in enumerate(split.full_inner()):
        yield f"inner fold {number + 1} over all images", inner


def n_needed(scheme: Scheme) -> int:
    """Fewest images (or groups) of a class with which every fold can have one.

    >>> n_needed(Scheme(5, 4, None)), n_needed(Scheme(3, 4, None))
    (5, 6)
    >>> n_needed(Scheme(2, 1, None))
    4
    """
    if scheme.parts is not None:
        return 3
    n = scheme.n_folds
    while n - -(-n // scheme.n_folds) < _n_inner_parts(scheme):
        n += 1
    return n


def _n_inner_parts(scheme: Scheme) -> int:
    """Parts that the training images fall into: inner folds, or what chooses and what is trained on."""
    return max(scheme.n_inner, 2)


def _requested(scheme: Scheme) -> str:
    if scheme.parts is not None:
        return "training, validation and test part"
    inner = "an inner holdout" if scheme.has_inner_holdout else f"{scheme.n_inner} inner folds"
    return f"{scheme.n_folds} folds with {inner}"


def _remedy(n_groups: int, scheme: Scheme, n_missing: int, unit: str) -> str:
    add = f"add {plural(n_missing, unit)}"
    smaller = None if scheme.parts is not None else _largest_that_works(n_groups, scheme)
    if smaller is None:
        return f"{add.capitalize()} or leave the class out."
    return f"Use --split nested:{smaller.n_outer}x{smaller.n_inner} or {add}."


def _largest_that_works(n_groups: int, scheme: Scheme) -> Scheme | None:
    """Closest scheme to the requested one that `n_groups` suffice for; 3 outer folds may do where 2 do not."""
    for n_outer in [*range(min(scheme.n_folds, n_groups), 1, -1), min(3, n_groups)]:
        for n_inner in range(min(scheme.n_inner, n_groups), min(scheme.n_inner - 1, 1), -1):
            if n_needed(Scheme(n_outer, n_inner, None)) <= n_groups:
                return Scheme(n_outer, n_inner, None)
    return None
