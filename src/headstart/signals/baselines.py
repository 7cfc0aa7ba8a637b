"""What a run on recordings is judged against: statistics of the windows, and the mere passing of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data.images.source import BaselineColumns
from headstart.signals.standardise import standardised
from headstart.signals.statistics import statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.signals.choices import Standardising
    from headstart.signals.windows import Windows

RAW_STATISTICS: Final = ("window", "training")
"""Ways to standardise that leave no level to a window, or none yet: statistics are of the values of the file then."""


def window_statistics(windows: Windows, standardise: Standardising) -> NDArray[np.float64]:
    """Statistics of every window, (n_windows, n_channels x 7), of standardised values where these keep a level."""
    raw = standardise in RAW_STATISTICS
    values: NDArray[np.floating] = windows.values() if raw else standardised(windows, standardise)
    return statistics(values)


def signal_baselines(windows: Windows, standardise: Standardising) -> tuple[BaselineColumns, ...]:
    """Columns of the baselines of recordings, which the run itself never sees.

    The clock knows where a window lies in its recording; where it scores well, so does everything that drifts. Of
    recordings with a reference stretch, whose length may be cut at random, the time since that stretch is another.
    """
    start = (windows.start * windows.period_s).astype(np.float32)
    found: list[tuple[str, str, NDArray[np.floating]]] = [
        ("signal_statistics", "statistics of the channels, random forest", window_statistics(windows, standardise)),
        ("signal_clock", "time since the recording began, random forest", start[:, None]),
    ]
    behind = windows.reference[:, 1]
    if (behind > 0).any() and np.ptp(behind) > 0:
        since = (windows.start - behind[windows.recording]) * windows.period_s
        found.append(("signal_since_reference", "time since the reference, random forest", since[:, None]))
    return tuple(BaselineColumns(name, title, values.astype(np.float32)) for name, title, values in found)
