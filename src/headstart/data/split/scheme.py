"""Split schemes as the user writes them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.errors import SplitError

INNER_HOLDOUT: Final = 0.25
"""Share of the training images that choose where there is one inner fold."""


class Scheme(NamedTuple):
    """Number of outer folds that judge and of inner folds; `parts` (train, validation, test shares) for a holdout.

    One inner fold beside several outer ones is a holdout: a quarter of the training images, as one of four folds would
    be. Where `n_drawn` is not 0, the images are drawn into so many outer folds, and the first `n_outer` of them judge.
    """

    n_outer: int
    n_inner: int
    parts: tuple[float, float, float] | None
    n_drawn: int = 0

    @property
    def n_folds(self) -> int:
        """Number of outer folds that the images are drawn into, judging or not."""
        return self.n_drawn or self.n_outer

    @property
    def has_inner_holdout(self) -> bool:
        """Whether one part of the training images chooses, and the rest never does."""
        return self.n_inner == 1

    @property
    def outer_fractions(self) -> tuple[float, ...]:
        """Share of the images in every outer fold that is drawn, or in the parts of a holdout."""
        return (1 / self.n_folds,) * self.n_folds if self.parts is None else self.parts

    @property
    def inner_fractions(self) -> tuple[float, ...]:
        """Share of the images in every inner fold; for a holdout, of the validation part and of the rest."""
        if self.parts is None and self.has_inner_holdout:
            return INNER_HOLDOUT, 1 - INNER_HOLDOUT
        if self.parts is None:
            return (1 / self.n_inner,) * self.n_inner
        chooses = self.parts[1] / (self.parts[0] + self.parts[1])
        return chooses, 1 - chooses


def parse_scheme(text: str) -> Scheme:
    """Scheme from ``nested:5x4``, ``nested:5x1``, ``nested:2of5x1`` or ``holdout:60/20/20``.

    Raises
    ------
    SplitError
        When the text is neither, a number of folds is out of range, or the parts do not sum to 100.

    Examples
    --------
    >>> parse_scheme("nested:5x4")[:2], parse_scheme("nested:2of5x1")
    ((5, 4), Scheme(n_outer=2, n_inner=1, parts=None, n_drawn=5))
    >>> parse_scheme("holdout:60/20/20").parts
    (0.6, 0.2, 0.2)
    """
    if match := re.fullmatch(r"nested:(?:([0-9]{1,4})of)?([0-9]{1,4})x([0-9]{1,4})", text):
        n_folds, n_inner = int(match[2]), int(match[3])
        n_judging = n_folds if match[1] is None else int(match[1])
        if not (2 <= n_folds <= 1000 and 1 <= n_inner <= 1000):
            raise SplitError(
                f"Split {text!r} asks for {n_folds} outer and {n_inner} inner folds; there must be 2 to 1000 outer and "
                "1 to 1000 inner ones."
            )
        if not 1 <= n_judging <= n_folds:
            raise SplitError(f"Split {text!r}: {n_judging} of {n_folds} outer folds cannot judge; 1 to {n_folds} can.")
        return Scheme(n_judging, n_inner, None, n_folds if n_judging < n_folds else 0)
    number = r"([0-9]+(?:\.[0-9]+)?)"
    if match := re.fullmatch(rf"holdout:{number}/{number}/{number}", text):
        parts = (float(match[1]) / 100, float(match[2]) / 100, float(match[3]) / 100)
        if min(parts) <= 0 or abs(sum(parts) - 1) > 1e-9:
            raise SplitError(f"Split {text!r}: the three parts must be above 0 and sum to 100 percent.")
        return Scheme(1, 1, parts)
    raise SplitError(
        f"Split {text!r} is not known. Write auto, nested:5x4 (outer x inner folds), nested:2of5x4 (two of the "
        "outer folds judge) or holdout:60/20/20."
    )


def holdout_scheme(chooses: NDArray[np.bool_], judges: NDArray[np.bool_]) -> str:
    """Scheme ``holdout:TRAIN/VALIDATION/TEST`` in percent of a holdout whose images choose and judge by these masks."""
    validation, test = (max(0.01, round(100 * float(mask.mean()), 2)) for mask in (chooses, judges))
    return f"holdout:{100 - validation - test:.2f}/{validation:.2f}/{test:.2f}"
