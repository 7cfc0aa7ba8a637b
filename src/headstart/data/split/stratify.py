"""Assignment of images to folds: stratified by class, with groups kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data.groups import number_by_appearance

_N_ATTEMPTS: Final = 20


class Strata(NamedTuple):
    """Strata that are spread evenly over the folds, finer and coarser: arrays of shape (n_images,), int64 codes.

    Attributes
    ----------
    fine : ndarray
        Parts of a class that are spread evenly too; equal to `kind` when there are none.
    kind : ndarray
        The class; images that do not count (weight 0) have codes from `n_needed` on.
    n_needed : int
        Every fold must hold every kind below this number.
    """

    fine: NDArray[np.int64]
    kind: NDArray[np.int64]
    n_needed: int

    def take(self, rows: NDArray[np.int64]) -> Strata:
        """The strata of some rows."""
        return Strata(self.fine[rows], self.kind[rows], self.n_needed)


def assign_folds(
    strata: Strata, groups: NDArray[np.int64], fractions: Sequence[float], seed: np.random.SeedSequence
) -> NDArray[np.int64] | None:
    """Fold of every image, or None when no fold assignment with every class in every fold was found.

    Groups of several images are assigned first, large ones before small ones, each to the fold where it disturbs the
    balance least (as scikit-learn's StratifiedGroupKFold does, with the expected squared deviation in place of the
    standard deviation); then single images, each to the fold that lacks its stratum most. Without groups every
    class differs by at most one image between equal folds.

    Parameters
    ----------
    strata : Strata
    groups : ndarray of shape (n_images,), int64
        Images of one code stay together.
    fractions : sequence of float
        Share of the images each fold should get; sums to 1.
    seed : numpy.random.SeedSequence
        Decides among equals.

    Returns
    -------
    ndarray of shape (n_images,), int64, or None
    """
    for child in seed.spawn(_N_ATTEMPTS):
        folds = _FoldAssignment(strata, groups, np.asarray(fractions, dtype=np.float64), child).assign()
        if is_covered(strata, folds, len(fractions)):
            return folds
    return None


def is_covered(strata: Strata, folds: NDArray[np.int64], n_folds: int) -> bool:
    """Whether every fold holds every class that must be there."""
    counts = np.zeros((max(strata.n_needed, int(strata.kind.max(initial=0)) + 1), n_folds), dtype=np.int64)
    np.add.at(counts, (strata.kind, folds), 1)
    needed = counts[: strata.n_needed]
    return bool((needed[needed.any(axis=1)] > 0).all())


class _FoldAssignment:
    """State of one attempt to fill the folds: how many images of each stratum each fold still lacks."""

    def __init__(
        self,
        strata: Strata,
        groups: NDArray[np.int64],
        fractions: NDArray[np.float64],
        seed: np.random.SeedSequence,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.groups = number_by_appearance(groups)
        fine, kind = number_by_appearance(strata.fine), number_by_appearance(strata.kind)
        n_fine, n_kinds = int(fine.max(initial=0)) + 1, int(kind.max(initial=0)) + 1
        self.rows_of = np.stack([fine, n_fine + kind, np.full(len(fine), n_fine + n_kinds)], axis=1)  # (images, levels)
        self.kinds = slice(n_fine, n_fine + n_kinds)
        self.needed = np.zeros(n_kinds, dtype=np.bool_)
        self.needed[kind[strata.kind < strata.n_needed]] = True
        sizes = np.bincount(self.rows_of.reshape(-1), minlength=n_fine + n_kinds + 1).astype(np.float64)
        self.lack = sizes[:, None] * fractions  # (strata of all levels, folds)
        self.weight = 1 / np.maximum(self.lack, 1e-12)
        self.held = np.zeros_like(self.lack, dtype=np.int64)
        self.folds = np.full(len(fine), -1, dtype=np.int64)

    def assign(self) -> NDArray[np.int64]:
        """Fold of every image."""
        sizes = np.bincount(self.groups)
        order = self.rng.permutation(len(sizes))
        order = order[np.argsort(-sizes[order], kind="stable")]
        members = np.split(np.argsort(self.groups, kind="stable"), np.cumsum(sizes)[:-1])
        self._assign_groups([members[group] for group in order.tolist() if sizes[group] > 1])
        singles = [members[group][0] for group in order.tolist() if sizes[group] == 1]
        self._assign_singles(np.array(singles, dtype=np.int64))
        return self.folds

    def _assign_groups(self, members: list[NDArray[np.int64]]) -> None:
        if not members:
            return
        contents = [np.bincount(self.rows_of[rows].reshape(-1), minlength=len(self.lack)) for rows in members]
        present = np.array([content[self.kinds] > 0 for content in contents])
        # Chances left to give a class to a fold: groups still to come, and single images after them.
        single = np.bincount(self.groups)[self.groups] == 1
        singles = np.bincount(self.rows_of[single, 1], minlength=len(self.lack))[self.kinds]
        chances = np.cumsum(present[::-1], axis=0)[::-1] + singles
        for rows, content, kinds, left in zip(members, contents, present, chances, strict=True):
            fold = self._best_fold(content, kinds, left)
            self.folds[rows] = fold
            self.lack[:, fold] -= content
            self.held[:, fold] += content

    def _best_fold(self, content: NDArray[np.int64], kinds: NDArray[np.bool_], left: NDArray[np.int64]) -> int:
        """Fold for a group: one that waits for a scarce class of it, and there the one least disturbed."""
        empty = self.held[self.kinds] == 0  # (kinds, folds)
        scarce = kinds & self.needed & (left <= empty.sum(axis=1))
        present = np.flatnonzero(content)
        count = content[present, None]
        disturbance = ((count - 2 * self.lack[present]) * count * self.weight[present]).sum(axis=0)
        waiting = empty[scarce].sum(axis=0)
        tie = self.rng.permutation(len(waiting))
        return int(np.lexsort((tie, disturbance, -waiting))[0])

    def _assign_singles(self, rows: NDArray[np.int64]) -> None:
        counts = np.bincount(self.rows_of[:, 0], minlength=len(self.lack))
        fine = self.rows_of[rows, 0]
        for stratum in np.unique(fine)[np.argsort(-counts[np.unique(fine)], kind="stable")].tolist():
            members = rows[fine == stratum]
            n_assigned = self._assign_bulk(members)
            for row in members[n_assigned:].tolist():
                self._assign_single(row)

    def _assign_bulk(self, rows: NDArray[np.int64]) -> int:
        """Give each fold at once what it lacks of one stratum for certain; number of `rows` that this used up."""
        levels = self.rows_of[rows[0]]
        certain = np.maximum(np.floor(self.lack[levels[0]]) - 1, 0).astype(np.int64)
        n_assigned = int(certain.sum())
        if n_assigned > len(rows):  # some fold has too many already, so the others will not get all they lack
            return 0
        self.folds[rows[:n_assigned]] = np.repeat(np.arange(len(certain)), certain)
        self.lack[levels] -= certain
        self.held[levels] += certain
        return n_assigned

    def _assign_single(self, row: int) -> None:
        """Put one image into the fold without its class, else the one that lacks most of its stratum, class, images."""
        levels = self.rows_of[row]
        filled = self.held[levels[1]] > 0
        tie = self.rng.random(len(filled))
        fold = int(np.lexsort((tie, *(-self.lack[levels[::-1]]), filled))[0])
        self.folds[row] = fold
        self.lack[levels, fold] -= 1
        self.held[levels, fold] += 1


def stratified_folds(
    labels: NDArray[np.int64], groups: NDArray[Any] | None, n_folds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Fold of every row, by a quick rule for calibration inside training rows.

    The classes are spread evenly and groups kept whole. Groups are taken from the largest to the smallest, equal ones
    in random order, each put into the fold that then has the most even class counts. Classes with fewer groups than
    folds leave some folds without them: unlike `assign_folds`, which draws again, this leaves it to the caller.

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
        return _folds_by_class(labels, n_folds, generator)
    members = np.unique(groups, return_inverse=True)[1].ravel()
    counts = np.zeros((members.max() + 1, labels.max() + 1))
    np.add.at(counts, (members, labels), 1.0)  # (groups, classes)
    order = generator.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    fold_of_group = np.zeros(len(counts), dtype=np.int64)
    shares = np.zeros((n_folds, counts.shape[1]))
    added_by = counts / counts.sum(axis=0)
    for group in order:
        added = added_by[group]
        # Sum of squares grows least where the group's classes are scarcest.
        growth = ((shares + added) ** 2 - shares**2).sum(axis=1)
        fold_of_group[group] = np.argmin(growth)
        shares[fold_of_group[group]] += added
    return fold_of_group[members]


def _folds_by_class(labels: NDArray[np.int64], n_folds: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Folds of shuffled rows, filled class by class in turn, one class going on where the last one stopped."""
    shuffled = generator.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[by_class] = np.arange(len(labels)) % n_folds
    return folds
