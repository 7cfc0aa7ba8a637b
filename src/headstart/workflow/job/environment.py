"""Seconds, speeds, machine and versions: what may differ between two equal runs."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from headstart.engines.capabilities import processor_name
from headstart.progress import Progress, Silent

_PACKAGES = (
    "headstart",
    "nncf",
    "numpy",
    "openvino",
    "pillow",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "torchvision",
)


class Stopwatch:
    """Seconds spent in named steps.

    Parameters
    ----------
    progress : Progress, optional
        Told of every step as a stage.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress or Silent()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time spent in a block to a step."""
        start = time.perf_counter()
        try:
            with self._progress.stage(name):
                yield
        finally:
            spent = max(0.0, time.perf_counter() - start)  # whatever the clock says, no step takes less than nothing
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = _version(name)
    return found


@cache
def _version(name: str) -> str:
    return importlib.metadata.version(name)


def machine() -> dict[str, Any]:
    """The machine in a few words."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": processor_name(),
        "n_processors": os.cpu_count(),
    }
