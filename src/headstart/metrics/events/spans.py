"""Spans of time: half-open intervals [start, end) in seconds, sorted and apart from each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.validation import FloatArray


def spans_of(flags: npt.ArrayLike, starts_s: npt.ArrayLike, ends_s: npt.ArrayLike) -> FloatArray:
    """Spans of the rows that are flagged, those that touch or overlap joined.

    Parameters
    ----------
    flags : array-like of shape (n,), bool
        Whether each row (a sample, a window) is flagged.
    starts_s, ends_s : array-like of shape (n,), float
        Time that each row stands for, in seconds, in order.

    Returns
    -------
    ndarray of shape (m, 2)

    Examples
    --------
    >>> spans_of([False, True, True, False, True], [0, 10, 20, 30, 40], [10, 20, 30, 40, 50]).tolist()
    [[10.0, 30.0], [40.0, 50.0]]
    """
    chosen = np.asarray(flags, dtype=bool)
    starts, ends = np.asarray(starts_s, dtype=np.float64), np.asarray(ends_s, dtype=np.float64)
    if not chosen.shape == starts.shape == ends.shape or chosen.ndim != 1:
        raise InputError(f"Flags, starts and ends must be as long: {chosen.shape}, {starts.shape}, {ends.shape}.")
    return joined(np.column_stack([starts[chosen], ends[chosen]]))


def joined(spans: FloatArray) -> FloatArray:
    """Spans sorted by their start, those that touch or overlap joined to one.

    >>> joined(np.array([[5.0, 6.0], [0.0, 2.0], [1.0, 3.0], [3.0, 4.0]])).tolist()
    [[0.0, 4.0], [5.0, 6.0]]
    """
    if len(spans) == 0:
        return np.empty((0, 2))
    ordered = spans[np.argsort(spans[:, 0], kind="stable")]
    reached = np.maximum.accumulate(ordered[:, 1])
    begins = np.concatenate([[True], ordered[1:, 0] > reached[:-1]])
    last = np.concatenate([np.flatnonzero(begins)[1:] - 1, [len(ordered) - 1]])
    return np.column_stack([ordered[begins, 0], reached[last]])


def checked_spans(spans: npt.ArrayLike, name: str) -> FloatArray:
    """Spans as sorted float64 of shape (n, 2).

    Raises
    ------
    InputError
        When one is empty or not finite, or two overlap.
    """
    array = np.asarray(spans, dtype=np.float64)
    array = array.reshape(0, 2) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise InputError(f"The {name} must be pairs of a start and an end in seconds; got shape {array.shape}.")
    array = array[np.argsort(array[:, 0], kind="stable")]
    if (array[:, 1] <= array[:, 0]).any():
        wrong = array[array[:, 1] <= array[:, 0]][0]
        raise InputError(f"Of the {name} one ends at {wrong[1]:g} s, not after its start at {wrong[0]:g} s.")
    if (array[1:, 0] < array[:-1, 1]).any():
        raise InputError(f"Two of the {name} overlap; join them to one.")
    return array


def clipped(spans: FloatArray, low: float, high: float) -> FloatArray:
    """Parts of the spans between two times."""
    parts = np.clip(spans, low, high)
    return np.asarray(parts[parts[:, 1] > parts[:, 0]])


def length_s(spans: FloatArray) -> float:
    """Summed length in seconds of spans that lie apart."""
    return float((spans[:, 1] - spans[:, 0]).sum())


def overlap_s(spans: FloatArray, others: FloatArray) -> FloatArray:
    """Seconds of every span that the others, which lie apart, cover; shape (n,)."""
    low = np.maximum(spans[:, None, 0], others[None, :, 0])
    high = np.minimum(spans[:, None, 1], others[None, :, 1])
    return np.asarray(np.maximum(high - low, 0.0).sum(axis=1))
