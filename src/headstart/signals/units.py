"""Units that changed: a channel a thousand times what it was when the model was fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

TOLERANCE: Final = 0.35
"""Decades around a power of a thousand within which a change is taken for one of the unit: a factor of 2.2."""


def typical_sizes(values: npt.NDArray[np.float64]) -> list[float]:
    """Median size of every channel of samples (n_samples, n_channels), gaps left out; 0 of one that was never there."""
    sizes = np.abs(values)
    return [float(np.nanmedian(column)) if np.isfinite(column).any() else 0.0 for column in sizes.T]


def changed_units(fitted: Sequence[float], now: Sequence[float], channels: Sequence[str]) -> list[str]:
    """Sentences on channels whose values are a power of a thousand times those that the model was fitted on.

    Parameters
    ----------
    fitted, now : sequence of float
        Typical size of every channel then and now; see `typical_sizes`.
    channels : sequence of str

    Examples
    --------
    >>> changed_units([2.0, 5.0], [2100.0, 5.0], ["Pressure", "Current"])
    ["Channel 'Pressure' is about 1,000 times as large as when the model was fitted: were its units changed?"]
    >>> changed_units([200.0], [0.2], ["I"])
    ["Channel 'I' is about 1,000 times as small as when the model was fitted: were its units changed? Or is it off?"]
    """
    sentences = []
    for before, after, name in zip(fitted, now, channels, strict=True):
        if before <= 0 or after <= 0:
            continue
        decades = math.log10(after / before)
        thousands = round(decades / 3)
        if thousands != 0 and abs(decades - 3 * thousands) <= TOLERANCE:
            factor = f"{1000 ** abs(thousands):,} times as {'large' if thousands > 0 else 'small'}"
            off = "" if thousands > 0 else " Or is it off?"
            sentences.append(
                f"Channel {name!r} is about {factor} as when the model was fitted: were its units changed?{off}"
            )
    return sentences
