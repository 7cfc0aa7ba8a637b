"""Categorical columns: texts as whole numbers, codes into naturally sorted names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.errors import DataError, first_few, unknown_name


class Categorical(NamedTuple):
    """Text column as codes: ``names[codes[i]]`` is the text of row i."""

    codes: NDArray[np.int64]
    names: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Categorical:
        """The column at `rows`, with the same names."""
        return Categorical(self.codes[rows], self.names)


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorting key under which numbers inside a text count as numbers, however many digits they have.

    >>> sorted(["grade 10", "grade 9", "Grade 1"], key=natural_key)
    ['Grade 1', 'grade 9', 'grade 10']
    """
    parts = re.split(r"([0-9]+)", text.casefold())
    return [_part_key(part) for part in parts if part], text


def _part_key(part: str) -> tuple[int, int, str]:
    """Key of digits alone, or of text without any; Python reads no whole numbers of thousands of digits."""
    if not (part.isascii() and part.isdecimal()):
        return 1, 0, part
    digits = part.lstrip("0")
    return 0, len(digits), digits


def encode_texts(texts: Sequence[str], names: Iterable[str] | None = None) -> Categorical:
    """Codes of `texts` into `names`, by default their distinct values in natural order.

    Raises
    ------
    KeyError
        When a text is not among the given names.

    Examples
    --------
    >>> encode_texts(["b", "a", "b"])
    Categorical(codes=array([1, 0, 1]), names=('a', 'b'))
    """
    ordered = tuple(sorted(set(texts), key=natural_key)) if names is None else tuple(names)
    code_of = {name: code for code, name in enumerate(ordered)}
    return Categorical(np.fromiter((code_of[text] for text in texts), dtype=np.int64, count=len(texts)), ordered)


def sort_names(column: Categorical) -> Categorical:
    """The same column with its names in natural order and unused names dropped."""
    used = np.unique(column.codes)
    order = sorted(used.tolist(), key=lambda code: natural_key(column.names[code]))
    position = np.zeros(len(column.names), dtype=np.int64)
    position[order] = np.arange(len(order))
    return Categorical(position[column.codes], tuple(column.names[code] for code in order))


def recode_labels(labels: Categorical, classes: Sequence[str] | None, *, source: str = "") -> Categorical:
    """Labels with the given classes as their names, or as they are without; `source` begins the message."""
    if classes is None:
        return labels
    if len(set(classes)) != len(classes):
        raise DataError(f"The class names {first_few(map(repr, classes))} are not all different.")
    unknown = [name for name in labels.names if name not in set(classes)]
    if unknown:
        unknown_class = unknown_name("class", unknown[0], classes)
        raise DataError(f"{source}{unknown_class} Add it to the classes, mend the label, or leave its images out.")
    position = {name: code for code, name in enumerate(classes)}
    codes = np.array([position[name] for name in labels.names], dtype=np.int64)[labels.codes]
    return Categorical(codes, tuple(classes))
