"""The default split: as many folds as the score and the choice need, by the sizes of classes and groups alone.

Every image is judged once in ``nested:5x4``. Where the 95 % interval of balanced accuracy is narrow whatever the score
even when two of the five folds judge, two do; where one is enough, it is one holdout. How wide the interval is does
not depend on the inner folds, which choose: where so many images are enough to choose by, one inner holdout does, or
two inner folds instead of four. The same hold where images times classes are so many that four would take most of the
time there is. What is judged is trained on four fifths of the images in every case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from headstart.data.split.scheme import INNER_HOLDOUT
from headstart.data.split.task import SplitTask

AUTO: Final = "auto"
USUAL: Final = "nested:5x4"
N_FOLDS: Final = 5
JUDGING: Final = (1, 2)
"""Outer folds that judge where so few are enough. More save little, and images that are not judged lose something: no
doubt about their labels is found."""
SINGLE: Final = "holdout:60/20/20"
NARROW: Final = 0.01
"""Half width of a 95 % interval of balanced accuracy that is narrow: one point."""
DEAR: Final = 500_000
"""Images times classes, which the time of heads grows with, from which two inner folds choose."""
VERY_DEAR: Final = 5_000_000
"""The same from which one inner holdout chooses."""
MIN_CHOOSING: Final = 9_604
"""Images from which more are not needed to choose by: independent ones would tell any share to one point."""
MIN_INDEPENDENT: Final = 2_401
"""Independent images that have to be among them: they tell any share to two points."""
MIN_OF_A_CLASS: Final = 50
"""Independent images of the smallest class that have to be among those that choose, and among those that judge."""
_ONE_SHARE, _TWO_SHARE = 0.8 * INNER_HOLDOUT, 0.8
"""Share of all images that choose by one inner holdout and by two inner folds."""
_QUANTILE: Final = 1.96
_WIDEST: Final = 0.5
"""Largest standard deviation of one answer that is right or wrong: of a coin toss."""


class _Choosing(NamedTuple):
    """Number of inner folds, and in words why they are enough."""

    n: int
    words: str


class AutomaticScheme(NamedTuple):
    """Scheme that the size of the data asks for, and the reason in words."""

    scheme: str
    rule: str


def automatic_scheme(task: SplitTask, *, repeats: int = 1) -> AutomaticScheme:
    """Scheme by the expected half width of the interval, from the effective numbers of groups of all classes.

    Parameters
    ----------
    task : SplitTask
    repeats : int
        Whoever asks for several drawings of the folds gets ``nested:5x4``, as does data with folds of its own.
    """
    if repeats > 1:
        return AutomaticScheme(USUAL, f"the folds are drawn {repeats} times")
    sizes = _class_sizes(task)
    n_judging = next((n for n in JUDGING if _is_narrow(sizes, n / N_FOLDS)), N_FOLDS)
    smallest = min(sizes, key=lambda name: sizes[name])
    units = "groups" if task.grouped else "images"
    size = f"with {len(sizes):,} classes, the smallest ({smallest!r}) counting as {sizes[smallest]:,.0f} {units},"
    interval = f"{size} the 95 % interval of balanced accuracy"
    reach = _points(half_width(sizes.values(), n_judging / N_FOLDS))
    if n_judging == 1:
        words = f"one holdout, since {interval} should reach at most {reach} to either side even so"
        return AutomaticScheme(SINGLE, words)
    chosen = _inner_folds(task, sizes)
    if chosen is None:  # then all folds judge: where fewer do, two are enough to choose
        words = f"{interval} may reach {reach} to either side; from {_points(NARROW)} fewer folds are enough"
        return AutomaticScheme(USUAL, words)
    if n_judging < N_FOLDS:
        judging = f"{n_judging} of {N_FOLDS} outer folds judge"
        words = f"{judging}, since {interval} should reach at most {reach} to either side even so; {chosen.words}"
        return AutomaticScheme(f"nested:{n_judging}of{N_FOLDS}x{chosen.n}", words)
    words = f"{chosen.words}; {interval}, the same with both, may reach {reach} to either side"
    return AutomaticScheme(f"nested:{N_FOLDS}x{chosen.n}", words)


def _inner_folds(task: SplitTask, sizes: Mapping[str, float]) -> _Choosing | None:
    """One or two inner folds, and why so few are enough; None where four choose."""
    n_images, n_independent = _all_images(task)
    smallest = min(sizes.values())
    counting = f" that count as {n_independent:,.0f} {'groups' if task.grouped else 'images'}" if task.grouped else ""
    if _is_enough(_ONE_SHARE, n_images, n_independent, smallest):
        enough = f"a fifth of {n_images:,} images{counting} is enough to choose by"
        return _Choosing(1, f"an inner holdout instead of four inner folds, since {enough}")
    dear = f"heads of {n_images:,} images in {len(sizes):,} classes take long to fit"
    if n_images * len(sizes) >= VERY_DEAR:
        return _Choosing(1, f"an inner holdout instead of four inner folds, since {dear}")
    if _is_enough(_TWO_SHARE, n_images, n_independent, smallest) or _is_narrow(sizes, 1.0):
        enough = f"four fifths of {n_images:,} images{counting} are enough to choose by"
        return _Choosing(2, f"two inner folds instead of four, since {enough}")
    if n_images * len(sizes) >= DEAR:
        return _Choosing(2, f"two inner folds instead of four, since {dear}")
    return None


def _is_enough(share: float, n_images: int, n_independent: float, smallest: float) -> bool:
    """Whether a share of the images is enough to choose by."""
    needed = (n_images, MIN_CHOOSING), (n_independent, MIN_INDEPENDENT), (smallest, MIN_OF_A_CLASS)
    return all(share * n >= least for n, least in needed)


def _is_narrow(sizes: Mapping[str, float], share: float) -> bool:
    """Whether a share of the images tells balanced accuracy well enough, with images enough of the smallest class."""
    return half_width(sizes.values(), share) <= NARROW and share * min(sizes.values()) >= MIN_OF_A_CLASS


def half_width(sizes: Iterable[float], share: float = 1.0) -> float:
    """Largest expected half width of the 95 % interval of balanced accuracy, the mean of the recalls of all classes.

    Parameters
    ----------
    sizes : iterable of float
        Independent images of every class.
    share : float
        Share of them that is judged.

    Examples
    --------
    >>> round(half_width([100, 100]), 3), round(half_width([1133, *[4400] * 9], 2 / 5), 4)
    (0.069, 0.0084)
    """
    judged = [share * size for size in sizes]
    if not judged or min(judged) <= 0:
        return math.inf
    return _QUANTILE * _WIDEST * math.sqrt(sum(1 / n for n in judged)) / len(judged)


def _class_sizes(task: SplitTask) -> dict[str, float]:
    """Effective number of groups of every class that occurs.

    Groups of unequal size count as Kish's effective number, (sum n)^2 / sum n^2, as in the intervals.
    """
    pairs, sizes = task.class_groups()
    codes = pairs[:, 0]
    whole = np.bincount(codes, weights=sizes, minlength=len(task.classes))
    squares = np.bincount(codes, weights=sizes.astype(np.float64) ** 2, minlength=len(task.classes))
    effective = np.divide(whole**2, squares, out=np.zeros_like(whole), where=squares > 0)
    return {task.classes[code]: float(effective[code]) for code in np.unique(task.labels).tolist()}


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
