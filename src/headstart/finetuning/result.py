"""Result of a fine-tuning, and how it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from headstart.finetuning.network import head_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.heads import FittedHead

Arrays = Mapping[str, "NDArray[Any]"]


class Store(Protocol):
    """Store of unfinished work: whole arrays under a key, or nothing."""

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Arrays kept under a key; None when there are none."""
        ...

    def put(self, key: str, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under a key."""
        ...


@dataclass(frozen=True, eq=False)
class History:
    """How a training ran, epoch by epoch; the first entry is the state before it.

    Attributes
    ----------
    train_loss : ndarray of shape (n_epochs + 1,), float64
        Mean over the steps of an epoch of what was minimised (with smoothing, mixing and views); the first: of the
        first step.
    valid_loss : ndarray of shape (n_epochs + 1,), float64
        Log loss of the validation images by the weights that would be kept; nan where there are none.
    rate : ndarray of shape (n_epochs + 1,), float64
        Learning rate of the last stage after the epoch.
    """

    train_loss: NDArray[np.float64]
    valid_loss: NDArray[np.float64]
    rate: NDArray[np.float64]

    @property
    def n_epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.train_loss) - 1

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss, 0 for the start; the last one without validation."""
        return int(np.nanargmin(self.valid_loss)) if np.isfinite(self.valid_loss).any() else self.n_epochs

    def to_json(self) -> dict[str, list[float | None]]:
        """The three columns as plain numbers."""
        return {
            name: [float(value) if np.isfinite(value) else None for value in getattr(self, name)]
            for name in ("train_loss", "valid_loss", "rate")
        }


@dataclass(frozen=True, eq=False)
class FineTuned:
    """Unlocked stages and head after training.

    Attributes
    ----------
    arrays : dict of str to ndarray, float32
        Tensors that training changed, by name; empty when it failed.
    head : FittedHead
        The linear head; when training failed the one it started from.
    history : History
    learning_rate : float
        The peak rate used: lower than asked for where training diverged once.
    failed : bool
        Training diverged twice.
    """

    arrays: dict[str, NDArray[np.float32]]
    head: FittedHead
    history: History
    learning_rate: float
    failed: bool = False

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights these are."""
        return self.history.best_epoch

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it but the head it started from, as a store keeps it."""
        history = {f"history.{name}": getattr(self.history, name) for name in ("train_loss", "valid_loss", "rate")}
        facts = np.array([self.learning_rate, float(self.failed)])
        return {**{f"tuned.{name}": array for name, array in self.arrays.items()}, **history, "facts": facts}

    @classmethod
    def from_arrays(cls, arrays: Arrays, start: FittedHead) -> FineTuned:
        """The result that `to_arrays` stored; `start` is the head that the training began with."""
        tuned = {name.removeprefix("tuned."): array for name, array in arrays.items() if name.startswith("tuned.")}
        history = History(*(arrays[f"history.{name}"] for name in ("train_loss", "valid_loss", "rate")))
        rate, failed = arrays["facts"].tolist()
        head = head_of(start, tuned) if tuned else start
        return cls(tuned, head, history, rate, failed=bool(failed))
