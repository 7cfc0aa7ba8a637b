"""Alarms with hysteresis: raised by some windows in a row, cleared by more of them, known by an id that stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headstart.errors import InputError
from headstart.storage import hash_json

Change = Literal["raised", "cleared"]


@dataclass(frozen=True)
class Hysteresis:
    """Windows in a row that an alarm takes.

    Attributes
    ----------
    raise_after : int > 0
        Windows at or beyond the threshold after which an alarm is raised.
    clear_after : int > 0
        Windows short of the threshold after which it is cleared.
    """

    raise_after: int = 1
    clear_after: int = 3

    def __post_init__(self) -> None:
        if min(self.raise_after, self.clear_after) < 1:
            raise InputError("An alarm is raised and cleared after at least 1 window each.")


@dataclass(frozen=True)
class Alarm:
    """An alarm that is on.

    Attributes
    ----------
    id : str
        Hash of model, channels and start: the same alarm has it again after a restart.
    start_s : float
        Start of the first window that raised it.
    """

    id: str
    start_s: float


class AlarmState:
    """Whether an alarm is on, window by window.

    Parameters
    ----------
    hysteresis : Hysteresis
    model : str
        Hash of the model.
    channels : tuple of str
        All channels of the stream.
    """

    def __init__(self, hysteresis: Hysteresis, model: str, channels: tuple[str, ...]) -> None:
        self._hysteresis, self._model, self._channels = hysteresis, model, channels
        self._n_beyond, self._n_short = 0, 0
        self._first_s = 0.0
        self.alarm: Alarm | None = None

    def update(self, start_s: float, beyond: bool) -> tuple[Alarm | None, Change | None]:
        """The alarm that a window belongs to, and what changed by it.

        Parameters
        ----------
        start_s : float
            Start of the window.
        beyond : bool
            Whether the window is at or beyond the threshold.
        """
        if beyond:
            self._first_s = start_s if self._n_beyond == 0 else self._first_s
            self._n_beyond, self._n_short = self._n_beyond + 1, 0
        else:
            self._n_beyond, self._n_short = 0, self._n_short + 1
        if self.alarm is None and self._n_beyond >= self._hysteresis.raise_after:
            self.alarm = Alarm(alarm_id(self._model, self._channels, self._first_s), self._first_s)
            return self.alarm, "raised"
        if self.alarm is not None and self._n_short >= self._hysteresis.clear_after:
            cleared, self.alarm = self.alarm, None
            return cleared, "cleared"
        return self.alarm, None

    def state(self) -> dict[str, Any]:
        """Plain values by which a new one goes on."""
        start_s = None if self.alarm is None else self.alarm.start_s
        return {"start_s": start_s, "first_s": self._first_s, "n_beyond": self._n_beyond, "n_short": self._n_short}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; KeyError, TypeError or ValueError for something else."""
        start_s = state["start_s"]
        if start_s is not None:
            self.alarm = Alarm(alarm_id(self._model, self._channels, float(start_s)), float(start_s))
        self._first_s = float(state["first_s"])
        self._n_beyond, self._n_short = int(state["n_beyond"]), int(state["n_short"])


def alarm_id(model: str, channels: tuple[str, ...], start_s: float) -> str:
    """Id of an alarm: hash of model, channels and start, to the millisecond.

    >>> alarm_id("m", ("p",), 1.0) == alarm_id("m", ("p",), 1.0000001) != alarm_id("m", ("q",), 1.0)
    True
    """
    return hash_json([model, list(channels), round(start_s * 1000)])[:16]
