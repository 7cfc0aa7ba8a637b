"""Simulated pressure of a storage ring: gauges, beam, pumps and drift, and anomalies whose every second is known.

Nothing here was measured. How large the faults are is a setting of the ring (`Ring.strength`); other sizes are frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import InputError
from headstart.signals.recording import ANOMALY, NORMAL, Recording

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

KINDS: Final = ("leak", "burst", "pump", "sensor")
"""A leak that grows slowly; bursts of gas; a pump that stops; a gauge that sticks, rustles or jumps."""
REFERENCE_S: Final = 300.0
"""Start of every recording in which nothing happens."""
START_S: Final = 1_767_225_600.0
"""1 January 2026: the recordings follow one another from there."""
CURRENT_MA: Final = 200.0
NOISE: Final = 0.012
"""Standard deviation of a gauge's noise, in decades of pressure."""
STRENGTH: Final = 2.5
"""Decades of pressure of the largest rise of an anomaly, where a ring names no other."""
MAX_STRENGTH: Final = 5.0
LEAST: Final = 0.4
"""Smallest rise, in units of the largest."""
FLASH: Final = 0.05
"""Decades of the largest flash of a pump, which is normal running."""
_NEIGHBOURS: Final = (1.0, 0.35, 0.1)
"""What of a rise reaches the gauge itself, the next one, and the one after."""


@dataclass(frozen=True)
class Ring:
    """What is simulated.

    Attributes
    ----------
    n_recordings : int
    minutes : float
        Length of a recording.
    n_gauges : int
    events_per_hour : float
        Anomalies; 0 for normal running alone.
    seed : int
    strength : float > 0
        Decades of pressure of the largest rise by a leak, a burst or a pump; a fault of a gauge knows no strength.
    """

    n_recordings: int = 16
    minutes: float = 60.0
    n_gauges: int = 8
    events_per_hour: float = 6.0
    seed: int = 0
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if self.n_recordings < 1 or self.n_gauges < 3:
            raise InputError("A ring has at least one recording and three gauges.")
        if not REFERENCE_S / 60 * 2 <= self.minutes <= 60 * 24 * 40:
            raise InputError(f"A recording is {self.minutes:g} minutes long; expected from 10 minutes to 40 days.")
        if not 0 <= self.events_per_hour <= 20:
            raise InputError(f"events_per_hour is {self.events_per_hour:g}; expected from 0 to 20.")
        if not 0 < self.strength <= MAX_STRENGTH:
            raise InputError(
                f"strength is {self.strength:g} decades of pressure; expected above 0, and at most {MAX_STRENGTH:g}."
            )


@dataclass(frozen=True)
class SimulatedEvent:
    """An anomaly.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    gauge : int
        Number of the gauge that it is nearest to, from 0.
    first, last : int
        Its first and last sample.
    """

    kind: str
    gauge: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class SimulatedRecording:
    """A recording with all that the simulator knows of it.

    Attributes
    ----------
    recording : Recording
        One sample a second: the beam's current in mA, and the pressure of every gauge in mbar.
    events : tuple of SimulatedEvent
    expected : ndarray of shape (n_samples, 1 + n_gauges), float64
        What every channel would be without anomalies and without noise: the hidden state that an oracle knows.
    """

    recording: Recording
    events: tuple[SimulatedEvent, ...]
    expected: Floats


def simulate(ring: Ring) -> tuple[SimulatedRecording, ...]:
    """Recordings of a simulated ring, the same ones for the same settings."""
    sources = np.random.SeedSequence(ring.seed).spawn(ring.n_recordings + 1)
    base = np.random.default_rng(sources[0]).normal(-9.2, 0.2, size=ring.n_gauges)
    return tuple(
        _recording(ring, number, base, np.random.default_rng(source)) for number, source in enumerate(sources[1:])
    )


def _recording(ring: Ring, number: int, base: Floats, rng: Generator) -> SimulatedRecording:
    n_samples = round(ring.minutes * 60)
    current = _current(n_samples, rng)
    quiet = base + _beam_gas(current, ring.n_gauges, rng) + _drift(n_samples, ring.n_gauges, rng)
    quiet += _flashes(n_samples, ring.n_gauges, rng)
    events = _events(ring, n_samples, rng)
    pressure = quiet + sum(_rise(one, quiet.shape, ring.strength, rng) for one in events)
    pressure = pressure + rng.normal(0, NOISE, size=quiet.shape)
    for one in events:
        if one.kind == "sensor":
            _disturb(pressure, one, rng)
    labels = np.full(n_samples, NORMAL, dtype=object)
    for one in events:
        labels[one.first : one.last + 1] = ANOMALY
    measured = current + rng.normal(0, 0.2, size=n_samples)
    recording = Recording(
        name=f"simulated-{number:03d}.csv",
        channels=("beam current", *(f"gauge {place + 1}" for place in range(ring.n_gauges))),
        values=np.column_stack([measured, 10**pressure]),
        period_s=1.0,
        start_s=START_S + number * n_samples,
        has_clock=True,
        labels=tuple(labels.tolist()),
    )
    return SimulatedRecording(recording, events, np.column_stack([current, 10**quiet]))


