"""The learning curve: nested subsets of the training folds, each judged on the same held-out images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.data.split.make import split_dataset
from headstart.data.split.stratify import stratified_folds
from headstart.errors import DataError, InputError, SplitError
from headstart.metrics import find_metric
from headstart.study.data import StudyData
from headstart.study.folds import Inner, OuterFold
from headstart.study.learning_curve.power_law import MIN_POINTS, PowerLaw, points_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.study.fold_result import FoldResult

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

N_INNER: Final = 4
MIN_PER_CLASS: Final = 2 * N_INNER
"""Images of the rarest class in the smallest subset: two for every inner fold."""
WORTH: Final = 0.02
"""Two points, the gain that the words speak of."""


@dataclass(frozen=True, eq=False)
class TrainingSubsets:
    """The subsets of a curve.

    Attributes
    ----------
    sizes : ndarray of shape (K,), int64
        Images asked for; a subset that ends with a group may hold a few more.
    folds : tuple of OuterFold
        Repeat by repeat, fold by fold, size by size; ``repeat`` counts repeats and sizes together.
    n_repeats : int
    """

    sizes: Integers
    folds: tuple[OuterFold, ...]
    n_repeats: int

    def place(self, fold: OuterFold) -> tuple[int, int]:
        """Number of the repeat and of the size of a fold."""
        return divmod(fold.repeat, len(self.sizes))


def curve_sizes(n_largest: int, n_smallest: int, n_sizes: int) -> Integers:
    """Sizes that rise by one factor, the largest among them.

    Raises
    ------
    DataError
        When fewer than 4 different sizes lie between.

    Examples
    --------
    >>> curve_sizes(800, 50, 5).tolist()
    [50, 100, 200, 400, 800]
    """
    sizes = np.unique(np.round(np.geomspace(min(n_smallest, n_largest), n_largest, n_sizes)).astype(np.int64))
    if len(sizes) < MIN_POINTS or n_largest < 2 * n_smallest:
        raise DataError(
            f"A learning curve runs from {n_smallest:,} images, where every inner fold still sees each class, to the "
            f"{n_largest:,} of a training fold; expected at least twice as many. Add images, or images of the rarest "
            "class."
        )
    return sizes


def draw_subsets(dataset: ImageDataset, *, n_sizes: int, n_repeats: int, n_folds: int, seed: int) -> TrainingSubsets:
    """Nested subsets of every training fold, groups kept whole, classes in their shares.

    Parameters
    ----------
    dataset : ImageDataset
        Images with near-duplicates joined to groups.
    n_sizes, n_repeats, n_folds : int
        The folds are drawn again for every repeat, and in every training fold an order of the images.
    seed : int

    Raises
    ------
    DataError
        When there are too few images.
    SplitError
        When a class has too few images or groups for the folds, or the data bring a split.
    """
    labels = np.asarray(dataset.labels)
    if dataset.parts is not None:
        raise SplitError(
            "A learning curve draws its folds anew for every repeat, and these data bring their split along. "
            "Put the images of all its parts together with --split-folders pool."
        )
    split = split_dataset(dataset, scheme=f"nested:{n_folds}x{N_INNER}", repeats=n_repeats, seed=seed)
    trains = [train for repeat in range(n_repeats) for _, train, _ in split.outer(repeat)]
    n_largest = min(map(len, trains))
    sizes = curve_sizes(n_largest, _smallest(labels, trains, len(dataset.classes)), n_sizes)
    folds = []
    for repeat in range(n_repeats):
        for fold, train, test in split.outer(repeat):
            generator = np.random.default_rng([seed, repeat, fold])
            order = stratified_order(labels[train], _groups(dataset, train), generator)
            for place, size in enumerate(sizes.tolist()):
                rows = _beginning(dataset, train[order], size)
                inner = _inner(dataset, rows, generator)
                folds.append(OuterFold(repeat * len(sizes) + place, fold, rows, test, inner))
    return TrainingSubsets(sizes, tuple(folds), n_repeats)


def stratified_order(labels: Integers, groups: Integers, generator: np.random.Generator) -> Integers:
    """A random order in which every beginning holds the classes in about their shares, groups in one piece.

    Parameters
    ----------
    labels, groups : ndarray of shape (n,), int64
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,), int64
        Places of the rows.
    """
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    of_group = labels[first]  # groups of several classes follow their first image
    key = np.empty(len(first))
    for label in np.unique(of_group):
        places = generator.permutation(np.flatnonzero(of_group == label))
        key[places] = (np.arange(len(places)) + generator.random(len(places))) / len(places)
    return np.asarray(np.lexsort((np.arange(len(labels)), key[members])), dtype=np.int64)


def losses_of(
    draws: TrainingSubsets, results: Sequence[FoldResult], data: StudyData, metric: str, positive: int | None
) -> Floats:
    """Loss at every repeat and size, of shape (R, K): the score over the held-out images of all folds together.

    Returns
    -------
    ndarray of shape (R, K)
        1 - score, or the score itself where less is better.
    """
    scored = find_metric(metric)
    losses = np.empty((draws.n_repeats, len(draws.sizes)))
    parts: dict[tuple[int, int], list[FoldResult]] = {}
    for result in results:
        parts.setdefault(draws.place(result.outer), []).append(result)
    for place, folds in parts.items():
        rows = np.concatenate([one.outer.test for one in folds])
        probabilities = np.concatenate([one.probabilities for one in folds])
        weights = None if data.weights is None else data.weights[rows]
        score = float(scored(data.labels[rows], probabilities, weights, positive=positive))
        losses[place] = 1.0 - score if scored.greater_is_better else score
    return losses


def curve_document(
    draws: TrainingSubsets, losses: Floats, n_images: int, metric: str, asked: Sequence[int]
) -> dict[str, Any]:
    """The curve, its law and what it says, as JSON values.

    Parameters
    ----------
    draws : TrainingSubsets
    losses : ndarray of shape (R, K)
    n_images : int
        Number of images of the data set.
    metric : str
    asked : sequence of int
        Numbers of training images to predict the score at.

    Raises
    ------
    InputError
        For a number beyond 3 times the images trained on.
    """
    greater = find_metric(metric).greater_is_better
    largest = int(draws.sizes[-1])
    points = points_of(draws.sizes.astype(np.float64), losses, n_images)
    law = PowerLaw.fit(points, largest)
    if not np.isfinite(losses).all():
        raise InputError(f"{find_metric(metric).title} is undefined at some size. Choose another --metric.")
    to_score = _one_less if greater else float
    steps = np.unique(np.round(np.geomspace(draws.sizes[0], 3 * largest, 40)).astype(int)).tolist()
    return {
        "metric": metric,
        "greater_is_better": greater,
        "n_images": n_images,
        "sizes": draws.sizes.tolist(),
        "scores": [[to_score(float(loss)) for loss in row] for row in losses],
        "mean": [to_score(float(loss)) for loss in points.mean],
        "deviation_of_one": [float(value) for value in points.single],
        "law": {
            "form": "loss = a + b (n / 100)^-c; loss = " + ("1 - score" if greater else "score"),
            "a": law.asymptote,
            "c": law.exponent,
            "exponents": [float(value) for value in np.asarray(law.share)],
        },
        "curve": [_row(law, step, to_score) for step in steps],
        "asked": [_row(law, n, to_score) for n in asked],
        "verdict": verdict(law),
    }


def verdict(law: PowerLaw) -> dict[str, Any]:
    """Expected gain of more images, in numbers and in one sentence."""
    n = law.n_images
    most = law.gain(3 * n)
    needed = _needed(law, "loss")
    found: dict[str, Any] = {
        "gain_at_three_times": {"value": most.loss, "band90": [most.low, most.high]},
        "more_for_two_points": None if needed is None else needed - n,
    }
    if most.high < WORTH:
        kind = "no"
        text = (
            f"More images will not help: at three times as many ({3 * n:,}) the law expects "
            f"{_points(most.loss)} points more (90 % band {_points(most.low)} to {_points(most.high)})."
        )
    elif needed is None or most.low < WORTH / 4:
        kind = "unclear"
        text = (
            f"Whether more images help cannot be said from these: at three times as many ({3 * n:,}) the law expects "
            f"{_points(most.loss)} points more, but the 90 % band runs from {_points(most.low)} to "
            f"{_points(most.high)}."
        )
    else:
        kind = "yes"
        early, late = _needed(law, "high"), _needed(law, "low")
        late_words = f"{late - n:,}" if late is not None else f"more than {2 * n:,}"
        text = (
            f"About {_rounded(needed - n):,} more images for +2 points (90 % band "
            f"{(early or needed) - n:,} to {late_words}); three times as many would bring {_points(most.loss)}."
        )
    return {**found, "kind": kind, "text": text}


def _needed(law: PowerLaw, end: str) -> int | None:
    """Fewest images at which the gain, or an end of its band, reaches two points; None within 3 times the images."""
    steps = np.unique(np.round(np.geomspace(law.n_images + 1, 3 * law.n_images, 200)).astype(int)).tolist()
    return next((step for step in steps if getattr(law.gain(step), end) >= WORTH), None)


def _points(gain: float) -> str:
    """In points, without a minus before zero."""
    return f"{round(100 * gain, 1) + 0.0:.1f}"


def _rounded(n: int) -> int:
    """To two figures, which is more than the law knows."""
    digits = max(len(str(n)) - 2, 0)
    return int(round(n, -digits))


def _one_less(loss: float) -> float:
    return 1.0 - loss


def _row(law: PowerLaw, n: int, to_score: Callable[[float], float]) -> dict[str, Any]:
    found = law.predict(n)
    band = sorted([to_score(found.low), to_score(found.high)])
    return {"n": n, "score": to_score(found.loss), "band90": band}


def _smallest(labels: Integers, trains: Sequence[Integers], n_classes: int) -> int:
    """Fewest images of which every class has eight, by its share in the training folds."""
    shares = min(float(np.bincount(labels[train], minlength=n_classes).min() / len(train)) for train in trains)
    return int(np.ceil(MIN_PER_CLASS / max(shares, 1e-9)))


def _groups(dataset: ImageDataset, rows: Integers) -> Integers:
    return np.asarray(rows if dataset.groups is None else dataset.groups[rows], dtype=np.int64)


def _beginning(dataset: ImageDataset, ordered: Integers, size: int) -> Integers:
    """The first images of an order, the last group whole, in the order of the data set."""
    groups, end = _groups(dataset, ordered), size
    while end < len(ordered) and groups[end] == groups[end - 1]:
        end += 1
    return np.asarray(np.sort(ordered[:end]))


def _inner(dataset: ImageDataset, rows: Integers, generator: np.random.Generator) -> Inner:
    """Inner folds of a subset."""
    labels = np.asarray(dataset.labels)[rows]
    place = stratified_folds(labels, _groups(dataset, rows), N_INNER, generator)
    return tuple((rows[place != number], rows[place == number]) for number in range(N_INNER))
