"""Class names that look alike: two spellings of what may be one class."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from headstart.errors import first_few

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?")
_FORMS: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("upper and lower case", str.casefold),
    ("the Unicode form of their letters", lambda name: unicodedata.normalize("NFKC", name)),
    ("spaces", lambda name: " ".join(name.split())),
    ("how a number is written", lambda name: f"{float(name):g}" if _NUMBER.fullmatch(name) else name),
)


def alike_class_warnings(classes: Sequence[str]) -> Iterator[str]:
    """A warning for every set of classes whose names differ in nothing that a reader would see as a difference.

    >>> list(alike_class_warnings(["1", "1.0", "2"]))
    ["The classes '1', '1.0' differ in how a number is written alone; are they one class?"]
    """
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(_plain(name), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            differing = [words for words, form in _FORMS if len({form(name) for name in names}) < len(names)]
            how = " or ".join(differing) or "case, spaces and form"
            yield f"The classes {first_few(map(repr, names))} differ in {how} alone; are they one class?"


def _plain(name: str) -> str:
    for _, form in _FORMS:
        name = form(name)
    return name