def _current(n_samples: int, rng: Generator) -> Floats:
    """Beam current: slow decay, and about once an hour a dump, a pause and a new fill."""
    current = CURRENT_MA * np.exp(-np.arange(n_samples) / 36_000)
    place = REFERENCE_S + rng.exponential(3000)
    while place < n_samples:
        first, pause, fill = int(place), int(rng.uniform(120, 400)), int(rng.uniform(60, 180))
        current[first:] = 0
        after = first + pause
        rest = max(n_samples - after, 0)
        rising = np.minimum(np.arange(rest) / fill, 1.0)
        current[after:] = CURRENT_MA * rising * np.exp(-np.maximum(np.arange(rest) - fill, 0) / 36_000)
        place = after + fill + rng.exponential(3000)
    return current


def _beam_gas(current: Floats, n_gauges: int, rng: Generator) -> Floats:
    """Decades by which gas that the beam frees raises each gauge, some seconds behind the current."""
    share = rng.uniform(0.5, 1.5, size=n_gauges)
    slow = _smoothed(current / CURRENT_MA, 20.0)
    return np.log10(1 + share * slow[:, None])


def _drift(n_samples: int, n_gauges: int, rng: Generator) -> Floats:
    """Decades of slow drift: the temperature of the hall, and of each gauge by itself."""
    hours = np.arange(n_samples) / 3600
    hall = 0.03 * np.sin(2 * np.pi * (hours / rng.uniform(1, 3) + rng.uniform()))
    own = np.cumsum(rng.normal(0, 0.0006, size=(n_samples, n_gauges)), axis=0)
    return hall[:, None] * rng.uniform(0.5, 1.5, size=n_gauges) + own


def _flashes(n_samples: int, n_gauges: int, rng: Generator) -> Floats:
    """Decades of the flashes of sublimation pumps, which belong to normal running: gas first, better pumping after."""
    found = np.zeros((n_samples, n_gauges))
    for place in REFERENCE_S + np.cumsum(rng.exponential(900, size=1 + n_samples // 300)):
        first, gauge, size = int(place), int(rng.integers(n_gauges)), FLASH * rng.uniform(0.1, 1.0)
        if first >= n_samples:
            break
        seconds = np.arange(n_samples - first)
        shape = size * (np.exp(-seconds / 25) - 0.35 * (1 - np.exp(-seconds / 25)) * np.exp(-seconds / 240))
        found[first:] += shape[:, None] * _reach(gauge, n_gauges)
    return found


def _events(ring: Ring, n_samples: int, rng: Generator) -> tuple[SimulatedEvent, ...]:
    """Anomalies that do not overlap, behind the quiet start."""
    if ring.events_per_hour == 0:
        return ()
    found: list[SimulatedEvent] = []
    mean_pause = 3600 / ring.events_per_hour - 180
    place = REFERENCE_S + rng.exponential(mean_pause)
    while True:
        length = int(rng.uniform(60, 300))
        if place + length >= n_samples:
            return tuple(found)
        kind, gauge = KINDS[int(rng.integers(len(KINDS)))], int(rng.integers(ring.n_gauges))
        found.append(SimulatedEvent(kind, gauge, int(place), int(place) + length - 1))
        place += length + 30 + rng.exponential(mean_pause)


def _rise(event: SimulatedEvent, shape: tuple[int, ...], strength: float, rng: Generator) -> Floats:
    """Decades by which an anomaly raises every gauge; nothing for a fault of a gauge."""
    n_gauges = shape[1]
    seconds = np.arange(event.last - event.first + 1, dtype=np.float64)
    length = len(seconds)
    size = strength * np.exp(rng.uniform(np.log(LEAST), 0.0))
    if event.kind == "leak":
        course = size * np.minimum(seconds / (0.3 * length), 1.0)
    elif event.kind == "pump":
        course = size * (1 - np.exp(-seconds / 40))
    elif event.kind == "burst":
        starts = np.sort(rng.uniform(0, length, size=max(3, length // 15)))
        age = seconds[:, None] - starts
        course = 1.5 * size * np.where(age >= 0, np.exp(-age / rng.uniform(5, 25)), 0.0).sum(axis=1)
    else:
        course = np.zeros(length)
    found = np.zeros(shape)
    found[event.first : event.last + 1] = course[:, None] * _reach(event.gauge, n_gauges)
    return found


def _disturb(pressure: Floats, event: SimulatedEvent, rng: Generator) -> None:
    """A gauge that sticks, rustles or jumps while the others go on."""
    stretch = pressure[event.first : event.last + 1, event.gauge]
    way = int(rng.integers(3))
    if way == 0:
        stretch[:] = stretch[0]
    elif way == 1:
        stretch += rng.normal(0, NOISE * rng.uniform(2.0, 4.0), size=len(stretch))
    else:
        jumps = rng.random(len(stretch)) < 0.1
        stretch[jumps] += rng.choice([-1.0, 1.0], size=int(jumps.sum())) * rng.uniform(0.1, 0.3, size=int(jumps.sum()))


def _reach(gauge: int, n_gauges: int) -> Floats:
    """Part of a rise that each gauge of the ring sees, by its distance."""
    apart = np.abs(np.arange(n_gauges) - gauge)
    apart = np.minimum(apart, n_gauges - apart)
    found = np.zeros(n_gauges)
    for distance, part in enumerate(_NEIGHBOURS):
        found[apart == distance] = part
    return found


def _smoothed(values: Floats, seconds: float) -> Floats:
    """Values that follow with a delay, as a first-order filter does."""
    from scipy.signal import lfilter

    share = 1 / seconds
    found, _ = lfilter([share], [1, share - 1], values, zi=[values[0] * (1 - share)])
    return np.asarray(found)
