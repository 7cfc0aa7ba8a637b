"""Recordings of many channels as pictures of their windows.

What needs heavy libraries is imported only when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from headstart.signals.dataset import read, window_dataset
    from headstart.signals.readers.format import RecordingFormat
    from headstart.signals.readers.read import read_recordings
    from headstart.signals.recipe import SignalRecipe
    from headstart.signals.recording import Recording
    from headstart.signals.windows import Windowing, Windows, cut_windows

__all__ = [
    "Recording",
    "RecordingFormat",
    "SignalRecipe",
    "Windowing",
    "Windows",
    "cut_windows",
    "read",
    "read_recordings",
    "window_dataset",
]

_HOMES = {
    "Recording": "recording",
    "RecordingFormat": "readers.format",
    "SignalRecipe": "recipe",
    "Windowing": "windows",
    "Windows": "windows",
    "cut_windows": "windows",
    "read": "dataset",
    "read_recordings": "readers.read",
    "window_dataset": "dataset",
}

__getattr__ = lazy_names(__name__, _HOMES)
