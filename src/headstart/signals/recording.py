"""`Recording`: the channels of one stretch of time on a regular grid, with labels where there are such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import DataError, first_few, unknown_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NORMAL: Final = "normal"
ANOMALY: Final = "anomaly"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class RawRecording:
    """A recording as a file has it: samples at any times, not checked yet.

    Attributes
    ----------
    name : str
        Name of the file without its folder, or of a case in it; unique in a data set.
    channels : tuple of str
    values : ndarray of shape (n_samples, n_channels), float64
        NaN where a value is missing.
    times : ndarray of shape (n_samples,), float64, or None
        Seconds since 1970 in UTC, or since some start; None where the file tells no times.
    has_clock : bool
        Whether times are dates.
    labels : tuple of str or None
        Label of every sample.
    first_row : int
        Number of the first sample's line in the file, for messages.
    notes : tuple of str
        Sentences for the user about what reading changed or left out.
    """

    name: str
    channels: tuple[str, ...]
    values: Floats
    times: Floats | None = None
    has_clock: bool = False
    labels: tuple[str, ...] | None = None
    first_row: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Recording:
    """Channels of one stretch of time, sampled at equal distances.

    Attributes
    ----------
    name : str
    channels : tuple of str
    values : ndarray of shape (n_samples, n_channels), float64
        NaN inside gaps.
    period_s : float > 0
        Seconds from one sample to the next.
    start_s : float
        Time of the first sample: seconds since 1970 in UTC where `has_clock`, else since any start.
    has_clock : bool
    labels : tuple of str or None
        Class of every sample; None where nothing is known.
    notes : tuple of str
        Sentences for the user about everything that reading changed.
    """

    name: str
    channels: tuple[str, ...]
    values: Floats
    period_s: float
    start_s: float = 0.0
    has_clock: bool = False
    labels: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the end of the last."""
        return len(self) * self.period_s

    def time_of(self, sample: int) -> float:
        """Time of a sample, on the scale of `start_s`."""
        return self.start_s + sample * self.period_s

    def time_text(self, sample: int) -> str:
        """Time of a sample as a person reads it: a date, or seconds since the start.

        >>> Recording("a", ("p",), np.zeros((3, 1)), 1.0, 1_583_748_873.0, has_clock=True).time_text(2)
        '2020-03-09 10:14:35'
        """
        if not self.has_clock:
            return f"{sample * self.period_s:g} s"
        moment = _EPOCH + timedelta(microseconds=round(self.time_of(sample) * 1e6))
        return moment.strftime("%Y-%m-%d %H:%M:%S") + (
            f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
        )

    def samples_of(self, seconds: float) -> int:
        """Number of samples in some seconds, at least one."""
        return max(1, round(seconds / self.period_s))

    def with_channels(self, channels: Sequence[str]) -> Recording:
        """The recording with these channels in this order, matched by their names.

        Raises
        ------
        DataError
            When one is not there.
        """
        if tuple(channels) == self.channels:
            return self
        for name in channels:
            if name not in self.channels:
                raise DataError(f"{self.name}: {unknown_name('channel', name, self.channels)}")
        places = [self.channels.index(name) for name in channels]
        return replace(self, channels=tuple(channels), values=self.values[:, places])


def with_same_channels(recordings: Sequence[Recording], channels: Sequence[str] | None = None) -> tuple[Recording, ...]:
    """Recordings with one set of channels in one order, matched by their names.

    Parameters
    ----------
    recordings : sequence of Recording
    channels : sequence of str, optional
        Those to be kept. Default: those of the first recording, which every other one must have too.

    Raises
    ------
    DataError
        When a recording lacks a channel, or has others.
    """
    wanted = tuple(channels or recordings[0].channels)
    for one in recordings if channels is None else ():
        missing, others = set(wanted) - set(one.channels), set(one.channels) - set(wanted)
        if missing or others:
            lacks = f"lacks {first_few(sorted(missing))}" if missing else ""
            has = f"has {first_few(sorted(others))} besides" if others else ""
            told = " and ".join(part for part in (lacks, has) if part)
            raise DataError(
                f"{one.name} {told}, unlike {recordings[0].name}. Channels are matched by their names: name those "
                "that all recordings have with --channels."
            )
    return tuple(one.with_channels(wanted) for one in recordings)
