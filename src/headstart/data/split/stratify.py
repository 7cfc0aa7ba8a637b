"""Dealing images to folds: stratified, with groups kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_N_ATTEMPTS: Final = 20


class Strata(NamedTuple):
    """What is to be spread evenly, from the finest to the coarsest: arrays of shape (n_images,), int64 codes.

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


def by_appearance(codes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """The same partition, numbered in the order of first appearance.

    >>> by_appearance(np.array([7, 3, 7, 0])).tolist()
    [0, 1, 0, 2]
    """
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: NDArray[np.int64] = rank[inverse.reshape(-1)]
    return numbered


def assign_folds(
    strata: Strata, groups: NDArray[np.int64], fractions: Sequence[float], seed: np.random.SeedSequence
) -> NDArray[np.int64] | None:
    """Fold of every image, or None when no fold assignment with every class in every fold was found.

    Groups of several images are dealt first, large ones before small ones, each to the fold where it disturbs the
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
        folds = _Dealer(strata, groups, np.asarray(fractions, dtype=np.float64), child).deal()
        if is_covered(strata, folds, len(fractions)):
            return folds
    return None


def is_covered(strata: Strata, folds: NDArray[np.int64], n_folds: int) -> bool:
    """Whether every fold holds every class that must be there."""
    counts = np.zeros((max(strata.n_needed, int(strata.kind.max(initial=0)) + 1), n_folds), dtype=np.int64)
    np.add.at(counts, (strata.kind, folds), 1)
    needed = counts[: strata.n_needed]
    return bool((needed[needed.any(axis=1)] > 0).all())


class _Dealer:
    """The state of one deal: how many images of each stratum each fold still lacks."""

    def __init__(
        self,
        strata: Strata,
        groups: NDArray[np.int64],
        fractions: NDArray[np.float64],
        seed: np.random.SeedSequence,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.groups = by_appearance(groups)
        fine, kind = by_appearance(strata.fine), by_appearance(strata.kind)
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

    def deal(self) -> NDArray[np.int64]:
        """Fold of every image."""
        sizes = np.bincount(self.groups)
        order = self.rng.permutation(len(sizes))
        order = order[np.argsort(-sizes[order], kind="stable")]
        members = np.split(np.argsort(self.groups, kind="stable"), np.cumsum(sizes)[:-1])
        self._deal_groups([members[group] for group in order.tolist() if sizes[group] > 1])
        singles = [members[group][0] for group in order.tolist() if sizes[group] == 1]
        self._deal_singles(np.array(singles, dtype=np.int64))
        return self.folds

    def _deal_groups(self, members: list[NDArray[np.int64]]) -> None:
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

    def _deal_singles(self, rows: NDArray[np.int64]) -> None:
        counts = np.bincount(self.rows_of[:, 0], minlength=len(self.lack))
        fine = self.rows_of[rows, 0]
        for stratum in np.unique(fine)[np.argsort(-counts[np.unique(fine)], kind="stable")].tolist():
            members = rows[fine == stratum]
            n_dealt = self._deal_bulk(members)
            for row in members[n_dealt:].tolist():
                self._deal_single(row)

    def _deal_bulk(self, rows: NDArray[np.int64]) -> int:
        """Deal at once what each fold lacks of one stratum for certain; how many of `rows` that took."""
        levels = self.rows_of[rows[0]]
        certain = np.maximum(np.floor(self.lack[levels[0]]) - 1, 0).astype(np.int64)
        n_dealt = int(certain.sum())
        if n_dealt > len(rows):  # some fold has too many already, so the others will not get all they lack
            return 0
        self.folds[rows[:n_dealt]] = np.repeat(np.arange(len(certain)), certain)
        self.lack[levels] -= certain
        self.held[levels] += certain
        return n_dealt

    def _deal_single(self, row: int) -> None:
        """One image to the fold without its class, or else the one that lacks most of its stratum, class, images."""
        levels = self.rows_of[row]
        filled = self.held[levels[1]] > 0
        tie = self.rng.random(len(filled))
        fold = int(np.lexsort((tie, *(-self.lack[levels[::-1]]), filled))[0])
        self.folds[row] = fold
        self.lack[levels, fold] -= 1
        self.held[levels, fold] += 1
