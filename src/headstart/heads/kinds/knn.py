"""Nearest neighbours: nothing is learned, training rows are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import (
    TINY,
    Arrays,
    BlockPredictor,
    Floats,
    linear_map,
    squared_norms,
    standardised,
    unit_rows,
)
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.neighbours import ROWS_AT_ONCE, KeptRows, Neighbours
from headstart.heads.scores import ClassScores, ScoreGradient
from headstart.heads.training_rows import Integers, TrainingRows

MAX_KEPT = 8192
MAX_COMPARED = 1000
"""Kept rows up to which all are compared in float64; of more, those that may be the nearest."""


def fit_knn(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a kNN head for every spec; they share memory.

    Weights are scaled to mean 1, so that the smoothing means the same at every scale of weights. Of more than 8,192
    rows about so many are kept, drawn by the seed, of every class the same share: every image to predict is compared
    with each.
    """
    kept = kept_rows(rows)
    weights = rows.weights[kept] * _class_weights(rows, kept)
    arrays = {"rows": rows.features[kept], "row_classes": rows.labels[kept], "row_weights": weights / weights.mean()}
    return [dict(arrays) for _ in specs]


def kept_rows(rows: TrainingRows) -> Integers:
    """Places of the rows that are kept, rising: at least one of every class."""
    n_rows = len(rows.labels)
    if n_rows <= MAX_KEPT:
        return np.arange(n_rows)
    drawn = np.random.default_rng(rows.seed).permutation(n_rows)
    by_class = drawn[np.argsort(rows.labels[drawn], kind="stable")]
    counts = np.bincount(rows.labels, minlength=rows.n_present)
    place_in_class = np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)
    n_kept = np.ceil(counts * (MAX_KEPT / n_rows))
    return np.sort(by_class[place_in_class < np.repeat(n_kept, counts)])


def _class_weights(rows: TrainingRows, kept: Integers) -> Floats:
    """Factor for each kept row that gives its class the share that it has among all rows."""
    of_all, of_kept = (
        np.bincount(rows.labels[places], weights=rows.weights[places], minlength=rows.n_present)
        for places in (np.arange(len(rows.labels)), kept)
    )
    return np.asarray((of_all / of_kept)[rows.labels[kept]])


