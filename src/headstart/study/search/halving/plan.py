"""The plan of a successive halving, what a rung asks for, and what is left at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import InputError, plural
from headstart.heads import HeadSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class HalvingPlan:
    """Plan of a successive halving: what share of the candidates each rung lets pass, and what it sees.

    Attributes
    ----------
    keep : float in (0, 1)
        Share of the trajectories of each kind that every rung lets pass.
    folds : tuple of int
        Inner folds that have been seen after each rung but the last, never falling. The last rung sees all.
        ``(1, 1)``: briefly on one fold, then to the end on it, then everywhere.
    epochs : int or None
        Epochs of the first rung, for heads that have any. None: the fewest that the trajectory is asked for.
    least : int
        Trajectories of a kind that are always let pass.

    Raises
    ------
    InputError
        When a value is out of its range.

    References
    ----------
    K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016.
    """

    keep: float = 1 / 3
    folds: tuple[int, ...] = (1, 1)
    epochs: int | None = None
    least: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.keep < 1:
            raise InputError(f"keep is {self.keep:g}; expected a share between 0 and 1, 0.33 say.")
        if not self.folds or min(self.folds) < 1 or list(self.folds) != sorted(self.folds):
            raise InputError(f"folds are {list(self.folds)}; expected inner folds seen after each rung, as in [1, 1].")
        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"epochs is {self.epochs}; expected a whole number > 0.")
        if self.least < 1:
            raise InputError(f"least is {self.least}; expected a whole number > 0.")

    def check_folds(self, n_folds: int) -> None:
        """Refuse to see more inner folds than there are.

        Raises
        ------
        InputError
        """
        if max(self.folds) > n_folds:
            raise InputError(
                f"Halving sees folds {list(self.folds)}, but the split has {plural(n_folds, 'inner fold')}. Name "
                "fewer, or a split with more: --split nested:5x4."
            )


@dataclass(frozen=True)
class Request:
    """Candidates that a rung asks to be scored, and how far.

    Attributes
    ----------
    candidates : tuple of int
        Numbers of the candidates; those of one trajectory differ in epochs alone and can be snapshots of one fit.
    folds : tuple of int
        Numbers of the inner folds.
    epochs : int or None
        Train no further than this, whatever a candidate's own epochs. None: to its own.
    """

    candidates: tuple[int, ...]
    folds: tuple[int, ...]
    epochs: int | None = None


def shortened(head: HeadSpec, epochs: int | None) -> HeadSpec:
    """The head trained no further than so many epochs; as it is where it asks for no more, or has none."""
    if epochs is None or head.settings.get("epochs", 0) <= epochs:  # type: ignore[operator]
        return head
    return HeadSpec(head.kind, {**head.settings, "epochs": epochs})


Runner = Callable[[Request], "NDArray[np.float64]"]
"""Scores of shape (candidates, folds) for a request, on the inner validation rows; nan for a fit that failed."""


@dataclass(frozen=True)
class Dropped:
    """A trajectory that went no further: its candidates, the rung that judged it last, its mean score there."""

    candidates: tuple[int, ...]
    rung: int
    score: float


@dataclass(frozen=True, eq=False)
class Halved:
    """Result of a successive halving.

    Attributes
    ----------
    kept : tuple of int
        Candidates scored on every inner fold to their own epochs, failures included.
    scores : ndarray of shape (n_candidates, n_folds)
        Scores at a candidate's own epochs; nan where it was not scored or failed.
    rung : ndarray of shape (n_candidates,), int64
        Last rung that judged the candidate, from 0.
    failed : ndarray of shape (n_candidates,), bool
        Gave no finite score in some fold it was asked for.
    dropped : tuple of Dropped
        Trajectories that went no further, in the order of dropping.
    fits, epochs : (int, int)
        Trajectories fitted on one fold each, and their epochs in all: with halving, and without it.
    """

    kept: tuple[int, ...]
    scores: NDArray[np.float64]
    rung: NDArray[np.int64]
    failed: NDArray[np.bool_]
    dropped: tuple[Dropped, ...]
    fits: tuple[int, int]
    epochs: tuple[int, int]

    @property
    def summary(self) -> str:
        """One sentence on what was saved."""
        counts = np.bincount(self.rung)
        reached = ", ".join(f"{count:,} ended at rung {rung + 1}" for rung, count in enumerate(counts) if count)
        with_epochs = f", {self.epochs[0]:,} of {self.epochs[1]:,} epochs" if self.epochs[1] else ""
        return (
            f"Successive halving: {self.fits[0]:,} of {self.fits[1]:,} fits{with_epochs}; "
            f"of {len(self.rung):,} candidates {reached}."
        )
