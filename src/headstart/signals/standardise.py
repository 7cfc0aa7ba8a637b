"""Channels brought to one scale, so that a picture shows how far they are from what is usual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.errors import DataError
from headstart.signals.choices import Standardising

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.signals.windows import Windows

    Floats = NDArray[np.float64]

MIN_RELATIVE_SPREAD: Final = 1e-4
"""Least spread of a channel in units of its size: a reference stretch that is constant says nothing of the spread."""
MIN_REFERENCE: Final = 8
"""Fewest samples of a reference stretch."""
LIMIT: Final = 1e4
"""Standardised values lie within this many spreads."""
_TO_DEVIATION: Final = 1.4826  # from the median absolute deviation to the standard deviation of a normal distribution


def standardised(
    windows: Windows,
    how: Standardising,
    rows: NDArray[np.int64] | None = None,
    *,
    scale: tuple[Floats, Floats] | None = None,
) -> NDArray[np.float32]:
    """Windows standardised by what lies inside or before them, shape (n_rows, length, n_channels).

    Parameters
    ----------
    windows : Windows
    how : {"reference", "robust", "window", "training"}
        By mean and standard deviation of the reference stretch of their recording; by its median and median absolute
        deviation; or by their own mean and deviation. ``training`` leaves values as they are: what they are
        standardised by is learned from the training windows.
    rows : ndarray of int64, optional
        Default: all windows.
    scale : (ndarray, ndarray), optional
        What `reference_scale` gives, where it is known already.
    """
    chosen = np.arange(len(windows)) if rows is None else np.asarray(rows, dtype=np.int64)
    values = windows.values(chosen)
    if how == "training":
        return values.astype(np.float32)
    if how == "window":
        return scaled(values, values.mean(axis=1, keepdims=True), values.std(axis=1, keepdims=True))
    centre, spread = reference_scale(windows, robust=how == "robust") if scale is None else scale
    places = windows.recording[chosen]
    return scaled(values, centre[places][:, None], spread[places][:, None])


def reference_scale(windows: Windows, *, robust: bool = False) -> tuple[Floats, Floats]:
    """Centre and spread of every channel over the reference stretch of each recording, (n_recordings, n_channels).

    Raises
    ------
    DataError
        When there is no reference stretch, or one has fewer than `MIN_REFERENCE` samples of some channel.
    """
    centres, spreads = [], []
    for one, (first, stop) in zip(windows.recordings, windows.reference.tolist(), strict=True):
        stretch = one.values[first:stop]
        known = np.isfinite(stretch).sum(axis=0)
        if len(stretch) < MIN_REFERENCE or known.min() < MIN_REFERENCE:
            raise DataError(
                f"{one.name}: the reference stretch has {known.min() if len(stretch) else 0} samples; at least "
                f"{MIN_REFERENCE} are needed. Take a longer one with --reference, as in 120s; `headstart signals fit` "
                "does without one by --standardise window."
            )
        centre, spread = centre_and_spread(stretch, robust=robust)
        centres.append(centre)
        spreads.append(spread)
    return np.stack(centres), np.stack(spreads)


def centre_and_spread(samples: Floats, *, robust: bool = False) -> tuple[Floats, Floats]:
    """Centre and spread of every channel of (n_samples, n_channels), by means or by medians; gaps left out."""
    if not robust:
        return np.nanmean(samples, axis=0), np.nanstd(samples, axis=0)
    centre = np.nanmedian(samples, axis=0)
    return centre, _TO_DEVIATION * np.nanmedian(np.abs(samples - centre), axis=0)


def scaled(values: NDArray[Any], centre: NDArray[Any], spread: NDArray[Any]) -> NDArray[np.float32]:
    """Values in spreads from their centre, within `LIMIT`; a spread is at least `MIN_RELATIVE_SPREAD` of the centre."""
    floor = np.maximum(MIN_RELATIVE_SPREAD * np.abs(centre), np.finfo(np.float64).tiny)
    found = (values - centre) / np.maximum(spread, floor)
    return np.asarray(np.clip(found, -LIMIT, LIMIT), dtype=np.float32)
