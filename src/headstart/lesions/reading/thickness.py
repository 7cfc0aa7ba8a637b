"""Breslow thickness as people write it, and the ordered classes between edges."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headstart.errors import InputError

EDGES_MM: Final = (0.75, 1.5)
"""Edges between the three classes that surgeons and the paper use."""
MAX_MM: Final = 60.0
"""A thicker melanoma has not been reported; such a number is in micrometres or no thickness."""
_WRITTEN: Final = re.compile(r"(?P<bound>[<>]=?|[≤≥])?\s*(?P<number>\d+(?:[.,]\d+)?|[.,]\d+)\s*(?:mm)?", re.IGNORECASE)


@dataclass(frozen=True)
class Thickness:
    """A thickness in millimetres, or the bounds that a report gave instead.

    Attributes
    ----------
    low, high : float
        Equal for a measured value; ``high`` is infinite for "more than".
    low_open, high_open : bool
        Whether the bound itself is left out.
    """

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    @property
    def value(self) -> float | None:
        """The measured value in millimetres; None where only a bound is known."""
        return self.low if self.low == self.high else None

    @property
    def text(self) -> str:
        """The thickness as `parse_thickness` reads it again: millimetres, a bound with its sign.

        >>> [parse_thickness(text).text for text in ("0,80 mm", "< 1", "≥2")]
        ['0.8', '<1', '>=2']
        """
        if self.value is not None:
            return _millimetres(self.low)
        if self.high == math.inf:
            return f">{'' if self.low_open else '='}{_millimetres(self.low)}"
        return f"<{'' if self.high_open else '='}{_millimetres(self.high)}"


def _millimetres(number: float) -> str:
    """All digits of a number, without those that say nothing."""
    return repr(number).removesuffix(".0")


def parse_thickness(text: str) -> Thickness:
    """Thickness from a cell of a table.

    >>> parse_thickness("0,8 mm").value, parse_thickness("<1").high
    (0.8, 1.0)

    Raises
    ------
    InputError
        When it is no thickness, or an impossible one; the message says why, without the place.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise InputError("thickness is no number of millimetres")
    number = float(found["number"].replace(",", "."))
    if number > MAX_MM or number == 0:
        raise InputError("thickness is impossible: expected millimetres above 0, at most 60")
    bound = found["bound"]
    if bound in ("<", "<=", "≤"):
        return Thickness(0.0, number, low_open=True, high_open=bound == "<")
    if bound is not None:
        return Thickness(number, math.inf, low_open=bound == ">")
    return Thickness(number, number)


@dataclass(frozen=True)
class ThicknessClasses:
    """Ordered classes of thickness.

    A value on the lowest edge belongs to the class above it, a value on any other edge to the class below: 0.75 and
    1.5 mm are both of the middle class, as in "< 0.75, 0.75 to 1.5, > 1.5".

    Attributes
    ----------
    edges_mm : tuple of float
        Rising, each above 0.

    Raises
    ------
    InputError
        When the edges are none, or do not rise.
    """

    edges_mm: tuple[float, ...] = EDGES_MM

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.edges_mm), (*self.edges_mm, MAX_MM), strict=True))
        if not self.edges_mm or not rising:
            shown = ",".join(f"{edge:g}" for edge in self.edges_mm)
            raise InputError(f"Edges {shown!r} of thickness should rise between 0 and {MAX_MM:g} mm, as in 0.75,1.5.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, the thinnest first.

        >>> ThicknessClasses().names
        ('<0.75 mm', '0.75-1.5 mm', '>1.5 mm')
        >>> ThicknessClasses((0.8, 1, 2)).names
        ('<0.8 mm', '0.8-1 mm', '>1-2 mm', '>2 mm')
        """
        first, last = self.edges_mm[0], self.edges_mm[-1]
        if len(self.edges_mm) == 1:
            return f"<{first:g} mm", f">={first:g} mm"
        inner = [
            f"{'' if place == 0 else '>'}{low:g}-{high:g} mm"
            for place, (low, high) in enumerate(zip(self.edges_mm, self.edges_mm[1:], strict=False))
        ]
        return (f"<{first:g} mm", *inner, f">{last:g} mm")

    def class_of(self, thickness: Thickness) -> str | None:
        """Class that holds a thickness; None where its bounds reach over an edge.

        >>> classes = ThicknessClasses()
        >>> [classes.class_of(parse_thickness(text)) for text in ("0.75", "1.5", "<0.75", "<1")]
        ['0.75-1.5 mm', '0.75-1.5 mm', '<0.75 mm', None]
        """
        low = self._place(thickness.low, just_above=thickness.low_open)
        high = self._place(thickness.high, just_below=thickness.high_open)
        return self.names[low] if low == high else None

    def _place(self, value: float, *, just_above: bool = False, just_below: bool = False) -> int:
        """Number of the class of a value, or of what lies just beside it."""
        return sum(self._is_above(value, edge, number, just_above, just_below) for number, edge in self._numbered())

    def _numbered(self) -> Sequence[tuple[int, float]]:
        return list(enumerate(self.edges_mm))

    def _is_above(self, value: float, edge: float, number: int, just_above: bool, just_below: bool) -> bool:
        if value != edge:
            return value > edge
        return just_above or (number == 0 and not just_below)
