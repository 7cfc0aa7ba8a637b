"""Samples as they come, brought to equal steps of time as recordings are, without looking ahead."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from headstart.signals.live.sample import Sample

Floats = npt.NDArray[np.float64]

MAX_BRIDGED: Final = 5
"""Most sampling periods between two samples that are joined by a straight line, as in recordings."""
_SAME: Final = 0.01
"""Part of a period by which a step may differ and still be called equal."""


class GridSteps(NamedTuple):
    """Steps of the grid that one sample made known.

    Attributes
    ----------
    n_missing : int
        Steps of a gap before them.
    steps : list of (float, ndarray of shape (n_channels,))
        Times and values.
    """

    n_missing: int
    steps: list[tuple[float, Floats]]


class TimeGrid:
    """Rows at equal steps from samples at any times.

    A step of the grid between two samples lies on the straight line between them; it is therefore known once the later
    sample is there. Where they are more than `MAX_BRIDGED` periods apart the steps between them are missing. A channel
    that misses a value keeps the last one as long.

    Parameters
    ----------
    n_channels : int
    period_s : float > 0
    """

    def __init__(self, n_channels: int, period_s: float) -> None:
        self._period_s = period_s
        self._time_s = np.nan  # of the last sample
        self._next_s = np.nan  # of the next step of the grid
        self._values = np.full(n_channels, np.nan)
        self._age = np.zeros(n_channels, dtype=np.int64)  # samples since each channel had a value

    @property
    def last_s(self) -> float | None:
        """Time of the last sample; None before the first."""
        return None if np.isnan(self._time_s) else float(self._time_s)

    def is_late(self, sample: Sample) -> bool:
        """Whether a sample is not later than the last one."""
        return sample.time_s is not None and bool(sample.time_s <= self._time_s)

    def push(self, sample: Sample) -> GridSteps:
        """Steps that are known now; the caller leaves out late samples."""
        values = self._held(np.array(list(sample.values.values())))
        first = bool(np.isnan(self._time_s))
        time_s = sample.time_s if sample.time_s is not None else (0.0 if first else self._time_s + self._period_s)
        n_missing = 0
        if first:
            self._next_s = time_s
        elif time_s - self._time_s > (MAX_BRIDGED + _SAME) * self._period_s:
            n_missing = max(0, math.ceil((time_s - self._next_s) / self._period_s - _SAME))
            self._next_s += n_missing * self._period_s
        steps = self._between(time_s, values)
        self._time_s, self._values = time_s, values
        return GridSteps(n_missing, steps)

    def state(self) -> dict[str, Any]:
        """Plain values by which a new grid goes on."""
        clocks = np.array([self._time_s, self._next_s])
        return {"clocks": packed(clocks), "values": packed(self._values), "age": self._age.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; KeyError, TypeError or ValueError for something else."""
        self._time_s, self._next_s = unpacked(state["clocks"], (2,)).tolist()
        self._values = unpacked(state["values"], self._values.shape)
        self._age = np.array(state["age"], dtype=np.int64).reshape(self._age.shape)

    def _held(self, values: Floats) -> Floats:
        missing = np.isnan(values)
        self._age = np.where(missing, self._age + 1, 0)
        return np.where(missing & (self._age <= MAX_BRIDGED), self._values, values)

    def _between(self, time_s: float, values: Floats) -> list[tuple[float, Floats]]:
        """Steps of the grid after the last sample, up to this one."""
        slack = _SAME * self._period_s
        steps = []
        while self._next_s <= time_s + slack:
            if time_s - self._next_s <= slack:
                steps.append((time_s, values))
                self._next_s = time_s + self._period_s
                break
            share = (self._next_s - self._time_s) / (time_s - self._time_s)
            steps.append((self._next_s, self._values + share * (values - self._values)))
            self._next_s += self._period_s
        return steps


def packed(values: Floats) -> str:
    """Numbers to the last bit, NaN too, as text.

    >>> unpacked(packed(np.array([0.1, np.nan])), (2,)).tolist()
    [0.1, nan]
    """
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


def unpacked(text: str, shape: tuple[int, ...]) -> Floats:
    """Numbers that `packed` wrote; ValueError for something else."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f8").reshape(shape).copy()
