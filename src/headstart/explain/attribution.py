"""Result of every method: maps of what speaks for a class, and the scores that they are maps of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Attribution:
    """Maps of some images, with the sums that they are to be held against.

    Attributes
    ----------
    maps : ndarray of shape (n, height, width), float32
        On the grid of the network's input. Values are densities: their mean over the image is its share of the score.
    scores : ndarray of shape (n,)
        Score of the class less that of the class it is told from.
    references : ndarray of shape (n,)
        The same score of what the map takes for nothing; nan where the method knows no such thing.
    elsewhere : ndarray of shape (n,)
        Share of the score that has no place in the image: that of descriptors and table columns.
    attributed : ndarray of shape (n,)
        Share that the map gives, summed before it is interpolated.
    """

    maps: NDArray[np.float32]
    scores: Floats
    references: Floats
    elsewhere: Floats
    attributed: Floats

    @classmethod
    def of_nothing(cls, size: tuple[int, int]) -> Attribution:
        """Attribution of no image, for networks that take (height, width)."""
        none = np.zeros(0)
        return cls(np.zeros((0, *size), dtype=np.float32), none, none, none, none)

    @classmethod
    def joined(cls, parts: Sequence[Attribution]) -> Attribution:
        """Attributions of one batch of images after another."""
        names = ("maps", "scores", "references", "elsewhere", "attributed")
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
