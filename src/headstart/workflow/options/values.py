"""Whether a value is of the type that the annotation of its field names, and what was expected in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final, NamedTuple


class _Kind(NamedTuple):
    """A type of values: how it is recognised, and its words."""

    takes: Callable[[Any], bool]
    words: str


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "int": _Kind(lambda value: _is_number(value, Integral), "a whole number"),
        "float": _Kind(lambda value: _is_number(value, Real), "a number"),
        "bool": _Kind(lambda value: isinstance(value, bool), "True or False"),
        "str": _Kind(lambda value: isinstance(value, str), "text"),
        "os.PathLike[str]": _Kind(lambda value: isinstance(value, os.PathLike), "a path"),
        "Mapping[str, Any]": _Kind(lambda value: isinstance(value, Mapping), "a mapping"),
        "dict[str, str]": _Kind(lambda value: isinstance(value, Mapping), "a mapping of text to text"),
        "None": _Kind(lambda value: value is None, "None"),
    }
)


def fits(value: Any, annotation: str) -> bool:
    """Whether a value is of a type, as the annotation of a dataclass field writes it.

    A list passes for a tuple. A type that is not built in is recognised by its name, as importing it would be heavy.

    >>> fits(3, "int | None"), fits(None, "int | None"), fits(True, "int"), fits("3", "int"), fits(2, "float")
    (True, True, False, False, True)
    >>> fits(["a"], "tuple[str, ...]"), fits("a", "tuple[str, ...]"), fits([1], "tuple[str, ...]")
    (True, False, False)
    """
    return any(_fits_one(value, name) for name in _alternatives(annotation))


def in_words(annotation: str, *, text: str = "text") -> str:
    """Values that an annotation allows, in words; None is left out.

    >>> in_words("int | None"), in_words("int | str"), in_words("tuple[str, ...]")
    ('a whole number', 'a whole number or text', 'a list, each text')
    """
    names = [name for name in _alternatives(annotation) if name != "None"]
    return " or ".join(dict.fromkeys(_words_of(name, text) for name in names))


def _alternatives(annotation: str) -> list[str]:
    return annotation.split(" | ")


def _fits_one(value: Any, name: str) -> bool:
    if item := _item_of(name):
        return isinstance(value, list | tuple) and all(fits(one, item) for one in value)
    if name in _KINDS:
        return _KINDS[name].takes(value)
    return name in {kind.__name__ for kind in type(value).__mro__}


def _words_of(name: str, text: str) -> str:
    if item := _item_of(name):
        return f"a list, each {_words_of(item, text)}"
    if name == "str":
        return text
    return _KINDS[name].words if name in _KINDS else f"an object of {name}"


def _item_of(name: str) -> str:
    """Type of the items of a list; empty for other types."""
    return name.removeprefix("tuple[").partition(",")[0] if name.startswith("tuple[") else ""
