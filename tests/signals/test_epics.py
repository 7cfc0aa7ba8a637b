"""Process variables of EPICS: a server on the loopback, its values as lines, and what is missing."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from headstart.errors import InputError
from headstart.signals.live import epics
from headstart.signals.live.epics import epics_chunks
from headstart.signals.live.stream import Stream
from headstart.signals.live.windows import StreamShape

CHANNELS = ("beam", "gauge 1")
PATIENCE_S = 30.0


def silent(sentence: str) -> None:
    """Nobody listens."""


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Two variables served on the loopback, and the waveform of a third."""
    pytest.importorskip("p4p", reason="p4p is not installed")
    from p4p.nt import NTScalar
    from p4p.server import Server
    from p4p.server.thread import SharedPV

    served = {
        "RING:beam": SharedPV(nt=NTScalar("i"), initial=200),
        "RING:gauge 1": SharedPV(nt=NTScalar("d"), initial=1.5e-9),
        "RING:shape": SharedPV(nt=NTScalar("ad"), initial=[1.0, 2.0]),
    }
    with Server(providers=[served], isolate=True) as server:
        for name, value in server.conf().items():
            monkeypatch.setenv(name, value)
        yield served


def values_when(chunks: Iterator[Any], ready: Any) -> dict[str, Any]:
    """The first values of a line that are as expected."""
    until = time.monotonic() + PATIENCE_S
    for chunk in chunks:
        values = json.loads(chunk.lines[0])["values"]
        if ready(values):
            return dict(values)
        assert time.monotonic() < until, values
    raise AssertionError("the lines ended")


def test_values_of_the_loopback_come_as_lines_and_follow_changes(variables: dict[str, Any]) -> None:
    chunks = epics_chunks("RING:", CHANNELS, 0.05, say=silent)
    assert values_when(chunks, lambda values: None not in values.values()) == {"beam": 200.0, "gauge 1": 1.5e-9}
    variables["RING:gauge 1"].post(3e-9)
    assert values_when(chunks, lambda values: values["gauge 1"] != 1.5e-9)["gauge 1"] == 3e-9
    variables["RING:gauge 1"].post(3e-9, severity=3)
    assert values_when(chunks, lambda values: values["gauge 1"] is None)["beam"] == 200.0
    variables["RING:beam"].close()
    values_when(chunks, lambda values: values["beam"] is None)
    chunks.close()  # type: ignore[attr-defined]


def test_lines_become_the_windows_of_a_stream(variables: dict[str, Any]) -> None:
    shape = StreamShape(CHANNELS, 0.05, 4, 2)
    stream, windows = Stream(shape), []
    chunks = epics_chunks("RING:", CHANNELS, 0.05, say=silent)
    until = time.monotonic() + PATIENCE_S
    for chunk in chunks:
        windows += stream.push(chunk.lines[0])
        if windows or time.monotonic() > until:
            break
    chunks.close()  # type: ignore[attr-defined]
    assert windows[0].values.tolist() == [[200.0, 1.5e-9]] * 4
    assert windows[0].end_s - windows[0].start_s == pytest.approx(0.15)


def test_variables_without_a_server_and_waveforms_are_missing_and_named_once(
    variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epics, "SAID_AFTER_S", 0.1)
    said: list[str] = []
    chunks = epics_chunks("RING:", ("shape", "none"), 0.05, say=said.append)
    lines = [chunk.lines[0] for chunk in itertools.islice(chunks, 20)]
    chunks.close()  # type: ignore[attr-defined]
    assert json.loads(lines[-1])["values"] == {"shape": None, "none": None}
    assert said[-1].startswith("No server answers for RING:none.") and len(said) <= 2


def test_it_needs_p4p(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "p4p.client.thread", None)
    with pytest.raises(InputError, match=r"headstart\[epics\]"):
        next(epics_chunks("", CHANNELS, 1.0, say=silent))
