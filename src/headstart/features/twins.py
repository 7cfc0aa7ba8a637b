"""Near duplicates: candidates from perceptual hashes, confirmed in the space of frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATIO = 0.6
BACKGROUND = 3
_BLOCK = 256


def confirm_twins(
    features: NDArray[np.float32],
    candidates: Sequence[tuple[int, int, int]],
    *,
    ratio: float = RATIO,
    background: int = BACKGROUND,
) -> list[tuple[int, int]]:
    """Candidate pairs that are far closer to each other than either is to the rest of the data set.

    A fixed threshold fails: two different solar cells of one kind reach a centred cosine of 0.99, more than a
    photograph of skin and its own compressed copy (0.95). So each pair is held against its surroundings, as in Lowe's
    ratio test: the distance of the two, divided by the smaller of their distances to their `background`-th nearest
    image.

    Parameters
    ----------
    features : ndarray of shape (n_images, n_features)
        Frozen features of distinct images (exact copies hide each other: hand in one of each).
    candidates : sequence of (int, int, int)
        Rows of two images with alike perceptual hashes, and the Hamming distance of these.
    ratio : float in (0, 1)
        Largest ratio of the two distances at which a pair is confirmed.
    background : int >= 2
        Which neighbour stands for the surroundings; 3 lets up to three copies of one picture find each other.

    Returns
    -------
    list of (int, int)
        Confirmed pairs, sorted, the smaller row first.

    Notes
    -----
    The distance is one minus the cosine after the mean of the data set is taken away. What the default ratio finds and
    what it misses is measured by ``benchmarks/twins.py``.

    References
    ----------
    Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004,
    DOI 10.1023/B:VISI.0000029664.99615.94, section 7.1.
    """
    if not candidates or len(features) <= background:
        return []
    unit = centred_unit_rows(features)
    rows = sorted({row for first, second, _ in candidates for row in (first, second)})
    surroundings = _neighbour_distance(unit, rows, background)
    confirmed = set()
    for first, second, _ in candidates:
        distance = 1.0 - float(unit[first] @ unit[second])
        if distance <= ratio * min(surroundings[first], surroundings[second]):
            confirmed.add((min(first, second), max(first, second)))
    return sorted(confirmed)


def centred_unit_rows(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows minus their mean, scaled to length one; a row equal to the mean stays zero."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, np.finfo(np.float64).tiny))


def _neighbour_distance(unit: NDArray[np.float64], rows: Sequence[int], nth: int) -> dict[int, float]:
    """Distance of some rows to their nth nearest other row, in blocks that bound the memory."""
    distances: dict[int, float] = {}
    for start in range(0, len(rows), _BLOCK):
        block = list(rows[start : start + _BLOCK])
        to_all = 1.0 - unit[block] @ unit.T  # (rows of the block, all rows)
        to_all[np.arange(len(block)), block] = np.inf
        nearest = np.partition(to_all, nth - 1, axis=1)[:, nth - 1]
        distances.update(zip(block, nearest.tolist(), strict=True))
    return distances
