"""The order of classes, from the lowest to the highest: as the user names it, or as the names plainly say it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from typing import Final

from headstart.errors import InputError, first_few, unknown_name

AUTO: Final = "auto"
MIN_ORDERED: Final = 3
"""Two classes have no order that a score or a head could speak of."""

_NUMBERED: Final = re.compile(r"(?P<before>\D*?)(?P<number>(?:(?<!\S)-)?\d+(?:\.\d+)?)(?P<after>\D*)")
"""A dash is a sign only where nothing but a space stands before it: of grade-1 and grade-2 the second is higher."""
_ROMAN: Final = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_EXAMPLE: Final = "--ordinal low,middle,high"


def class_order(requested: str | Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes from the lowest to the highest.

    Parameters
    ----------
    requested : str or sequence of str
        The names in order, separated by commas where they are one text (a name that holds a comma in double quotes);
        or ``auto`` for the order that the names say: numbers with the same words around, Roman numerals to X, or
        single letters.
    classes : sequence of str
        Classes of the data.

    Raises
    ------
    InputError
        For fewer than three classes, an order that names a class twice, one that is not there or not all of them, and
        for ``auto`` where the names say no order.

    Examples
    --------
    >>> class_order("low, middle, high", ["high", "low", "middle"])
    ('low', 'middle', 'high')
    >>> class_order("auto", ["grade 10", "grade 2", "grade 1"])
    ('grade 1', 'grade 2', 'grade 10')
    """
    check_orderable(classes)
    named = names_in_order(requested)
    if named == (AUTO,):
        return _said_by_names(classes)
    _check_all_there(named, classes)
    return named


def names_in_order(requested: str | Sequence[str]) -> tuple[str, ...]:
    """The requested names one by one; ``auto`` alone where their order is to be found."""
    if not isinstance(requested, str):
        return tuple(requested)
    return tuple(name.strip() for name in next(csv.reader([requested], skipinitialspace=True), []))


def check_orderable(classes: Sequence[str]) -> None:
    """Refuse an order of two classes.

    Raises
    ------
    InputError
    """
    if len(classes) < MIN_ORDERED:
        raise InputError(
            f"--ordinal is for three classes or more; there are {len(classes)} ({', '.join(classes)}), whose order "
            "changes nothing. Leave --ordinal out."
        )


def check_requested(requested: str | Sequence[str]) -> None:
    """Refuse an order that fits no data: with a name twice or an empty one.

    Raises
    ------
    InputError
    """
    named = names_in_order(requested)
    if not named or not all(named):
        raise InputError(
            f"--ordinal {requested!r} holds an empty name. Name the classes from the lowest to the highest, as in "
            f"{_EXAMPLE}, or write --ordinal auto where their names say the order."
        )
    twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    if twice:
        raise InputError(f"--ordinal names the class {twice[0]!r} twice. Name each class once.")


def _check_all_there(named: Sequence[str], classes: Sequence[str]) -> None:
    check_requested(named)
    for name in named:
        if name not in classes:
            raise InputError(f"--ordinal: {unknown_name('class', name, classes)}")
    missing = [name for name in classes if name not in named]
    if missing:
        raise InputError(
            f"--ordinal names {len(named)} of {len(classes)} classes; {first_few(map(repr, missing))} "
            f"{'is' if len(missing) == 1 else 'are'} missing. Name every class of the data, from the lowest to the "
            "highest."
        )


def _said_by_names(classes: Sequence[str]) -> tuple[str, ...]:
    for read in _READERS:
        places = read(classes)
        if places is not None and len(set(places)) == len(classes):
            return tuple(name for _, name in sorted(zip(places, classes, strict=True)))
    raise InputError(
        f"--ordinal auto: the names {first_few(map(repr, classes))} do not say their order. It is taken from numbers "
        f"with the same words around, from Roman numerals and from single letters. Name it yourself, as in {_EXAMPLE}."
    )


def _numbers(classes: Sequence[str]) -> list[float] | None:
    """The one number of each name; None where the words around differ."""
    found = [_NUMBERED.fullmatch(name) for name in classes]
    parts = [one.groups() for one in found if one is not None]
    if len(parts) < len(classes) or len({(before, after) for before, _, after in parts}) > 1:
        return None
    return [float(number) for _, number, _ in parts]


def _roman_numerals(classes: Sequence[str]) -> list[float] | None:
    """Roman numerals I to X behind the same words."""
    words = [name.lower().rsplit(maxsplit=1) for name in classes]
    if not all(words) or len({tuple(one[:-1]) for one in words}) > 1 or any(one[-1] not in _ROMAN for one in words):
        return None
    return [float(_ROMAN.index(one[-1])) for one in words]


def _letters(classes: Sequence[str]) -> list[float] | None:
    """Single letters of one case."""
    if any(len(name) != 1 or not name.isascii() or not name.isalpha() for name in classes):
        return None
    return [float(ord(name)) for name in classes] if len({name.isupper() for name in classes}) == 1 else None


_READERS: Final[tuple[Callable[[Sequence[str]], list[float] | None], ...]] = (_numbers, _roman_numerals, _letters)
