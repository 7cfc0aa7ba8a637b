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
MIN_CHOOSING: Final = 9_604
"""Images from which more are not needed to choose by: independent ones would tell any share to one point."""
MIN_INDEPENDENT: Final = 2_401
"""Independent images that have to be among them: they tell any share to two points."""
MIN_OF_A_CLASS: Final = 50
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
    n_images, n_independent = _all_images(task)
    judged_all = half_width(n_classes, smallest)
    judged_once = half_width(n_classes, smallest * parse_scheme(SINGLE).outer_fractions[-1])
    units = "groups" if task.grouped else "images"
    size = f"with {n_classes:,} classes, the smallest ({name!r}) counting as {smallest:,.0f} {units},"
    interval = f"{size} the 95 % interval of balanced accuracy"
    if judged_once <= NARROW:
        words = f"one holdout, since {interval} reaches at most {_points(judged_once)} to either side even so"
        return AutomaticScheme(SINGLE, words)
    sizes = n_images, n_independent, smallest
    reach = f"{interval}, the same with both, may reach {_points(judged_all)} to either side"
    counting = f" that count as {n_independent:,.0f} {units}" if task.grouped else ""
    if _is_enough(_ONE_SHARE, *sizes):
        enough = f"a fifth of {n_images:,} images{counting} is enough to choose by"
        return AutomaticScheme(ONE_CHOOSES, f"an inner holdout instead of four inner folds, since {enough}; {reach}")
    if _is_enough(_TWO_SHARE, *sizes) or judged_all <= NARROW:
        enough = f"four fifths of {n_images:,} images{counting} are enough to choose by"
        return AutomaticScheme(FEWER, f"two inner folds instead of four, since {enough}; {reach}")
    if n_images * n_classes >= DEAR:
        dear = f"heads of {n_images:,} images in {n_classes:,} classes take long to fit"
        return AutomaticScheme(FEWER, f"two inner folds instead of four, since {dear}; {reach}")
    words = f"{interval} may reach {_points(judged_all)} to either side; from {_points(NARROW)} fewer folds are enough"
    return AutomaticScheme(USUAL, words)


def _is_enough(share: float, n_images: int, n_independent: float, smallest: float) -> bool:
    """Whether a share of the images is enough to choose by."""
    needed = (n_images, MIN_CHOOSING), (n_independent, MIN_INDEPENDENT), (smallest, MIN_OF_A_CLASS)
    return all(share * n >= least for n, least in needed)


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


def _all_images(task: SplitTask) -> tuple[int, float]:
    """Number of images that count, and the effective number of their groups."""
    pairs, sizes = task.class_groups()
    _, group = np.unique(pairs[:, 1], return_inverse=True)
    by_group = np.bincount(group, weights=sizes)
    n_images = int(sizes.sum())
    return n_images, n_images**2 / max(1.0, float((by_group**2).sum()))


def _points(share: float) -> str:
    if not math.isfinite(share):
        return "any number of points"
    shown = f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
    return f"{shown} {'point' if shown == '1' else 'points'}"
