"""Small recordings for tests of streams: two channels at 1 Hz, normal or with two leaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

START_S = 1_583_748_873
LEAKS = (300, 700)
LEAK_S = 60
N_SAMPLES = 1000


def samples(*, leaks: bool = False, seed: int = 0, n: int = N_SAMPLES) -> np.ndarray:
    """Pressure about 2e-9, temperature about 20; a leak multiplies the pressure by up to four."""
    rng = np.random.default_rng(seed)
    values = np.stack([2e-9 * (1 + 0.05 * rng.normal(size=n)), 20 + 0.3 * rng.normal(size=n)], axis=1)
    for start in LEAKS if leaks else ():
        values[start : start + LEAK_S, 0] *= 1 + np.linspace(0, 3, LEAK_S)
    return values


def csv_lines(values: np.ndarray, *, labelled: bool = False) -> list[str]:
    """Lines of a file, the header first."""
    label = ",anomaly" if labelled else ""
    lines = [f"time,Pressure,Temperature{label}"]
    for place, (pressure, temperature) in enumerate(values.tolist()):
        inside = any(start <= place < start + LEAK_S for start in LEAKS)
        lines.append(f"{START_S + place},{pressure!r},{temperature!r}" + (f",{int(inside)}" if labelled else ""))
    return lines


def write_csv(path: Path, values: np.ndarray, *, labelled: bool = False) -> Path:
    """A file of these lines."""
    path.write_text("\n".join(csv_lines(values, labelled=labelled)) + "\n", encoding="utf-8")
    return path
