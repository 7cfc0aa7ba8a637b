"""Copies among images, as a search for one kind of them found them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FoundCopies:
    """Pairs of an image and its copy.

    Attributes
    ----------
    pairs : list of (int, int)
        Sorted, the smaller row first.
    n_left_out : int
        Comparisons that were left out because there would have been too many; copies among them are missed.
    """

    pairs: list[tuple[int, int]]
    n_left_out: int
