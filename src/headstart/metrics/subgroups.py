"""Share predicted right in subgroups of images, and a test of the largest gap between them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.validation import FloatArray, IntArray

MIN_GROUPS: Final = 5
"""Independent groups of images that a subgroup must hold to take part in the test of the largest gap."""
N_PERMUTATIONS: Final = 1999
_LEVEL: Final = 0.95


@dataclass(frozen=True)
class SubgroupScore:
    """Share predicted right in one subgroup.

    Attributes
    ----------
    name : str
    n_images : int
    n_groups : int
        Independent groups (patients) that the images come from.
    right : float
    ci95 : (float, float)
        Wilson's interval, as if the images of a group were one.
    """

    name: str
    n_images: int
    n_groups: int
    right: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Subgroups:
    """Scores of all subgroups by one column, and how surprising their largest gap is.

    Attributes
    ----------
    column : str
    scores : tuple of SubgroupScore
    n_missing : int
        Images without a value.
    gap : float or None
        Largest difference between subgroups of `MIN_GROUPS` groups at least; None where fewer than two have so many.
    p : float or None
        Share of permutations of the values among the groups with a gap as large.
    """

    column: str
    scores: tuple[SubgroupScore, ...]
    n_missing: int
    gap: float | None
    p: float | None


def score_subgroups(oof: OutOfFold, column: str, values: Sequence[str], *, seed: int = 0) -> Subgroups:
    """Share predicted right by the values of a column, means over the repeats.

    Parameters
    ----------
    oof : OutOfFold
        Images that were judged in no repeat do not count.
    column : str
        Name of the column.
    values : sequence of str
        Value of every row, in the order of the predictions; empty where it is missing.
    seed : int
        Of the permutations. Whole groups are permuted, each with its most frequent value.

    Examples
    --------
    >>> labels = np.tile([0, 1], 20)
    >>> certain = np.eye(2)[np.r_[labels[:20], 1 - labels[20:]]]  # all right in the first half, all wrong in the second
    >>> oof = OutOfFold(labels, certain[None], np.zeros((1, 40), int), ("a", "b"))
    >>> found = score_subgroups(oof, "sex", ["male"] * 20 + ["female"] * 20)
    >>> [(one.name, one.right) for one in found.scores], found.gap, found.p < 0.01
    ([('female', 0.0), ('male', 1.0)], 1.0, True)
    """
    right, is_judged = _share_right(oof)
    names = np.array(values, dtype=object)
    used = is_judged & (names != "")
    groups = np.arange(len(names)) if oof.groups is None else oof.groups
    right, names, groups = right[used], names[used], np.unique(groups[used], return_inverse=True)[1]
    listed = sorted(set(names.tolist()))
    scores = tuple(_score(name, right[names == name], groups[names == name]) for name in listed)
    gap, p = _largest_gap(right, names, groups, seed)
    return Subgroups(column, scores, int((is_judged & ~used).sum()), gap, p)


def _share_right(oof: OutOfFold) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """For every row the share of its repeats in which it is predicted right, and whether it is judged in any."""
    judged = oof.fold >= 0
    hits = (oof.probabilities.argmax(axis=2) == oof.labels) & judged
    counts = judged.sum(axis=0)
    return hits.sum(axis=0) / np.maximum(counts, 1), counts > 0


def _score(name: str, right: FloatArray, groups: IntArray) -> SubgroupScore:
    n_groups = len(np.unique(groups))
    share = float(right.mean())
    return SubgroupScore(name, len(right), n_groups, share, _wilson(share, n_groups))


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson 1927, DOI 10.1080/01621459.1927.10502953."""
    z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _largest_gap(
    right: FloatArray, names: npt.NDArray[np.object_], groups: IntArray, seed: int
) -> tuple[float | None, float | None]:
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    value_of = [Counter(names[groups == group].tolist()).most_common(1)[0][0] for group in range(n_groups)]
    large = [name for name, count in Counter(value_of).items() if count >= MIN_GROUPS]
    kept = np.array([group for group in range(n_groups) if value_of[group] in large], dtype=np.int64)
    if len(large) < 2:
        return None, None
    sums, counts = np.bincount(groups, right)[kept].astype(np.float64), np.bincount(groups)[kept]
    codes = np.array([large.index(value_of[group]) for group in kept])
    generator = np.random.default_rng(seed)
    found = _gap(sums, counts, codes, len(large))
    drawn = [_gap(sums, counts, generator.permutation(codes), len(large)) for _ in range(N_PERMUTATIONS)]
    return found, (1 + sum(one >= found - 1e-12 for one in drawn)) / (1 + N_PERMUTATIONS)


def _gap(sums: FloatArray, counts: npt.NDArray[np.integer], codes: IntArray, n_values: int) -> float:
    shares = np.bincount(codes, sums, n_values) / np.bincount(codes, counts, n_values)
    return float(np.ptp(shares))
