"""Settings of a kind of head: the default of each, its type and the values it may take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.errors import InputError, unknown_name

Scalar = str | int | float

MAX_WHOLE = 2**53
"""Largest whole number that the floating-point columns of tables of candidates and costs hold exactly."""


@dataclass(frozen=True)
class Setting:
    """One setting of a kind of head: its default, whose type it keeps, and the values it may take.

    A number with a `word` may be that word instead: shrinkage is a share, or 'auto'.
    """

    default: Scalar
    low: float = 0.0
    high: float = math.inf
    choices: tuple[str, ...] = ()
    may_be_low: bool = False
    word: str = ""

    def accepts(self, value: Any) -> bool:
        """Whether `value` has the right type and lies in the range."""
        if self.word and value == self.word:
            return True
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float) or _too_large(value):
            return False
        if not math.isfinite(value) or (isinstance(self.default, int) and not isinstance(value, int)):
            return False
        return (value >= self.low if self.may_be_low else value > self.low) and value < self.high

    @property
    def expected(self) -> str:
        """Description of the values it may take."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        number = "a whole number" if isinstance(self.default, int) else "a number"
        below = "" if math.isinf(self.high) else f" and < {self.high:g}"
        word = f", or {self.word!r}" if self.word else ""
        return f"{number} {'>=' if self.may_be_low else '>'} {self.low:g}{below}{word}"

    def completed(self, value: Scalar) -> Scalar:
        """An accepted value in the setting's own type: 3 for a number becomes 3.0."""
        if self.word:
            return value if value == self.word else float(value)
        return type(self.default)(value)


def completed_settings(kind: str, known: Mapping[str, Setting], given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """All settings of a kind: those given, checked, and the defaults of the others.

    Raises
    ------
    InputError
        When a setting is unknown or a value out of its range.
    """
    for name, value in given.items():
        if name not in known:
            raise InputError(unknown_name(f"setting of a {kind} head", name, known))
        if not known[name].accepts(value):
            most = " and at most 2**53" if _too_large(value) else ""
            raise InputError(f"{name!r} of a {kind} head must be {known[name].expected}{most}, not {value!r:.80}.")
    return {name: setting.completed(given.get(name, setting.default)) for name, setting in known.items()}


def shown(value: Scalar) -> str:
    """Value of a setting as text: 0.5, 1e-05, relu."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _too_large(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > MAX_WHOLE
