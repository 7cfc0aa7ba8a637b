"""Rows most similar to others among thousands that are kept: sought in float32, compared in float64."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Arrays, Features, Floats, standardised, unit_rows

Integers = npt.NDArray[np.int64]

ROWS_AT_ONCE = 256
"""Number of rows whose neighbours are best sought at once: similarities to 8,192 rows take eight megabytes."""
N_SPARE = 4
"""Kept rows that are compared beyond those asked for: where rounding lets none of the others be nearer, no more are."""
_PART_ROWS = 256
"""Rows that are held in float64 at a time: three megabytes for 1,488 features."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Kept rows most similar to some rows.

    Attributes
    ----------
    places : ndarray of shape (n_rows, n_near), int64
        Places of kept rows, rising.
    similarities : ndarray of shape (n_rows, n_near), float64
    """

    places: Integers
    similarities: Floats


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Kept rows among which the most similar to other rows are sought.

    A product in float32 finds which rows may be the nearest; it takes half the memory and half the time of float64.
    BLAS adds in another order from place to place in it. So these rows are compared again pair by pair, adding in
    float64, and a row's result is the same beside any others. Similarities are those of float64 directions to about
    1e-8: rows closer together than that may change places, and votes by distance, which divide by how far apart the
    nearest are, differ the more the closer these lie.

    Parameters
    ----------
    directions : ndarray of shape (n_kept, d), float32
        Standardised rows of length 1.
    """

    directions: Features

    @classmethod
    def of(cls, arrays: Arrays) -> KeptRows:
        """The `rows` of a head, standardised by its `mean` and `inverse_scale`."""
        directions = np.empty_like(arrays["rows"])
        for start in range(0, len(directions), _PART_ROWS):
            part = slice(start, start + _PART_ROWS)
            directions[part] = unit_rows(standardised(arrays["rows"][part], arrays))
        return cls(directions)

    @property
    def rounding(self) -> float:
        """Largest difference between similarities in float32 and in float64 that is reckoned with.

        The errors of d additions, each of at most 2^-24, add up as a random walk does, and partial sums are smaller
        than 1: among 5,000,000 similarities by 1,488 features of real images the largest was a twentieth of this.
        """
        return float(2.0**-22 * np.sqrt(self.directions.shape[1]))

    def nearest(self, block: Floats, n_nearest: int) -> tuple[Neighbours, dict[int, Neighbours]]:
        """At least the `n_nearest` kept rows most similar to each row of a block, and all that equal the last of them.

        Returns
        -------
        Neighbours
            Of all rows.
        dict of int to Neighbours
            Of some rows alone, by their place in the block, where there are more: instead of the others.
        """
        units = unit_rows(block)
        rounded: Features = units.astype(np.float32) @ self.directions.T
        n_near = min(n_nearest + N_SPARE, len(self.directions))
        first = len(self.directions) - n_near
        places = np.sort(np.argpartition(rounded, first, axis=1)[:, first:], axis=1)
        found = Neighbours(places, np.array([self._similarities(*pair) for pair in zip(units, places, strict=True)]))
        if n_near == len(self.directions):
            return found, {}
        last = np.partition(found.similarities, n_near - n_nearest, axis=1)[:, n_near - n_nearest] - self.rounding
        doubtful = np.flatnonzero(np.take_along_axis(rounded, places, axis=1).min(axis=1) >= last)
        return found, {row: self._above(last[row], units[row], rounded[row]) for row in doubtful.tolist()}

    def _similarities(self, direction: Floats, places: Integers) -> Floats:
        """Similarity (n_places,) of a row of length 1 to some of those kept: of a pair the same beside any others."""
        kept = self.directions[places].astype(np.float64)
        return np.asarray((kept[:, None, :] @ direction[:, None])[:, 0, 0])  # as many products of two vectors

    def _above(self, least: float, direction: Floats, rounded: Features) -> Neighbours:
        """Every kept row (1, n_near) whose similarity in float32 to one row is `least` or more."""
        places = np.flatnonzero(rounded >= least)
        distinct, copies = np.unique(self._first_copies[places], return_inverse=True)
        parts = np.split(distinct, range(_PART_ROWS, len(distinct), _PART_ROWS))
        found = np.concatenate([self._similarities(direction, part) for part in parts])
        return Neighbours(places[None], found[copies][None])

    @cached_property
    def _first_copies(self) -> Integers:
        """Place of the first of all kept rows that equal each: blank images may be there by the thousand."""
        first: dict[bytes, int] = {}
        return np.array([first.setdefault(row.tobytes(), place) for place, row in enumerate(self.directions)])
