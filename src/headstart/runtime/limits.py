"""The range of a number: stated once, checked and said in words from the statement."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Final

from headstart.errors import InputError

_KEY: Final = "headstart.limits"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Range of a number.

    Attributes
    ----------
    at_least, at_most : float or None
        Ends that are included.
    above, below : float or None
        Ends that are not.
    """

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a number lies in the range."""
        return (
            math.isfinite(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def in_words(self) -> str:
        """The range for messages; empty where every number will do.

        >>> [Limits(at_least=1, at_most=1024).in_words(), Limits(at_least=0, below=1).in_words()]
        ['1 to 1,024', '0 or more, and below 1']
        >>> Limits(above=0).in_words(), Limits().in_words()
        ('more than 0', '')
        """
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least:g} to {self.at_most:,}"
        words = [] if self.at_least is None else [f"{self.at_least:g} or more"]
        words += [] if self.above is None else [f"more than {self.above:g}"]
        words += [] if self.at_most is None else [f"{self.at_most:g} at the most"]
        words += [] if self.below is None else [f"below {self.below:g}"]
        return ", and ".join(words)


def number(default: float, **ends: float) -> Any:
    """A dataclass field that is a number in a range; see `Limits` for the keywords."""
    return field(default=default, metadata={_KEY: Limits(**ends)})


def limits_of(declaring: type, name: str) -> dict[str, Any]:
    """Ends of the range of a field that `number` made, by the keywords of `Limits`; empty for other fields."""
    found = next(one.metadata.get(_KEY) for one in fields(declaring) if one.name == name)
    return {} if found is None else {end: value for end, value in asdict(found).items() if value is not None}


def check_numbers(settings: Any) -> None:
    """Check the fields of a dataclass that `number` made; one whose default is whole must be whole.

    Raises
    ------
    InputError
        For a value that is no number, or out of range.
    """
    for one in fields(settings):
        if limits := one.metadata.get(_KEY):
            value = getattr(settings, one.name)
            is_whole = isinstance(one.default, int)
            is_kind = isinstance(value, Integral if is_whole else Real) and not isinstance(value, bool)
            if not is_kind or not limits.holds(float(value)):
                expected = phrases(["a whole number" if is_whole else "a number", limits.in_words()])
                raise InputError(f"{one.name} is {value!r}; expected {expected}.")


def phrases(words: Iterable[str]) -> str:
    """Words with commas between them, empty ones left out."""
    return ", ".join(word for word in words if word)
