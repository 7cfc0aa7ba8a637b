"""Differences of classes: which class a map speaks for, and against which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import InputError, unknown_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.heads import FittedHead


def contrast_weights(classes: Sequence[str], head: FittedHead, target: str, against: str | None) -> NDArray[np.float64]:
    """Weight of the score of every class that the head saw in training, shape (P,); they sum to 0.

    Parameters
    ----------
    classes : sequence of str
    head : FittedHead
    target : str
        Class that the map speaks for.
    against : str, optional
        Class that it speaks against. Default: the mean of all others.

    Raises
    ------
    InputError
        For an unknown class, one that had no training image, or the same class twice.
    """
    for name in (target, *(() if against is None else (against,))):
        check_class(classes, head, name)
    if target == against:
        raise InputError(f"A map tells one class from another, not {target!r} from itself. Name another class.")
    seen = [name for name, present in zip(classes, head.arrays["present"].tolist(), strict=True) if present]
    weights = np.zeros(len(seen))
    if against is None:
        weights[:] = -1.0 / (len(seen) - 1)
    else:
        weights[seen.index(against)] = -1.0
    weights[seen.index(target)] = 1.0
    return weights


def check_class(classes: Sequence[str], head: FittedHead, name: str) -> None:
    """Refuse a class that the model does not know, or knows by name only.

    Raises
    ------
    InputError
        With the close matches.
    """
    if name not in classes:
        raise InputError(unknown_name("class", name, classes))
    if not head.arrays["present"][list(classes).index(name)]:
        raise InputError(f"Class {name!r} had no training image, so that nothing speaks for it. Choose another class.")
