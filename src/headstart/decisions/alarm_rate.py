"""Alarms per day that a stream keeps to, from the scores of normal running, and the days of it that a promise needs.

Windows that follow each other are alike, so their scores cannot be counted as so many independent ones. Normal running
is cut into disjoint blocks of time, and a block speaks by its highest score. Where later blocks are like these
(exchangeable with them), a new one exceeds the r-th highest of n with probability r / (n + 1) exactly, whatever the
scores are; how much that can be off in one fit is a beta distribution (Vovk 2012, arXiv 1209.2673, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, plural

DAY_S: Final = 86_400.0
MIN_RANK: Final = 7
"""Alarms that normal running must have room for before a rate is promised: with seven, the 95 % interval of the rate
reaches from 0.4 to 1.9 times what is promised; with fewer it passes twice."""
LEVEL: Final = 0.95

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AlarmRate:
    """Scores of normal running, and the one above which an alarm is raised.

    Attributes
    ----------
    maxima : ndarray of shape (n,)
        Highest score of every block of normal running, in rising order.
    block_s : float > 0
        Length of a block in seconds.
    per_day : float > 0, or None
        Alarms per day that are promised. None promises nothing: an alarm is what no block of normal running reached.
    """

    maxima: Floats
    block_s: float
    per_day: float | None

    @property
    def rank(self) -> int:
        """Place of the threshold among the maxima, from the highest."""
        if self.per_day is None:
            return 1
        return math.floor(self.per_day * self.block_s / DAY_S * (len(self.maxima) + 1) + 1e-9)

    @property
    def threshold(self) -> float:
        """Score above which an alarm is raised."""
        return float(self.maxima[len(self.maxima) - self.rank])

    @property
    def p_threshold(self) -> float:
        """Largest p that raises an alarm."""
        return self.rank / (len(self.maxima) + 1)

    @property
    def days(self) -> float:
        """Days of normal running that this rests on."""
        return len(self.maxima) * self.block_s / DAY_S

    @property
    def expected_per_day(self) -> float:
        """Expected number of blocks per day with an alarm; alarms that last over several blocks are fewer."""
        return self.p_threshold * DAY_S / self.block_s

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95 % interval of the alarms per day, over the normal running that this might have been fitted on."""
        from scipy.special import betaincinv

        below = len(self.maxima) + 1 - self.rank
        low, high = (float(betaincinv(self.rank, below, tail)) for tail in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return low * DAY_S / self.block_s, high * DAY_S / self.block_s

    def p_values(self, scores: npt.ArrayLike) -> Floats:
        """Conformal p of every score: the share of blocks, this one counted, that reach as high.

        >>> AlarmRate(np.array([1.0, 2.0, 3.0]), 60.0, None).p_values([0.5, 2.0, 9.0]).tolist()
        [1.0, 0.75, 0.25]
        """
        higher = len(self.maxima) - np.searchsorted(self.maxima, np.asarray(scores, dtype=np.float64), side="left")
        return np.asarray((1 + higher) / (len(self.maxima) + 1))

    def unlike_anything_seen(self, scores: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether every score lies above all of normal running."""
        return np.asarray(np.asarray(scores, dtype=np.float64) > self.maxima[-1])

    @property
    def sentence(self) -> str:
        """One line for people on what is promised and what it rests on."""
        rests = f"{plural(len(self.maxima), 'block')} of {self.block_s:g} s of normal running ({self.days:.1f} days)"
        if self.per_day is None:
            return f"No rate of alarms is promised; an alarm is a score above all of {rests}."
        low, high = self.interval
        return f"At most {_alarms(self.per_day)} a day expected (95 % {low:.2f} to {high:.2f}), from {rests}."

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"maxima": self.maxima.tolist(), "block_s": self.block_s, "per_day": self.per_day}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AlarmRate:
        """The rate that `to_json` wrote; InputError, KeyError, TypeError or ValueError for something else."""
        maxima = np.asarray(value["maxima"], dtype=np.float64)
        block_s = float(value["block_s"])
        per_day = None if value["per_day"] is None else float(value["per_day"])
        rising = (
            maxima.ndim == 1 and maxima.size > 0 and bool(np.isfinite(maxima).all() and (np.diff(maxima) >= 0).all())
        )
        if not rising or not block_s > 0 or (per_day is not None and not per_day > 0):
            raise InputError("A rate of alarms needs finite maxima in rising order, a length of blocks and a rate > 0.")
        found = cls(maxima, block_s, per_day)
        if not 1 <= found.rank <= len(maxima):
            raise InputError(f"{len(maxima)} blocks have no threshold for {per_day:g} alarms a day.")
        return found


def min_days(per_day: float) -> float:
    """Days of normal running that a promise needs.

    >>> min_days(1.0), min_days(0.5)
    (7.0, 14.0)
    """
    return MIN_RANK / per_day


def fit_alarm_rate(
    scores: npt.ArrayLike,
    times_s: npt.ArrayLike,
    *,
    block_s: float,
    per_day: float | None = None,
    recordings: npt.ArrayLike | None = None,
) -> AlarmRate:
    """Threshold of alarms from scores of normal running that the model was not trained on.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Score of every window; higher is stranger.
    times_s : array-like of shape (n,)
        Its time in seconds.
    block_s : float > 0
        Length of a block in seconds: at least the length of a window, and as long as what disturbs normal running
        lasts, since a disturbance should touch few blocks.
    per_day : float > 0, optional
        Alarms per day to keep to. Default: none promised.
    recordings : array-like of shape (n,), optional
        Recording of every window; blocks do not reach from one into another. Default: all are of one.

    Returns
    -------
    AlarmRate

    Raises
    ------
    InputError
        When arrays disagree, scores are not finite, or normal running is too short for the promise.

    Examples
    --------
    >>> minutes = np.arange(14 * 1440)
    >>> found = fit_alarm_rate(np.random.default_rng(0).normal(size=minutes.size), minutes * 60, block_s=60, per_day=1)
    >>> found.rank, round(found.days, 1), [round(limit, 2) for limit in found.interval]
    (14, 14.0, [0.55, 1.59])
    """
    values, times = np.asarray(scores, dtype=np.float64), np.asarray(times_s, dtype=np.float64)
    members = np.zeros(values.shape, dtype=np.int64) if recordings is None else np.asarray(recordings)
    if values.ndim != 1 or not values.shape == times.shape == members.shape or values.size == 0:
        raise InputError(
            f"Scores, times and recordings must be as long: {values.shape}, {times.shape}, {members.shape}."
        )
    if not (np.isfinite(values).all() and np.isfinite(times).all()):
        raise InputError("Scores and times of normal running must be finite.")
    if not (block_s > 0 and (per_day is None or per_day > 0)):
        raise InputError(f"Blocks of {block_s:g} s and {per_day} alarms a day: both must be above 0.")
    return check_rate(AlarmRate(np.sort(block_maxima(values, times, members, block_s)), float(block_s), per_day))


def block_maxima(scores: Floats, times_s: Floats, recordings: npt.NDArray[Any], block_s: float) -> Floats:
    """Highest score of every block of every recording; a last block with less than half the windows is left out.

    >>> block_maxima(np.array([1.0, 5.0, 2.0, 3.0, 9.0]), np.arange(5.0), np.zeros(5), 2.0).tolist()
    [5.0, 3.0, 9.0]
    """
    found: list[float] = []
    for name in np.unique(recordings):
        own = recordings == name
        blocks = np.floor((times_s[own] - times_s[own].min()) / block_s).astype(np.int64)
        numbers, places, counts = np.unique(blocks, return_inverse=True, return_counts=True)
        maxima = np.full(numbers.size, -np.inf)
        np.maximum.at(maxima, places, scores[own])
        found.extend(maxima[2 * counts >= np.median(counts)].tolist())
    return np.array(found)


def _alarms(per_day: float) -> str:
    return f"{per_day:g} alarm{'' if per_day == 1 else 's'}"


def check_rate(found: AlarmRate) -> AlarmRate:
    """The rate, where normal running is long enough for it.

    Raises
    ------
    InputError
        When it is too short for what is promised, or there would be an alarm in more than every second block.
    """
    per_day = found.per_day
    if per_day is None:
        return found
    if per_day * found.block_s > DAY_S / 2:
        raise InputError(
            f"{_alarms(per_day)} a day of blocks of {found.block_s:g} s would be one in more than every second block. "
            "Promise fewer, or take shorter blocks."
        )
    if found.rank < MIN_RANK:
        raise InputError(
            f"{_alarms(per_day)} a day cannot be promised from {found.days:.2g} days of normal running; that needs at "
            f"least {min_days(per_day):g}. Record on, or promise {math.ceil(10 * MIN_RANK / found.days) / 10:g} a day."
        )
    return found
