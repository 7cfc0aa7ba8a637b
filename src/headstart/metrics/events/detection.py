"""Events and alarms: how many were found, after what time, and how many false alarms there are in an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.metrics.events.spans import checked_spans, clipped, length_s, overlap_s
from headstart.metrics.validation import FloatArray, plain

LEVEL: Final = 0.95
_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Detection:
    """Alarms judged by event, in one recording or several.

    Attributes
    ----------
    n_events, n_found : int
        Events, and those that an alarm overlaps.
    delays_s : tuple of float
        For each found event the seconds from its start to the first alarm in it; 0 where an alarm was on already.
    n_alarms, n_false : int
        Alarms, and those that overlap no event.
    normal_s : float
        Seconds that were judged and belong to no event.
    normal_in_alarm_s : float
        Of these, seconds in which an alarm was on: one alarm that never ends is one false alarm at most.
    """

    n_events: int
    n_found: int
    delays_s: tuple[float, ...]
    n_alarms: int
    n_false: int
    normal_s: float
    normal_in_alarm_s: float

    @property
    def share_found(self) -> float:
        """Share of the events that were found; nan where there is none."""
        return self.n_found / self.n_events if self.n_events else float("nan")

    @property
    def found_interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the share found (Clopper-Pearson), as if events were independent."""
        return share_interval(self.n_found, self.n_events)

    @property
    def median_delay_s(self) -> float:
        """Median delay of the events that were found; nan where none was."""
        return float(np.median(self.delays_s)) if self.delays_s else float("nan")

    @property
    def false_per_hour(self) -> float:
        """False alarms in an hour of normal running; nan where there was none."""
        return self.n_false * _HOUR_S / self.normal_s if self.normal_s > 0 else float("nan")

    @property
    def false_per_hour_interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the false alarms in an hour, as if they came independently."""
        low, high = count_interval(self.n_false)
        return (
            (low * _HOUR_S / self.normal_s, high * _HOUR_S / self.normal_s) if self.normal_s > 0 else (np.nan, np.nan)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a score is undefined."""
        return {
            "n_events": self.n_events,
            "n_found": self.n_found,
            "share_found": {"value": plain(self.share_found), "ci95": [plain(one) for one in self.found_interval]},
            "median_delay_s": plain(self.median_delay_s),
            "n_alarms": self.n_alarms,
            "n_false": self.n_false,
            "normal_hours": self.normal_s / _HOUR_S,
            "normal_hours_in_alarm": self.normal_in_alarm_s / _HOUR_S,
            "false_per_hour": {
                "value": plain(self.false_per_hour),
                "ci95": [plain(one) for one in self.false_per_hour_interval],
            },
        }


def judge_alarms(
    events: npt.ArrayLike, alarms: npt.ArrayLike, judged: npt.ArrayLike, *, grace_s: float = 0.0
) -> Detection:
    """Alarms of one recording against its events.

    An event is found when an alarm overlaps it, however short; an alarm is false when it overlaps no event. Nothing
    else is made of a found event: windows inside it that gave no alarm stay missed where windows are judged.

    Parameters
    ----------
    events, alarms : array-like of shape (n, 2)
        Starts and ends in seconds.
    judged : array-like of shape (k, 2)
        Spans of the recording that are judged; what lies outside (a reference stretch, a gap) counts for nothing.
    grace_s : float >= 0
        Seconds after its end for which an alarm still belongs to an event: the length of a window, since the window
        that ends after the event still holds a part of it.

    Returns
    -------
    Detection

    Raises
    ------
    InputError
        When spans overlap or end before they start.

    Examples
    --------
    >>> found = judge_alarms([[100, 200]], [[130, 150], [400, 410]], [[0, 3700]])
    >>> found.n_found, found.delays_s, found.n_false, found.false_per_hour
    (1, (30.0,), 1, 1.0)
    """
    if grace_s < 0:
        raise InputError(f"The grace after an event is {grace_s:g} s; expected 0 or more.")
    stretches = checked_spans(judged, "judged spans")
    true = _within(checked_spans(events, "events"), stretches)
    raised = _within(checked_spans(alarms, "alarms"), stretches)
    delays = [delay for event in true if (delay := _delay_s(event, raised)) is not None]
    belonging = true + np.array([0.0, grace_s])
    n_false = int((_overlaps(raised, belonging) == 0).sum())
    normal = length_s(stretches) - float(overlap_s(true, stretches).sum())
    in_alarm = max(length_s(raised) - float(overlap_s(raised, true).sum()), 0.0)
    return Detection(len(true), len(delays), tuple(delays), len(raised), n_false, normal, in_alarm)


def pooled(parts: Sequence[Detection]) -> Detection:
    """Several recordings judged as one: counts and hours added, delays together."""
    return Detection(
        n_events=sum(one.n_events for one in parts),
        n_found=sum(one.n_found for one in parts),
        delays_s=tuple(delay for one in parts for delay in one.delays_s),
        n_alarms=sum(one.n_alarms for one in parts),
        n_false=sum(one.n_false for one in parts),
        normal_s=sum(one.normal_s for one in parts),
        normal_in_alarm_s=sum(one.normal_in_alarm_s for one in parts),
    )


def share_interval(n_found: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson 95 % interval of a share.

    >>> share_interval(0, 10)[0], round(share_interval(0, 10)[1], 4)
    (0.0, 0.3085)
    """
    from scipy.special import betaincinv

    if n == 0:
        return (np.nan, np.nan)
    tail = (1 - LEVEL) / 2
    low = 0.0 if n_found == 0 else float(betaincinv(n_found, n - n_found + 1, tail))
    high = 1.0 if n_found == n else float(betaincinv(n_found + 1, n - n_found, 1 - tail))
    return low, high


def count_interval(count: int) -> tuple[float, float]:
    """Exact 95 % interval of the expectation of a Poisson count.

    References
    ----------
    F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936, DOI 10.1093/biomet/28.3-4.437.

    >>> [round(limit, 3) for limit in count_interval(7)]
    [2.814, 14.423]
    """
    from scipy.special import gammaincinv

    tail = (1 - LEVEL) / 2
    low = 0.0 if count == 0 else float(gammaincinv(count, tail))
    return low, float(gammaincinv(count + 1, 1 - tail))


def _within(spans: FloatArray, judged: FloatArray) -> FloatArray:
    """Spans that have a part in what is judged, each from the first to the last moment of it."""
    kept = []
    for span in spans:
        parts = np.array([part for stretch in judged for part in clipped(span[None], *stretch)])
        if len(parts):
            kept.append([parts[0, 0], parts[-1, 1]])
    return np.array(kept).reshape(-1, 2)


def _overlaps(spans: FloatArray, others: FloatArray) -> npt.NDArray[np.int64]:
    """Number of the others that each span overlaps."""
    meets = (spans[:, None, 0] < others[None, :, 1]) & (others[None, :, 0] < spans[:, None, 1])
    return np.asarray(meets.sum(axis=1), dtype=np.int64)


def _delay_s(event: FloatArray, alarms: FloatArray) -> float | None:
    """Seconds from the start of an event to the first alarm in it; None where there is none."""
    inside = clipped(alarms, event[0], event[1])
    return float(inside[0, 0] - event[0]) if len(inside) else None
