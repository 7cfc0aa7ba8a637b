"""Affiliation precision and recall: how near alarms lie to events, against what a random moment would reach.

References
----------
A. Huet, J. M. Navarro, D. Rossi, "Local evaluation of time series anomaly detection algorithms", KDD 2022,
DOI 10.1145/3534678.3539339.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.events.spans import checked_spans, clipped, joined
from headstart.metrics.validation import FloatArray, plain

N_SHIFTS = 64
"""Rotations of the alarms that the chance level is the mean over."""


@dataclass(frozen=True)
class Affiliation:
    """Affiliation of alarms with the events of one recording.

    Attributes
    ----------
    precision : float
        Mean over the zones with alarms; nan where there is no alarm.
    recall : float
        Mean over all zones, 0 in one without an alarm; nan where there is no event.
    """

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 0 where there is no alarm."""
        if np.isnan(self.precision):
            return 0.0 if not np.isnan(self.recall) else float("nan")
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a score is undefined."""
        return {"precision": plain(self.precision), "recall": plain(self.recall), "f1": plain(self.f1)}


def affiliation(events: npt.ArrayLike, alarms: npt.ArrayLike, start_s: float, end_s: float) -> Affiliation:
    """Affiliation precision and recall of alarms, by integrals that are exact.

    Time is cut into one zone per event, half-way between neighbours. Precision is the mean, over the moments of alarm
    in a zone, of the probability that a random moment of the zone lies at least as far from the event; recall the mean,
    over the moments of the event, of the probability that a random moment lies at least as far from them as the alarms.
    A random moment therefore has about 1/2: see `affiliation_by_chance`.

    Parameters
    ----------
    events, alarms : array-like of shape (n, 2)
        Starts and ends in seconds.
    start_s, end_s : float
        Time that is judged.

    Returns
    -------
    Affiliation

    Raises
    ------
    InputError
        When spans overlap, end before they start, or the judged time is empty.

    Examples
    --------
    >>> affiliation([[40, 60]], [[40, 60]], 0, 100)
    Affiliation(precision=1.0, recall=1.0)
    >>> affiliation([[40, 60]], [[0, 100]], 0, 100).recall
    1.0
    """
    if end_s <= start_s:
        raise InputError(f"The judged time ends at {end_s:g} s, not after its start at {start_s:g} s.")
    true = clipped(checked_spans(events, "events"), start_s, end_s)
    raised = clipped(checked_spans(alarms, "alarms"), start_s, end_s)
    if len(true) == 0:
        return Affiliation(float("nan"), float("nan"))
    borders = [start_s, *((true[:-1, 1] + true[1:, 0]) / 2).tolist(), end_s]
    precisions, recalls = [], []
    for event, low, high in zip(true, borders[:-1], borders[1:], strict=True):
        here = clipped(raised, low, high)
        recalls.append(_recall(event, here, low, high) if len(here) else 0.0)
        if len(here):
            precisions.append(_precision(event, here, low, high))
    return Affiliation(float(np.mean(precisions)) if precisions else float("nan"), float(np.mean(recalls)))


def affiliation_by_chance(
    events: npt.ArrayLike, alarms: npt.ArrayLike, start_s: float, end_s: float, *, n_shifts: int = N_SHIFTS
) -> Affiliation:
    """Affiliation that these alarms would have if they came at another time of the recording.

    The alarms are rotated within the judged time by `n_shifts` equal steps, so number, lengths and distances stay. An
    affiliation is worth what it lies above this: alarm all the time has a recall of 1 and a precision of about 1/2.

    Parameters
    ----------
    events, alarms, start_s, end_s
        As for `affiliation`.
    n_shifts : int > 0

    Returns
    -------
    Affiliation
        Means over the rotations.
    """
    raised = clipped(checked_spans(alarms, "alarms"), start_s, end_s)
    steps = (np.arange(n_shifts) + 0.5) * (end_s - start_s) / n_shifts
    found = [affiliation(events, _rotated(raised, step, start_s, end_s), start_s, end_s) for step in steps]
    return Affiliation(float(np.mean([one.precision for one in found])), float(np.mean([one.recall for one in found])))


def _rotated(spans: FloatArray, step_s: float, start_s: float, end_s: float) -> FloatArray:
    """Spans moved on by a step; what leaves at the end comes in again at the start."""
    length = end_s - start_s
    moved = spans + step_s
    return joined(np.vstack([clipped(moved, start_s, end_s), clipped(moved - length, start_s, end_s)]))


def _precision(event: FloatArray, alarms: FloatArray, low: float, high: float) -> float:
    """Mean, over the moments of alarm, of the share of the zone that lies as far from the event or farther."""
    begin, end = event

    def share(moments: FloatArray) -> FloatArray:
        distance = np.maximum(np.maximum(begin - moments, moments - end), 0.0)
        farther = np.maximum(begin - distance - low, 0.0) + np.maximum(high - end - distance, 0.0)
        return np.where(distance > 0, farther / (high - low), 1.0)

    kinks = [begin, end, begin - (high - end), end + (begin - low)]
    return _mean_over(alarms, share, kinks)


def _recall(event: FloatArray, alarms: FloatArray, low: float, high: float) -> float:
    """Mean, over the moments of the event, of the share of the zone that lies as far from them as the alarms do."""

    def share(moments: FloatArray) -> FloatArray:
        distances = np.maximum(np.maximum(alarms[:, 0] - moments[:, None], moments[:, None] - alarms[:, 1]), 0.0)
        distance = distances.min(axis=1)
        farther = np.maximum(moments - distance - low, 0.0) + np.maximum(high - moments - distance, 0.0)
        return np.asarray(farther / (high - low))

    between = (alarms[:-1, 1] + alarms[1:, 0]) / 2
    kinks = [*alarms.ravel(), *between, *((low + alarms[:, 0]) / 2), *((high + alarms[:, 1]) / 2)]
    return _mean_over(event[None], share, kinks)


def _mean_over(spans: FloatArray, value: Callable[[FloatArray], FloatArray], kinks: Sequence[float]) -> float:
    """Mean over the spans of a function that is linear between its kinks: exact by the middle of every piece."""
    total = 0.0
    for begin, end in spans:
        cuts = np.array([begin, *sorted(kink for kink in set(kinks) if begin < kink < end), end])
        widths = np.diff(cuts)
        total += float(widths @ value((cuts[:-1] + cuts[1:]) / 2))
    return total / float((spans[:, 1] - spans[:, 0]).sum())
