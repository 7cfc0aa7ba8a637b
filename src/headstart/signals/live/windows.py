"""Windows of a live stream, the same that would be cut from it as a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.signals.live.grid import packed, unpacked

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StreamShape:
    """How a stream is cut into windows.

    Attributes
    ----------
    channels : tuple of str
    period_s : float > 0
        Seconds from one sample to the next.
    length, stride : int > 0
        Samples of a window, and from the start of one to that of the next.
    reference : int >= 0
        Samples at the start of the stream that windows are standardised by; none of them is judged.
    """

    channels: tuple[str, ...]
    period_s: float
    length: int
    stride: int
    reference: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "channels": list(self.channels),
            "period_s": self.period_s,
            "length": self.length,
            "stride": self.stride,
            "reference": self.reference,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StreamShape:
        """The shape that `to_json` wrote; KeyError, TypeError or ValueError for something else."""
        channels = tuple(str(name) for name in value["channels"])
        found = cls(
            channels,
            float(value["period_s"]),
            *(int(value[name]) for name in ("length", "stride", "reference")),
        )
        if not channels or not found.period_s > 0 or min(found.length, found.stride) < 1 or found.reference < 0:
            raise ValueError("a stream has channels, and windows longer than nothing")
        return found


@dataclass(frozen=True, eq=False)
class LiveWindow:
    """One window of a stream.

    Attributes
    ----------
    start_s, end_s : float
        Times of its first sample, and of the last.
    values : ndarray of shape (length, n_channels)
        As measured.
    reference : ndarray of shape (n_reference, n_channels)
        Stretch at the start of the stream; empty where none was asked for. The same array for every window.
    """

    start_s: float
    end_s: float
    values: Floats
    reference: Floats


class LiveWindows:
    """Ring buffer from which a window is taken whenever one is full; windows that touch a gap are left out.

    Parameters
    ----------
    shape : StreamShape

    Attributes
    ----------
    lacking : tuple of int
        Channels without which the last row left a window incomplete, though there was no gap in time.
    """

    def __init__(self, shape: StreamShape) -> None:
        self._shape = shape
        n_channels = len(shape.channels)
        self._reference = np.empty((0, n_channels))
        self._buffer = np.empty((4 * shape.length, n_channels))
        self._times = np.empty(4 * shape.length)
        self._filled = 0  # rows of the buffer in use
        self._until_next = shape.length  # rows until the next window is full
        self.lacking: tuple[int, ...] = ()

    @property
    def has_reference(self) -> bool:
        """Whether the reference stretch is there, so that windows can be judged."""
        return len(self._reference) == self._shape.reference

    @property
    def is_full(self) -> bool:
        """Whether there are as many samples as a window has."""
        return self._filled >= self._shape.length

    def skip(self, n_rows: int) -> None:
        """Pass over rows that are missing: windows that touch them are left out, the others stay where they were."""
        lacking = min(n_rows, self._shape.reference - len(self._reference))
        n_channels = len(self._shape.channels)
        self._reference = np.vstack([self._reference, np.full((lacking, n_channels), np.nan)])
        n_rows -= lacking
        for _ in range(min(n_rows, self._shape.length)):
            self._append(np.nan, np.full(n_channels, np.nan))
        if n_rows < self._until_next:
            self._until_next -= n_rows
        else:
            self._until_next = self._shape.stride - (n_rows - self._until_next) % self._shape.stride

    def push(self, time_s: float, row: Floats) -> LiveWindow | None:
        """The window that this row makes full, if it does."""
        self.lacking = ()
        if not self.has_reference:
            self._reference = np.vstack([self._reference, row])
            return None
        self._append(time_s, row)
        self._until_next -= 1
        if self._until_next > 0:
            return None
        self._until_next = self._shape.stride
        values = self._buffer[self._filled - self._shape.length : self._filled]
        missing = np.isnan(values)
        if missing.any():
            single = missing & ~missing.all(axis=1, keepdims=True)  # rows of a gap lack every channel
            self.lacking = tuple(np.flatnonzero(single.any(axis=0)).tolist())
            return None
        first = float(self._times[self._filled - self._shape.length])
        return LiveWindow(first, time_s, values.copy(), self._reference)

    def state(self) -> dict[str, Any]:
        """Plain values by which a new one goes on."""
        kept = slice(max(0, self._filled - self._shape.length), self._filled)
        return {
            "reference": packed(self._reference),
            "rows": packed(self._buffer[kept]),
            "times": packed(self._times[kept]),
            "until_next": self._until_next,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; KeyError, TypeError or ValueError for something else."""
        n_channels = len(self._shape.channels)
        rows, times = unpacked(state["rows"], (-1, n_channels)), unpacked(state["times"], (-1,))
        reference, until_next = unpacked(state["reference"], (-1, n_channels)), int(state["until_next"])
        if len(rows) != len(times) or len(rows) > self._shape.length or len(reference) > self._shape.reference:
            raise ValueError("the rows kept are not those of these windows")
        self._reference, self._until_next, self._filled = reference, until_next, len(rows)
        self._buffer[: len(rows)], self._times[: len(rows)] = rows, times

    def _append(self, time_s: float, row: Floats) -> None:
        if self._filled == len(self._buffer):
            first = len(self._buffer) - self._shape.length
            self._buffer[: self._shape.length] = self._buffer[first:]
            self._times[: self._shape.length] = self._times[first:]
            self._filled = self._shape.length
        self._buffer[self._filled], self._times[self._filled] = row, time_s
        self._filled += 1
