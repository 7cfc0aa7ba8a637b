"""A simulated ring written as files: a CSV for every recording, and the truth beside them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.signals.recording import NORMAL
from headstart.signals.simulated_ring import Ring, SimulatedRecording, simulate
from headstart.storage import new_folder, write_bytes, write_json

if TYPE_CHECKING:
    from headstart.signals.recording import Recording

TRUTH: Final = "truth.json"


def write_ring(folder: Path, ring: Ring) -> tuple[SimulatedRecording, ...]:
    """Recordings of a simulated ring, written as CSV with a column ``anomaly``, and their events in ``truth.json``.

    Raises
    ------
    InputError
        When the folder holds something already.
    StorageError
        When the disk refuses.
    """
    with new_folder(folder) as made:
        found = simulate(ring)
        for one in found:
            write_bytes(made / one.recording.name, recording_csv(one.recording))
        write_json(made / TRUTH, {"simulated": True, "ring": asdict(ring), "events": _events(found)})
    return found


def recording_csv(recording: Recording) -> bytes:
    """A recording with dates and whole labels as CSV: 1 where a sample is an anomaly."""
    seconds = recording.start_s + np.arange(len(recording)) * recording.period_s
    moments = np.datetime_as_string((seconds * 1000).round().astype("int64").astype("datetime64[ms]"), unit="s")
    anomaly = [int(label != NORMAL) for label in recording.labels or [NORMAL] * len(recording)]
    text = io.StringIO()
    text.write(",".join(["time", *recording.channels, "anomaly"]) + "\n")
    for moment, values, label in zip(moments.tolist(), recording.values.tolist(), anomaly, strict=True):
        text.write(f"{moment.replace('T', ' ')},{','.join(f'{value:.6g}' for value in values)},{label}\n")
    return text.getvalue().encode()


def _events(found: Sequence[SimulatedRecording]) -> list[dict[str, object]]:
    return [
        {
            "recording": one.recording.name,
            "kind": event.kind,
            "channel": one.recording.channels[1 + event.gauge],
            "start": one.recording.time_text(event.first),
            "end": one.recording.time_text(event.last),
        }
        for one in found
        for event in one.events
    ]
