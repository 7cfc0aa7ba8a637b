"""Stretches of time as a user writes them: in seconds, or in samples."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from headstart.errors import InputError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_TEXT: Final = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s|min|h)?\s*")


@dataclass(frozen=True)
class Span:
    """A stretch of time.

    Attributes
    ----------
    amount : float >= 0
        Seconds, or a whole number of samples.
    in_samples : bool
    """

    amount: float
    in_samples: bool = False

    @classmethod
    def parse(cls, text: str | float, noun: str = "window") -> Span:
        """A stretch of time: ``60s``, ``500ms``, ``2min``, ``1h``; or a bare number, of samples.

        Raises
        ------
        InputError

        Examples
        --------
        >>> Span.parse("2min"), Span.parse(128)
        (Span(amount=120.0, in_samples=False), Span(amount=128, in_samples=True))
        """
        found = _TEXT.fullmatch(str(text))
        if found is None:
            raise InputError(f"{noun} is {text!r}; expected a time such as 60s, 500ms or 2min, or a number of samples.")
        number, unit = float(found[1]), found[2]
        if unit is not None:
            return cls(number * _UNITS[unit])
        if not number.is_integer():
            raise InputError(f"{noun} is {text!r}; expected a whole number of samples, or a time such as {text}s.")
        return cls(int(number), in_samples=True)

    def samples(self, period_s: float) -> int:
        """Number of samples at a sampling period, the nearest whole one."""
        return int(self.amount) if self.in_samples else math.floor(self.amount / period_s + 0.5)

    def __str__(self) -> str:
        return f"{self.amount:g}" if self.in_samples else f"{self.amount:g}s"
