"""The outer folds of a study with their inner folds, as row numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data.split.split import Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

Inner = tuple[tuple["Integers", "Integers"], ...]
FINAL: Final = -1
"""Number of the fold that is the refit on all rows."""
HOLDOUT: Final = 0
"""Number of the inner fold that fine-tuning candidates are chosen on."""


@dataclass(frozen=True, eq=False)
class OuterFold:
    """One outer fold, or with ``fold == FINAL`` the refit on all rows.

    Attributes
    ----------
    repeat, fold : int
    train, test : ndarray of int64
        Row numbers; the refit has no test rows.
    inner : tuple of (train rows, validation rows)
    """

    repeat: int
    fold: int
    train: Integers
    test: Integers
    inner: Inner

    @property
    def key(self) -> str:
        """Name in the journal and of the saved head."""
        return "final" if self.fold == FINAL else f"repeat{self.repeat}-fold{self.fold}"


def outer_folds(split: Split) -> list[OuterFold]:
    """Every outer fold of a split, all repeats, in order."""
    return [
        OuterFold(repeat, fold, train, test, tuple(split.inner(repeat, fold)))
        for repeat in range(split.repeats)
        for fold, train, test in split.outer(repeat)
    ]


def final_fold(split: Split) -> OuterFold:
    """The refit on all rows: the inner folds that choose its candidate cover the whole data set."""
    everything = np.arange(len(split), dtype=np.int64)
    return OuterFold(0, FINAL, everything, everything[:0], tuple(split.full_inner()))
