"""A batch size of one beside the large one: a few pictures go through the network one by one, at a stated tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.engines.engine import Engine

TOLERANCES: Final[Mapping[str, float]] = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 2e-2}
"""Most that a probability may differ from that of a whole batch, by the precision of the network."""
_SHARE: Final = 3
"""Batches are filled up, so what fills a third of one or less costs less one by one."""


@dataclass(frozen=True)
class BatchOfOne:
    """How far probabilities of pictures that go through the network one by one are from those of whole batches.

    Attributes
    ----------
    tolerance : float
        Stated: they agree to this.
    difference : float
        Largest difference that was measured when the model was fitted.
    n_images : int
        Number of training images that it was measured on.
    """

    tolerance: float
    difference: float
    n_images: int

    def __post_init__(self) -> None:
        numbers = (self.tolerance, self.difference)
        if not all(math.isfinite(number) and number >= 0 for number in numbers) or self.n_images < 1:
            raise ValueError(f"a batch of one has the tolerance {self.tolerance} on {self.n_images} images")

    @classmethod
    def measured(
        cls, engines: Iterable[Engine], batched: NDArray[np.float64], single: NDArray[np.float64]
    ) -> BatchOfOne | None:
        """What two ways of predicting the same images say; None where they differ by more than the tolerance.

        Parameters
        ----------
        engines : iterable of Engine
            Those of the model, which `takes_one` says take one picture too.
        batched, single : ndarray of shape (n_images, n_classes)
            Probabilities by whole batches, and one by one.
        """
        tolerance = max(TOLERANCES[engine.precision] for engine in engines)
        if batched.shape != single.shape or not batched.size:
            return None
        difference = float(f"{np.abs(batched - single).max():.1e}")
        return cls(tolerance, difference, len(batched)) if difference <= tolerance else None

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {"tolerance": self.tolerance, "difference": self.difference, "n_images": self.n_images}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> BatchOfOne:
        """What `to_json` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is something else.
        """
        return cls(float(value["tolerance"]), float(value["difference"]), int(value["n_images"]))


def takes_one(engine: Engine) -> bool:
    """Whether one picture alone is cheaper for an engine, and possible: a quantised network has one batch size."""
    return engine.batch_size >= _SHARE and not engine.compiled and engine.precision in TOLERANCES


def are_few(n_pictures: int, engine: Engine) -> bool:
    """Whether pictures fill so little of a batch that they cost less one by one."""
    return n_pictures * _SHARE <= engine.batch_size
