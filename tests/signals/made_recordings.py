"""Recordings and their files that the tests of signals share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.signals.recording import Recording


def recording(
    n_samples: int = 60, *, name: str = "a", seed: int = 0, anomaly: slice | None = None, **about: Any
) -> Recording:
    """Two channels of noise around 10 and 1,000, the first one raised while there is an anomaly."""
    values = np.random.default_rng(seed).normal([10.0, 1000.0], [1.0, 5.0], size=(n_samples, 2))
    labels = np.full(n_samples, "normal", dtype=object)
    if anomaly is not None:
        values[anomaly, 0] += 8
        labels[anomaly] = "anomaly"
    given = {"channels": ("pressure", "speed"), "period_s": 1.0, "labels": tuple(labels)}
    return Recording(name, values=values, **(given | about))


def csv_text(
    times: list[Any], *, separator: str = ",", values: Any = None, labels: list[Any] | None = None, time: str = "time"
) -> str:
    """A CSV with two channels."""
    found = np.arange(2 * len(times), dtype=float).reshape(-1, 2) if values is None else values
    lines = [separator.join([time, "pressure", "speed", *(["anomaly"] if labels else [])])]
    for row, moment in enumerate(times):
        cells = [str(moment), *(str(value) for value in found[row]), *([str(labels[row])] if labels else [])]
        lines.append(separator.join(cells))
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_folder(root: Path, n_recordings: int = 6, n_samples: int = 120) -> Path:
    """A folder of recordings, the second half of each an anomaly."""
    for number in range(n_recordings):
        one = recording(n_samples, seed=number, anomaly=slice(n_samples // 2, None))
        labels = [int(label != "normal") for label in one.labels or ()]
        text = csv_text(list(range(n_samples)), values=one.values, labels=labels)
        write(root / f"{number}.csv", text)
    return root
