"""Balancing methods by name, and notes on classes that are too small for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError, plural, unknown_name

METHODS: Final = ("none", "weights", "oversample", "undersample", "smote", "borderline-smote", "views", "smote-windows")
"""Methods with a name of their own; `SAMPLERS` are requested by their class name in imbalanced-learn."""
SMOTE_WINDOWS: Final = "smote-windows"
"""SMOTE on the numbers that pictures are drawn from, windows of recordings, before they are drawn."""
SAMPLERS: Final = {
    "over_sampling": ("ADASYN", "KMeansSMOTE", "SVMSMOTE"),
    "under_sampling": (
        "AllKNN",
        "ClusterCentroids",
        "CondensedNearestNeighbour",
        "EditedNearestNeighbours",
        "InstanceHardnessThreshold",
        "NearMiss",
        "NeighbourhoodCleaningRule",
        "OneSidedSelection",
        "RepeatedEditedNearestNeighbours",
        "TomekLinks",
    ),
    "combine": ("SMOTEENN", "SMOTETomek"),
}
NEIGHBOURS: Final = 5
"""Number of neighbours of the same class that SMOTE draws lines to, as in Chawla et al. 2002 (DOI 10.1613/jair.953)."""
_SMOTE: Final = ("smote", "borderline-smote", SMOTE_WINDOWS)


def sampler_module(method: str) -> str | None:
    """Module of imbalanced-learn that holds a sampler of this class name; None where it holds none."""
    return next((module for module, names in SAMPLERS.items() if method in names), None)


def check_method(method: str) -> None:
    """Refuse a method that is unknown.

    Raises
    ------
    InputError
    """
    if method not in METHODS and sampler_module(method) is None:
        known = (*METHODS, *(name for names in SAMPLERS.values() for name in names))
        raise InputError(unknown_name("balancing method", method, known))


def neighbours_of(n_rows: int) -> int:
    """Number of neighbours that SMOTE uses in a class of so many rows: 5, or all others where there are fewer."""
    return min(NEIGHBOURS, n_rows - 1)


def balance_notes(methods: Sequence[str], counts: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """Notes on classes that are too small for the methods.

    Parameters
    ----------
    methods : sequence of str
    counts : ndarray of shape (n_folds, n_classes), int64
        Number of rows of every class in every training fold.
    classes : sequence of str

    Examples
    --------
    >>> balance_notes(["smote"], np.array([[40, 1]]), ["a", "b"])[0].split(":")[0]
    'smote'
    """
    notes = []
    for method in dict.fromkeys(methods):
        if method not in _SMOTE:
            continue
        for name, column in zip(classes, np.asarray(counts).T, strict=True):
            least = int(column.min())
            where = f"{method}: class {name!r} has only {plural(least, 'row')} in the smallest"
            if least == 0:
                notes.append(f"{method}: class {name!r} is missing from a training fold, where nothing is made for it.")
            elif least == 1:
                notes.append(
                    f"{where} training fold: no line can be drawn from one row, so it is repeated there instead."
                )
            elif least <= NEIGHBOURS:
                few = "1 neighbour" if least == 2 else f"{least - 1} neighbours"
                notes.append(f"{where} training fold, so lines are drawn to {few} there instead of {NEIGHBOURS}.")
    return notes
