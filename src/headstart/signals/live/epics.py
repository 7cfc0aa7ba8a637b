"""Process variables of EPICS as lines: the latest value of every channel, once a sampling period, over pvAccess."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any, Final

from headstart.errors import InputError, first_few
from headstart.signals.live.sources import Chunk

SCHEME: Final = "pva://"
SAID_AFTER_S: Final = 5.0
"""Seconds after which the variables that nobody serves are named."""
_INVALID: Final = 3
"""Severity of an alarm that makes a value none, as EPICS numbers them."""


def epics_chunks(
    prefix: str, channels: Sequence[str], period_s: float, *, say: Callable[[str], None]
) -> Iterator[Chunk]:
    """Lines of JSON with the values of process variables, one a period, without end.

    A value stays until its variable sends another. One that is invalid, or whose server is away, is missing. The time
    is that of the computer that watches.

    Parameters
    ----------
    prefix : str
        What the name of a variable has before that of its channel; may be empty.
    channels : sequence of str
    period_s : float > 0
    say : callable
        Takes sentences for the user.

    Raises
    ------
    InputError
        Without p4p.
    """
    try:
        from p4p.client.thread import Context
    except ImportError as error:
        raise InputError('Process variables need p4p. Install it: pip install "headstart[epics]".') from error
    latest, said = _Latest(), set[str]()
    with Context("pva") as context, ExitStack() as subscriptions:
        for name in channels:
            subscriptions.enter_context(
                closing(context.monitor(prefix + name, latest.taker(name), notify_disconnect=True))
            )
        began = time.monotonic()
        for moment_s in _ticks(period_s):
            away = {prefix + name for name in channels if name not in latest.connected}
            if away - said and time.monotonic() - began > SAID_AFTER_S:
                say(f"No server answers for {first_few(sorted(away))}. Check the names, and EPICS_PVA_ADDR_LIST.")
                said = away
            said &= away
            yield Chunk([json.dumps({"time": moment_s, "values": latest.values(channels)})], None)


class _Latest:
    """Latest values of process variables, which threads of the client bring."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    @property
    def connected(self) -> frozenset[str]:
        """Channels that have a server."""
        return frozenset(self._values)

    def taker(self, name: str) -> Callable[[Any], None]:
        """Function that takes what the variable of a channel sends."""

        def take(sent: Any) -> None:
            if isinstance(sent, Exception):  # the server went away
                self._values.pop(name, None)
            else:
                self._values[name] = _number(sent)

        return take

    def values(self, channels: Sequence[str]) -> dict[str, float | None]:
        """Latest values by channel; None for those that are missing."""
        found = {name: self._values.get(name, math.nan) for name in channels}
        return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _number(sent: Any) -> float:
    """Number that a variable holds; NaN for one that is invalid, and for what is no single number."""
    if getattr(sent, "severity", 0) >= _INVALID:
        return math.nan
    try:
        return float(sent)
    except (TypeError, ValueError):
        return math.nan


def _ticks(period_s: float) -> Iterator[float]:
    """Times since 1970, whole periods apart, each when it has come."""
    place = math.floor(time.time() / period_s) + 1
    while True:
        time.sleep(max(0.0, place * period_s - time.time()))
        yield place * period_s
        place = max(place + 1, math.floor(time.time() / period_s))
