"""Statistics of windows: level, spread, extremes, slope and differences of every channel, as columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STATISTICS: Final = ("mean", "spread", "least", "most", "slope", "step", "largest step")
"""What is told of every channel; a step is from one sample to the next, in absolute value."""


def statistics(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Statistics of windows (n, length, n_channels), shape (n, n_channels x 7): those of the first channel first.

    The slope is that of the least-squares line, over the whole window. None of them tells where a window lies.

    >>> statistics(np.array([[[0.0], [2.0], [4.0]]]))[0].tolist()
    [2.0, 1.632993161855452, 0.0, 4.0, 4.0, 2.0, 2.0]
    """
    x = np.asarray(values, dtype=np.float64)
    length = x.shape[1]
    place = np.arange(length) - (length - 1) / 2
    weight = place * (length - 1) / max(float(np.square(place).sum()), 1e-300)
    steps = np.abs(np.diff(x, axis=1)) if length > 1 else np.zeros_like(x)
    found = [
        x.mean(axis=1),
        x.std(axis=1),
        x.min(axis=1),
        x.max(axis=1),
        np.einsum("nlc,l->nc", x, weight),
        steps.mean(axis=1),
        steps.max(axis=1),
    ]
    return np.stack(found, axis=2).reshape(len(x), -1)


def statistic_names(channels: Sequence[str]) -> list[str]:
    """Name of every column of `statistics`."""
    return [f"{channel} {name}" for channel in channels for name in STATISTICS]
