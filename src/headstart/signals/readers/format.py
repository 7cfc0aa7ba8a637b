"""How the files of recordings are to be read, where that cannot be found from the files themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headstart.errors import InputError


@dataclass(frozen=True)
class RecordingFormat:
    """Format of the files as a user names it; everything else is found.

    Attributes
    ----------
    time_column : str or None
        None: a column of a usual name, else the first one that holds dates.
    time_format : str or None
        Format of the times, such as ``%d/%m/%Y %H:%M:%S``. None: found.
    label_column : str or None
        Column of the label of every sample; None: ``anomaly`` or ``label``, where there.
    channels : tuple of str or None
        Columns that are channels. None: every other column.
    rate_hz : float or None
        Samples per second, by which rows are taken as equally spaced, whatever their times. None: found.
    separator : str or None
        What separates the cells of a CSV. None: found.
    """

    time_column: str | None = None
    time_format: str | None = None
    label_column: str | None = None
    channels: tuple[str, ...] | None = None
    rate_hz: float | None = None
    separator: str | None = None

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not (math.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise InputError(f"rate is {self.rate_hz!r}; expected samples per second, above 0.")

    @property
    def period_s(self) -> float | None:
        """Seconds between samples that the user states."""
        return None if self.rate_hz is None else 1 / self.rate_hz
