"""The default split: as many folds as the score and the choice need, by the sizes of classes and groups alone.

Every image is judged once in ``nested:5x4``. Where the 95 % interval of balanced accuracy is narrow whatever the score
even when a fifth of the images is judged, one holdout judges. How wide it is does not depend on the inner folds, which
choose: where so many images are enough to choose by, one inner holdout does, or two inner folds instead of four. Two
choose as well where images times classes are so many that four would take most of the time there is. What is judged is
trained on four fifths of the images in every case.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from headstart.data.split.scheme import INNER_HOLDOUT, parse_scheme
from headstart.data.split.task import SplitTask

AUTO: Final = "auto"
USUAL: Final = "nested:5x4"
FEWER: Final = "nested:5x2"
ONE_CHOOSES: Final = "nested:5x1"
SINGLE: Final = "holdout:60/20/20"
NARROW: Final = 0.01
"""Half width of a 95 % interval of balanced accuracy that is narrow: one point."""
DEAR: Final = 500_000
"""Images times classes, which the time of heads grows with, from which two inner folds choose."""
ENOUGH: Final = 9_604
"""Images that tell a share to one point whatever it is: where so many choose, more are not needed."""
SCARCE: Final = 50
"""Independent images of the smallest class that have to be among them."""
_ONE_SHARE, _TWO_SHARE = 0.8 * INNER_HOLDOUT, 0.8
"""Share of all images that choose by one inner holdout and by two inner folds."""
_QUANTILE: Final = 1.96
_WIDEST: Final = 0.5
"""Largest standard deviation of one answer that is right or wrong: of a coin toss."""


class AutomaticScheme(NamedTuple):
    """Scheme that the size of the data asks for, and the reason in words."""

    scheme: str
    rule: str


def automatic_scheme(task: SplitTask, *, repeats: int = 1) -> AutomaticScheme:
    """Scheme by the expected half width of the interval, counted from the smallest class.

    Parameters
    ----------
    task : SplitTask
    repeats : int
        Whoever asks for several drawings of the folds gets ``nested:5x4``, as does data with folds of its own.
    """
    if repeats > 1:
        return AutomaticScheme(USUAL, f"the folds are drawn {repeats} times")
    n_classes, (name, smallest) = _smallest_class(task)
    judged_all = half_width(n_classes, smallest)
    judged_once = half_width(n_classes, smallest * parse_scheme(SINGLE).outer_fractions[-1])
    units = "groups" if task.grouped else "images"
    size = f"with {n_classes:,} classes, the smallest ({name!r}) counting as {smallest:,.0f} {units},"
    interval = f"{size} the 95 % interval of balanced accuracy"
    if judged_once <= NARROW:
        words = f"one holdout, since {interval} reaches at most {_points(judged_once)} to either side even so"
        return AutomaticScheme(SINGLE, words)
    n_images = len(task.labels)
    reach = f"{interval}, the same with both, may reach {_points(judged_all)} to either side"
    if _is_enough(n_images * _ONE_SHARE, smallest * _ONE_SHARE):
        enough = f"a fifth of {n_images:,} images is enough to choose by"
        return AutomaticScheme(ONE_CHOOSES, f"an inner holdout instead of four inner folds, since {enough}; {reach}")
    if _is_enough(n_images * _TWO_SHARE, smallest * _TWO_SHARE) or judged_all <= NARROW:
        enough = f"four fifths of {n_images:,} images are enough to choose by"
        return AutomaticScheme(FEWER, f"two inner folds instead of four, since {enough}; {reach}")
    if n_images * n_classes >= DEAR:
        dear = f"heads of {n_images:,} images in {n_classes:,} classes take long to fit"
        return AutomaticScheme(FEWER, f"two inner folds instead of four, since {dear}; {reach}")
    words = f"{interval} may reach {_points(judged_all)} to either side; from {_points(NARROW)} fewer folds are enough"
    return AutomaticScheme(USUAL, words)


def _is_enough(n_choosing: float, of_smallest: float) -> bool:
    """Whether so many images, so many independent ones of the smallest class among them, are enough to choose by."""
    return n_choosing >= ENOUGH and of_smallest >= SCARCE


def half_width(n_classes: int, n_judged: float) -> float:
    """Largest expected half width of the 95 % interval of balanced accuracy.

    Parameters
    ----------
    n_classes : int
    n_judged : float
        Independent images of the smallest class that are judged; every class counts as if it had no more.

    Examples
    --------
    >>> round(half_width(2, 100), 3), round(half_width(10, 1200), 4)
    (0.069, 0.0089)
    """
    return _QUANTILE * _WIDEST / math.sqrt(n_classes * n_judged) if n_judged else math.inf


def _smallest_class(task: SplitTask) -> tuple[int, tuple[str, float]]:
    """Number of classes that occur, and name and effective number of groups of the smallest.

    Groups of unequal size count as Kish's effective number, (sum n)^2 / sum n^2, as in the intervals.
    """
    pairs, sizes = task.class_groups()
    codes = pairs[:, 0]
    whole = np.bincount(codes, weights=sizes, minlength=len(task.classes))
    squares = np.bincount(codes, weights=sizes.astype(np.float64) ** 2, minlength=len(task.classes))
    present = np.unique(task.labels)
    effective = np.divide(whole**2, squares, out=np.zeros_like(whole), where=squares > 0)[present]
    place = int(effective.argmin())
    return len(present), (task.classes[present[place]], float(effective[place]))


def _points(share: float) -> str:
    if not math.isfinite(share):
        return "any number of points"
    shown = f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
    return f"{shown} {'point' if shown == '1' else 'points'}"