def knn_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Smoothed votes of the training rows most similar by the cosine of standardised features."""
    predict = knn_predictors([spec], [arrays])
    return lambda block: predict(block)[0]


def knn_predictors(specs: Sequence[HeadSpec], given: Sequence[Arrays]) -> Callable[[Floats], list[Floats]]:
    """The same for several heads that were fitted together: similarities are computed once."""
    arrays = given[0]  # which all heads share
    return (_predict_by_nearest if _keeps_many(arrays) else _predict_by_all)(specs, arrays)


def _keeps_many(arrays: Arrays) -> bool:
    """Whether so many rows are kept that only those which may have a vote are compared in float64."""
    return len(arrays["rows"]) > MAX_COMPARED


def _n_unpadded(arrays: Arrays) -> int:
    return ROWS_AT_ONCE if _keeps_many(arrays) else 0


def _predict_by_all(specs: Sequence[HeadSpec], arrays: Arrays) -> Callable[[Floats], list[Floats]]:
    """Shares of the votes for every spec, from the similarities to all kept rows."""
    similarity = linear_map(unit_rows(standardised(arrays["rows"], arrays)).T)  # (d, n)
    n_classes = int(np.count_nonzero(arrays["present"]))
    count = linear_map(np.eye(n_classes)[arrays["row_classes"]] * arrays["row_weights"][:, None])  # (n, classes)

    def shares(spec: HeadSpec, similarities: Floats) -> Floats:
        votes = _VOTES[str(spec.settings["votes"])](similarities, spec.whole("k"))
        counts = count(votes) + spec.number("smoothing")
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))

    def predict(block: Floats) -> list[Floats]:
        similarities = similarity(unit_rows(block))
        return [shares(spec, similarities) for spec in specs]

    return predict


def _predict_by_nearest(specs: Sequence[HeadSpec], arrays: Arrays) -> Callable[[Floats], list[Floats]]:
    """The same from the similarities to those kept rows alone that may have a vote."""
    kept, count = KeptRows.of(arrays), _counter(arrays)
    n_nearest = min(max(spec.whole("k") for spec in specs) + 1, len(arrays["rows"]))

    def counts(spec: HeadSpec, found: Neighbours) -> Floats:
        return count(_VOTES[str(spec.settings["votes"])](found.similarities, spec.whole("k")), found.places)

    def shares(spec: HeadSpec, found: Neighbours, instead: Mapping[int, Neighbours]) -> Floats:
        counted = counts(spec, found)
        for row, more in instead.items():
            counted[row] = counts(spec, more)[0]
        counted += spec.number("smoothing")
        return np.asarray(counted / counted.sum(axis=1, keepdims=True))

    def predict(block: Floats) -> list[Floats]:
        found, instead = kept.nearest(block, n_nearest)
        return [shares(spec, found, instead) for spec in specs]

    return predict


def _counter(arrays: Arrays) -> Callable[[Floats, Integers], Floats]:
    """Function from votes and the kept rows that have them, both (n, n_near), to weighted votes (n, classes).

    They are added in the order of the rows, so that votes of 0 between them change no bit.
    """
    n_classes, classes, weights = int(np.count_nonzero(arrays["present"])), arrays["row_classes"], arrays["row_weights"]

    def count(votes: Floats, places: Integers) -> Floats:
        cells = classes[places] + n_classes * np.arange(len(places))[:, None]
        counted = np.bincount(cells.ravel(), (votes * weights[places]).ravel(), n_classes * len(places))
        return np.asarray(counted.reshape(len(places), n_classes), dtype=np.float64)  # counts of no rows are whole

    return count


def knn_scores(spec: HeadSpec, arrays: Arrays) -> ClassScores:
    """Shares of the votes; uniform ones rise in steps and have no gradient."""
    predict = knn_predictor(spec, arrays)
    if spec.settings["votes"] != "distance":
        return ClassScores(predict, is_continuous=False)
    return ClassScores(
        predict,
        _gradient(spec, arrays),
        is_continuous=False,  # at the mean no row is nearer
        smooth_gradient=_smooth_gradient(spec, arrays),
    )


def _smooth_gradient(spec: HeadSpec, arrays: Arrays) -> ScoreGradient:
    """Gradient of votes that all rows have and that fall off as exp(similarity / span of the k nearest).

    Among neighbours of one class the votes themselves hardly change with the features: all k stay of that class. Rows
    beyond the k-th tell what an image would be without what it has.
    """
    units = unit_rows(standardised(arrays["rows"], arrays))  # (n_kept, d)
    classes, row_weights = arrays["row_classes"], arrays["row_weights"]

    def gradient(block: Floats, weights: Floats) -> Floats:
        lengths = np.sqrt(squared_norms(block))
        lengths = np.where(lengths > 0, lengths, 1.0)[:, None]
        directions = block / lengths
        similarities = directions @ units.T  # (n, n_kept)
        nearest = similarities.max(axis=1, keepdims=True)
        span = nearest - _similarity_without_vote(similarities, spec.whole("k"))
        fall = np.where(span > TINY, 1.0 / np.where(span > TINY, span, 1.0), 0.0)
        votes = np.exp((similarities - nearest) * fall) * row_weights
        votes /= votes.sum(axis=1, keepdims=True)
        worth = weights[:, classes]
        pulls = votes * (worth - (votes * worth).sum(axis=1, keepdims=True)) * fall
        along = (pulls * similarities).sum(axis=1, keepdims=True) * directions
        return np.asarray((pulls @ units - along) / lengths)

    return gradient


def _gradient(spec: HeadSpec, arrays: Arrays) -> ScoreGradient:
    """Gradient of the shares of `distance_votes`, as long as the neighbours stay the same ones."""
    units = unit_rows(standardised(arrays["rows"], arrays))  # (n_kept, d)
    classes, row_weights = arrays["row_classes"], arrays["row_weights"]
    smoothing, n_classes = spec.number("smoothing"), int(np.count_nonzero(arrays["present"]))

    def gradient(block: Floats, weights: Floats) -> Floats:
        lengths = np.sqrt(squared_norms(block))
        lengths = np.where(lengths > 0, lengths, 1.0)[:, None]
        directions = block / lengths
        similarities = directions @ units.T  # (n, n_kept)
        votes = distance_votes(similarities, spec.whole("k"))
        counted, worth = votes * row_weights, weights[:, classes]
        total = counted.sum(axis=1, keepdims=True) + n_classes * smoothing
        score = ((counted * worth).sum(axis=1, keepdims=True) + smoothing * weights.sum(axis=1, keepdims=True)) / total
        pulls = _through_votes(row_weights * (worth - score) / total, votes, similarities, spec.whole("k"))
        along = (pulls * similarities).sum(axis=1, keepdims=True) * directions
        return np.asarray((pulls @ units - along) / lengths)

    return gradient


def _through_votes(by_vote: Floats, votes: Floats, similarities: Floats, k: int) -> Floats:
    """Derivatives by similarities (n, n_kept) from those by votes; nearest and (k+1)-th row set the scale of all."""
    n_rows, n_neighbours = similarities.shape
    place = n_neighbours - 1 - min(k, n_neighbours - 1)
    reference = np.argpartition(similarities, place, axis=1)[:, place]
    nearest, rows = similarities.argmax(axis=1), np.arange(n_rows)
    span = similarities[rows, nearest] - similarities[rows, reference]
    by_vote = np.where(votes > 0, by_vote, 0.0)
    moved, scaled = by_vote.sum(axis=1), (by_vote * votes).sum(axis=1)
    pulls = by_vote.copy()
    pulls[rows, reference] += scaled - moved
    pulls[rows, nearest] -= scaled
    return np.where(span > TINY, 1.0 / np.where(span > TINY, span, 1.0), 0.0)[:, None] * pulls


def uniform_votes(similarities: Floats, k: int) -> Floats:
    """One vote for each of the `k` most similar; those tied with the k-th vote as well."""
    n_neighbours = similarities.shape[1]
    place = n_neighbours - min(k, n_neighbours)
    kth = np.partition(similarities, place, axis=1)[:, place, None]
    return (similarities >= kth).astype(np.float64)


def distance_votes(similarities: Floats, k: int) -> Floats:
    """Votes that fall from 1 at the most similar row to 0 at the (k+1)-th.

    Dudani's rule [1]_ lets the votes fall to 0 at the k-th; ending one further gives all k a vote. A row that
    enters or leaves the k nearest does so with a vote of 0, so probabilities change without jumps.
    Where all are equally similar, all vote.

    References
    ----------
    .. [1] S. A. Dudani, "The distance-weighted k-nearest-neighbor rule", IEEE Transactions on Systems, Man, and
       Cybernetics SMC-6(4), 1976, 325-327, eq. 1. DOI 10.1109/TSMC.1976.5408784
    """
    reference = _similarity_without_vote(similarities, k)
    span = similarities.max(axis=1, keepdims=True) - reference
    votes = np.maximum(similarities - reference, 0.0) / np.where(span > TINY, span, 1.0)
    return np.where(span > TINY, votes, uniform_votes(similarities, k))


def _similarity_without_vote(similarities: Floats, k: int) -> Floats:
    """Similarity (n, 1) of the (k+1)-th row, or the last."""
    n_neighbours = similarities.shape[1]
    place = n_neighbours - 1 - min(k, n_neighbours - 1)
    return np.asarray(np.partition(similarities, place, axis=1)[:, place, None])


_VOTES = {"distance": distance_votes, "uniform": uniform_votes}


def _layout(spec: HeadSpec) -> Layout:
    return {"rows": ("float32", "nd"), "row_classes": ("int64", "n"), "row_weights": ("float64", "n")}


def _damage(arrays: Arrays) -> str:
    n_present = int(np.count_nonzero(arrays["present"]))
    if not ((arrays["row_classes"] >= 0) & (arrays["row_classes"] < n_present)).all():
        return f"array 'row_classes' holds values outside 0..{n_present - 1}"
    return "array 'row_weights' must be positive" if (arrays["row_weights"] <= 0).any() else ""


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    return FitCost(0.0, size.n_rows * size.n_features * 2e-9, "rows")


def _n_products(spec: HeadSpec, size: FitSize) -> float:
    n_kept = min(size.n_rows, MAX_KEPT)  # every image is compared with each of them
    return size.n_features * n_kept * (0.5 if n_kept > MAX_COMPARED else 1.0)


register_head(
    HeadKind(
        name="knn",
        title="kNN",
        headline="kNN k = {k}, {votes} votes",
        settings={
            "k": Setting(15),
            "votes": Setting("distance", choices=("distance", "uniform")),
            "smoothing": Setting(1.0),
        },
        layout=_layout,
        fit=fit_knn,
        predictor=knn_predictor,
        predictors=knn_predictors,
        scores=knn_scores,
        cost=_cost,
        n_unpadded=_n_unpadded,
        n_products=_n_products,
        damage=_damage,
        grids={
            "quick": [{"k": 15, "votes": "uniform"}, {"k": 50, "votes": "distance"}],
            "wide": [{"k": k, "votes": votes} for votes in ("distance", "uniform") for k in (1, 5, 15, 50, 100)],
        },
        order=3,
    )
)
