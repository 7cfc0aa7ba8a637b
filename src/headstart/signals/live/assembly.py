"""Whole samples from parts: lines of one time that hold some channels each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from headstart.errors import DataError, first_few
from headstart.signals.live.sample import Sample


class Assembler:
    """Joins samples of one time until all channels are there or time moves on.

    Parameters
    ----------
    channels : tuple of str
    """

    def __init__(self, channels: tuple[str, ...]) -> None:
        self._channels = channels
        self._time_s: float | None = None
        self._values: dict[str, float] = {}
        self._never_seen = set(channels)

    def push(self, part: Sample) -> list[Sample]:
        """Samples that are whole now, in the order of their times: none, one or two."""
        self._never_seen.difference_update(part.values)
        whole = []
        moved_on = part.time_s is not None and self._time_s is not None and part.time_s != self._time_s
        if self._values and (moved_on or self._values.keys() & part.values.keys()):
            whole.append(self._taken())
        if not part.values:
            return whole
        self._time_s = part.time_s if part.time_s is not None else self._time_s
        self._values |= part.values
        if len(self._values) == len(self._channels):
            whole.append(self._taken())
        return whole

    def check_all_seen(self) -> None:
        """Refuse a stream some of whose channels never came.

        Raises
        ------
        DataError
        """
        if self._never_seen:
            raise DataError(
                f"The stream never told of {first_few(sorted(self._never_seen))}, which the model was fitted with. "
                "Channels are matched by their names: rename them in the stream, or fit the model without them."
            )

    def state(self) -> dict[str, Any]:
        """Plain values by which a new one goes on."""
        values = {name: None if math.isnan(value) else value for name, value in self._values.items()}
        return {"time_s": self._time_s, "values": values, "never_seen": sorted(self._never_seen)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; KeyError, TypeError or ValueError for something else."""
        self._time_s = None if state["time_s"] is None else float(state["time_s"])
        values = {str(name): math.nan if value is None else float(value) for name, value in state["values"].items()}
        self._values, self._never_seen = values, {str(name) for name in state["never_seen"]}

    def _taken(self) -> Sample:
        whole = Sample(self._time_s, {name: self._values.get(name, math.nan) for name in self._channels})
        self._time_s, self._values = None, {}
        return whole
