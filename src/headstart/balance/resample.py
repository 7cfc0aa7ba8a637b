"""Resampling: rows of a training fold with balanced classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.balance.registry import METHODS, SMOTE_WINDOWS, check_method, neighbours_of, sampler_module
from headstart.errors import InputError

Features = NDArray[np.float32]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Balanced:
    """Training rows after balancing, with the parents of each.

    Attributes
    ----------
    features : ndarray of shape (m, d), float32
    labels : ndarray of shape (m,), int64
    weights : ndarray of shape (m,), float64
        A made-up row has the mean weight of its parents, or of its class where they are not known.
    parents : ndarray of shape (m, 2), int64
        Numbers of the given rows that each was made of: twice itself for a row taken over; -1 where the sampler does
        not tell.
    """

    features: Features
    labels: Integers
    weights: Floats
    parents: Integers


def balanced(
    features: Features, labels: Integers, *, n_classes: int, weights: Floats | None, method: str, seed: int
) -> Balanced:
    """Rows of one training fold with balanced classes.

    Give training rows alone: what is made up here must never be judged. Distances are taken between standardised
    features, since raw ones differ in scale. Rows of weight 0 are left out.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
    labels : ndarray of shape (n,), int64
        0..n_classes - 1; a class without rows stays without.
    n_classes : int
    weights : ndarray of shape (n,), float64, or None
    method : str
        ``none``; ``weights`` (every class gets the same total weight); ``oversample`` and ``undersample`` (at random,
        to the size of the largest and the smallest class); ``smote`` and ``borderline-smote`` (on lines between
        neighbours of one class, up to the size of the largest; fewer than five neighbours where a class has no more
        rows, and repeated where it has one); or the class name of another sampler of imbalanced-learn, as it comes.
    seed : int
        Seed of everything random.

    Returns
    -------
    Balanced

    Raises
    ------
    InputError
        When the method is unknown or cannot be used on these rows.

    References
    ----------
    N. V. Chawla et al., "SMOTE: synthetic minority over-sampling technique", JAIR 16, 2002. DOI 10.1613/jair.953
    H. Han, W.-Y. Wang, B.-H. Mao, "Borderline-SMOTE", ICIC 2005. DOI 10.1007/11538059_91
    G. Lemaître, F. Nogueira, C. K. Aridas, "Imbalanced-learn", JMLR 18(17), 2017.

    Examples
    --------
    >>> rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    >>> made = balanced(rows, np.array([0, 0, 0, 1]), n_classes=2, weights=None, method="oversample", seed=0)
    >>> made.labels.tolist(), made.parents[:, 0].tolist()
    ([0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 3, 3])
    """
    check_method(method)
    given = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    kept = np.flatnonzero(given > 0)
    if len(kept) < len(given):
        found = balanced(
            features[kept], labels[kept], n_classes=n_classes, weights=given[kept], method=method, seed=seed
        )
        parents = np.where(found.parents == UNKNOWN, UNKNOWN, kept[found.parents])
        return Balanced(found.features, found.labels, found.weights, parents)
    itself = np.repeat(np.arange(len(labels), dtype=np.int64)[:, None], 2, axis=1)
    # views and windows are made before, where images are at hand
    if method in ("none", "views", SMOTE_WINDOWS) or len(np.unique(labels)) < 2:
        return Balanced(features, labels, given, itself)
    if method == "weights":
        return Balanced(features, labels, _even_weights(labels, given, n_classes), itself)
    if method in ("oversample", "undersample"):
        return _taken(features, labels, given, _drawn(labels, method, seed))
    if method in METHODS:
        return _smote(features, labels, given, method, seed)
    return _by_name(features, labels, given, method, seed)


def _even_weights(labels: Integers, weights: Floats, n_classes: int) -> Floats:
    """Weights that sum to the same for every class that is there, and to as much as before in all."""
    totals = np.bincount(labels, weights=weights, minlength=n_classes)
    even = weights.sum() / np.count_nonzero(totals)
    factors = np.divide(even, totals, out=np.zeros(n_classes), where=totals > 0)
    return np.asarray(weights * factors[labels])


def _drawn(labels: Integers, method: str, seed: int) -> Integers:
    """Numbers of the rows to take, those given first and in their order, then repeated ones."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    sampler = (RandomOverSampler if method == "oversample" else RandomUnderSampler)(random_state=seed)
    sampler.fit_resample(np.zeros((len(labels), 1)), labels)
    drawn = np.asarray(sampler.sample_indices_, dtype=np.int64)
    return drawn if method == "oversample" else np.sort(drawn)


def _taken(features: Features, labels: Integers, weights: Floats, rows: Integers) -> Balanced:
    return Balanced(features[rows], labels[rows], weights[rows], np.repeat(rows[:, None], 2, axis=1))


def _smote(features: Features, labels: Integers, weights: Floats, method: str, seed: int) -> Balanced:
    """Rows with those of SMOTE, made class by class, so that a class too small for five neighbours changes no other."""
    from headstart.balance.samplers import smote_rows

    counts = np.bincount(labels)
    made = [_taken(features, labels, weights, np.arange(len(labels), dtype=np.int64))]
    scaled, scale, mean = _standardised(features)
    for label in np.flatnonzero((counts > 0) & (counts < counts.max())).tolist():
        n_missing = int(counts.max() - counts[label])
        if counts[label] == 1:
            made.append(_taken(features, labels, weights, np.repeat(np.flatnonzero(labels == label), n_missing)))
            continue
        new, parents = smote_rows(
            scaled, labels, label, n_missing, method=method, k=neighbours_of(int(counts[label])), seed=seed
        )
        rows = (new * scale + mean).astype(np.float32)
        made.append(Balanced(rows, np.full(len(rows), label), weights[parents].mean(axis=1), parents))
    return _joined(made)


def _by_name(features: Features, labels: Integers, weights: Floats, method: str, seed: int) -> Balanced:
    """Rows from another sampler of imbalanced-learn; those taken over keep their parent, made-up ones have none."""
    from headstart.balance.samplers import resampled

    scaled, scale, mean = _standardised(features)
    rows, classes = resampled(scaled, labels, str(sampler_module(method)), method, seed)
    place = {key: index for index, key in enumerate(_keys(scaled, labels))}
    origin = np.array([place.get(key, UNKNOWN) for key in _keys(rows, classes)], dtype=np.int64)
    if not len(origin):
        raise InputError(f"{method} leaves no training row. Use another balancing method.")
    known = origin != UNKNOWN
    back = np.where(known[:, None], features[origin], (rows * scale + mean).astype(np.float32))
    totals = np.bincount(labels, weights=weights)
    mean_weights = totals / np.maximum(np.bincount(labels), 1)
    found = np.where(known, weights[origin], mean_weights[classes])
    return Balanced(back, classes, found, np.repeat(origin[:, None], 2, axis=1))


def _keys(rows: Floats, labels: Integers) -> list[tuple[bytes, int]]:
    return [(row.tobytes(), label) for row, label in zip(rows, labels.tolist(), strict=True)]


def _standardised(features: Features) -> tuple[Floats, Floats, Floats]:
    """Features of mean 0 and deviation 1, and the deviations and means to undo it; constant ones become 0."""
    exact = features.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    scale = np.where(deviation > 1e-6 * np.abs(mean), deviation, 0.0)
    return (exact - mean) / np.where(scale > 0, scale, np.inf), scale, mean


def _joined(parts: list[Balanced]) -> Balanced:
    return Balanced(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.parents for part in parts]),
    )
