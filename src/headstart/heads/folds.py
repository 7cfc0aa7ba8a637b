"""Stratified, grouped folds within training rows, for calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.training_rows import Integers


def stratified_folds(
    labels: Integers, groups: npt.NDArray[Any] | None, n_folds: int, generator: np.random.Generator
) -> Integers:
    """Fold of every row, with the classes spread evenly and groups kept whole.

    Groups are dealt out from the largest to the smallest, equal ones in random order, each to the fold that then has
    the most even class counts. Classes with fewer groups than folds leave some folds without them: the caller copes.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64, 0..n_classes - 1
    groups : ndarray of shape (n,) or None
        None: every row is its own group.
    n_folds : int
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,), int64
        0..n_folds - 1.
    """
    if groups is None:
        return _dealt_by_class(labels, n_folds, generator)
    members = np.unique(groups, return_inverse=True)[1].ravel()
    counts = np.zeros((members.max() + 1, labels.max() + 1))
    np.add.at(counts, (members, labels), 1.0)  # (groups, classes)
    order = generator.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    fold_of_group = np.zeros(len(counts), dtype=np.int64)
    shares = np.zeros((n_folds, counts.shape[1]))
    for group in order:
        added = counts[group] / counts.sum(axis=0)
        # Sum of squares grows least where the group's classes are scarcest.
        growth = ((shares + added) ** 2 - shares**2).sum(axis=1)
        fold_of_group[group] = np.argmin(growth)
        shares[fold_of_group[group]] += added
    return fold_of_group[members]


def _dealt_by_class(labels: Integers, n_folds: int, generator: np.random.Generator) -> Integers:
    """Rows of each class shuffled and dealt in turn, one class going on where the last one stopped."""
    shuffled = generator.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[by_class] = np.arange(len(labels)) % n_folds
    return folds
