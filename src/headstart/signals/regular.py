"""Samples at any times brought to equal distances: short gaps bridged by straight lines, long ones left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.errors import DataError, plural
from headstart.signals.recording import RawRecording, Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MAX_BRIDGED: Final = 5
"""Most sampling periods between two samples that are joined by a straight line; what is longer is a gap."""
_SAME: Final = 0.01
"""Part of a period by which a step may differ and still be called equal."""
MAX_SAMPLES: Final = 200_000_000
DEFAULT_RATE_HZ: Final = 1.0


def to_regular(raw: RawRecording, *, period_s: float | None = None) -> Recording:
    """The recording on a grid of equal steps.

    A sample of the grid between two of the file is on the straight line between them, and takes the label of the
    nearer one; where they are more than `MAX_BRIDGED` periods apart it is a gap.

    Parameters
    ----------
    raw : RawRecording
    period_s : float, optional
        Step of the grid in seconds. Default: the median step of the file; without times a second.

    Raises
    ------
    DataError
        When there are fewer than two samples, infinite values, or times that run backwards or repeat.
    """
    _check_values(raw)
    if raw.times is None:
        return _equally_spaced(raw, period_s)
    times = raw.times
    steps = _checked_steps(raw, times)
    period = float(np.median(steps)) if period_s is None else period_s
    notes = list(raw.notes)
    n_grid = 1 + int(np.floor((times[-1] - times[0]) / period + 1e-6))
    if n_grid > MAX_SAMPLES:
        raise DataError(
            f"{raw.name}: at a sample every {period:g} s its times span {n_grid:,} samples; at most {MAX_SAMPLES:,} "
            "are taken. Look for a wrong time, or cut the recording."
        )
    if has_even_steps(steps, period):
        values, labels = _open_gaps(raw.values), raw.labels
    else:
        values, labels = _interpolated(raw, times - times[0], period, n_grid)
        gaps = np.flatnonzero(steps > (MAX_BRIDGED + _SAME) * period)
        share = np.mean(np.abs(steps - period) > _SAME * period)
        notes.append(
            f"{raw.name}: {share:.1%} of the steps differ from {period:g} s; resampled to one sample every {period:g} "
            f"s by straight lines ({len(times):,} samples became {n_grid:,})."
        )
        if len(gaps):
            longest = float(steps[gaps].max())
            many = plural(len(gaps), "gap")
            notes.append(f"{raw.name}: {many} of more than {MAX_BRIDGED * period:g} s, the longest of {longest:g} s.")
    return Recording(raw.name, raw.channels, values, period, float(times[0]), raw.has_clock, labels, notes=tuple(notes))


def has_even_steps(steps_s: Floats, period_s: float) -> bool:
    """Whether all steps from one sample to the next are a period within a hundredth, so that nothing is resampled."""
    return bool(np.all(np.abs(steps_s - period_s) <= _SAME * period_s))


def _equally_spaced(raw: RawRecording, period_s: float | None) -> Recording:
    period = period_s or 1 / DEFAULT_RATE_HZ
    notes = raw.notes
    if period_s is None:
        notes = (*notes, f"{raw.name} tells no times; taken as one sample a second. State the rate with --rate.")
    return Recording(raw.name, raw.channels, _open_gaps(raw.values), period, labels=raw.labels, notes=notes)


def _check_values(raw: RawRecording) -> None:
    if len(raw.values) < 2:
        raise DataError(f"{raw.name} has {plural(len(raw.values), 'sample')}; a recording needs at least 2.")
    infinite = np.isinf(raw.values)
    if infinite.any():
        row, column = (int(places[0]) for places in np.nonzero(infinite))
        raise DataError(
            f"{raw.name}: channel {raw.channels[column]!r} is infinite in row {row + raw.first_row} ("
            f"{int(infinite.sum()):,} such values). Leave the cell empty where the sensor measured nothing."
        )
    for column, name in enumerate(raw.channels):
        if np.isnan(raw.values[:, column]).all():
            raise DataError(
                f"{raw.name}: channel {name!r} is empty. Leave it out by naming the others with --channels."
            )


def _checked_steps(raw: RawRecording, times: Floats) -> Floats:
    missing = np.flatnonzero(~np.isfinite(times))
    if len(missing):
        raise DataError(f"{raw.name}: the time in row {int(missing[0]) + raw.first_row} is missing.")
    steps = np.diff(times)
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong):
        row = int(wrong[0]) + 1 + raw.first_row
        runs = "runs backwards" if steps[wrong[0]] < 0 else "is that of the row before"
        raise DataError(
            f"{raw.name}: the time in row {row} {runs} ({len(wrong):,} such rows). Sort the rows by time, or state the "
            "sampling rate with --rate, and times are not looked at."
        )
    return steps


def _interpolated(
    raw: RawRecording, times: Floats, period: float, n_grid: int
) -> tuple[Floats, tuple[str, ...] | None]:
    """Values and labels on the grid; times are since the first sample."""
    grid = np.arange(n_grid) * period
    columns = [_column(times, raw.values[:, place], grid, period) for place in range(raw.values.shape[1])]
    if raw.labels is None:
        return np.stack(columns, axis=1), None
    middles = (times[1:] + times[:-1]) / 2
    nearest = np.searchsorted(middles, grid, side="left")
    return np.stack(columns, axis=1), tuple(raw.labels[place] for place in nearest.tolist())


def _column(times: Floats, values: Floats, grid: NDArray[Any], period: float) -> Floats:
    """One channel on the grid, NaN between two of its values that are too far apart."""
    there = np.isfinite(values)
    known, found = times[there], np.interp(grid, times[there], values[there])
    right = np.clip(np.searchsorted(known, grid - 1e-6 * period), 0, len(known) - 1)
    left = np.clip(np.searchsorted(known, grid + 1e-6 * period, side="right") - 1, 0, len(known) - 1)
    apart = known[right] - known[left]
    outside = (grid < known[0] - 1e-6 * period) | (grid > known[-1] + 1e-6 * period)
    found[(apart > (MAX_BRIDGED + _SAME) * period) | outside] = np.nan
    return np.asarray(found)


def _open_gaps(values: Floats) -> Floats:
    """Values at equal steps with short runs of missing ones bridged."""
    if not np.isnan(values).any():
        return values
    grid = np.arange(len(values), dtype=np.float64)
    return np.stack([_column(grid, column, grid, 1.0) for column in values.T], axis=1)
