"""What a report shows of very many classes: the ones that a reader looks for, and the others as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.report.locale.messages import ntr, tr

Floats = NDArray[np.float64]

MAX_CLASSES: Final = 40
"""Number of classes up to which each is shown; beyond, cells of a matrix could be read on no page."""
N_SHOWN: Final = 20
"""Classes that are shown one by one where there are more than `MAX_CLASSES`."""


def first_classes(n_classes: int, key: Callable[[int], float]) -> list[int]:
    """Codes of the classes to show, in their order: all, or of too many the `N_SHOWN` with the smallest keys.

    >>> first_classes(3, lambda code: -code)
    [0, 1, 2]
    >>> len(first_classes(100, lambda code: -code)), first_classes(100, lambda code: -code)[0]
    (20, 80)
    """
    if n_classes <= MAX_CLASSES:
        return list(range(n_classes))
    return sorted(sorted(range(n_classes), key=key)[:N_SHOWN])


def most_confused(matrix: Floats) -> list[int]:
    """Codes of the classes to show of a confusion matrix: of too many those in most of the mistakes."""
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diagonal(matrix)
    return first_classes(len(matrix), lambda code: -float(wrong[code]))


def folded(matrix: Floats, shown: Sequence[int]) -> Floats:
    """The matrix of the classes shown, all others summed in a last row and column; as it is where all are shown."""
    n_shown = len(shown)
    if n_shown == len(matrix):
        return matrix
    place = np.full(len(matrix), n_shown)
    place[list(shown)] = np.arange(n_shown)
    summed = np.zeros((n_shown + 1, n_shown + 1))
    np.add.at(summed, (place[:, None], place[None]), matrix)
    return summed


def folded_names(classes: Sequence[str], shown: Sequence[int]) -> list[str]:
    """Names of the classes shown, and one for all others where there are any.

    >>> folded_names("abcd", [0, 2])
    ['a', 'c', '2 others']
    """
    left = len(classes) - len(shown)
    return [*(classes[code] for code in shown), *([ntr("{n} others", "{n} others", left)] if left else [])]


def with_left_out(caption: str, n_classes: int, shown: Sequence[int], message: str) -> str:
    """A caption, with a sentence on the classes that are not shown where there are any.

    Parameters
    ----------
    caption : str
    n_classes : int
    shown : sequence of int
    message : str
        The sentence without its full stop, with fields ``n_classes`` and ``n_shown``; marked for translation.
    """
    if len(shown) == n_classes:
        return caption
    return f"{caption}. {tr(message, n_classes=f'{n_classes:,}', n_shown=len(shown))}"
