"""The simulated ring is the same for the same seed, and its labels are those of what was put in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.signals import read_recordings
from headstart.signals.simulated_files import write_ring
from headstart.signals.simulated_ring import KINDS, NOISE, REFERENCE_S, Ring, simulate

RING = Ring(n_recordings=3, minutes=20, n_gauges=4, events_per_hour=12, seed=5)


def test_the_same_seed_gives_the_same_ring_and_another_one_another() -> None:
    first, again = simulate(RING), simulate(RING)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.recording.values, other.recording.values)
        assert one.events == other.events
    different = simulate(Ring(3, 20, 4, 12, seed=6))
    assert (different[0].recording.values != first[0].recording.values).any()
    longer = simulate(Ring(4, 20, 4, 12, seed=5))
    np.testing.assert_array_equal(longer[2].recording.values, first[2].recording.values)


def test_labels_are_exact_and_nothing_happens_in_the_reference() -> None:
    found = simulate(RING)
    assert {event.kind for one in found for event in one.events} <= set(KINDS)
    for one in found:
        labels = np.array([label != "normal" for label in one.recording.labels or ()])
        assert labels.sum() == sum(event.last - event.first + 1 for event in one.events)
        assert not labels[: int(REFERENCE_S)].any()
        residual = np.log10(one.recording.values[:, 1:] / one.expected[:, 1:])
        assert residual[~labels].std() == pytest.approx(NOISE, rel=0.05)
        assert abs(residual[~labels]).max() < 6 * NOISE
        for event in one.events:
            inside = residual[event.first : event.last + 1, event.gauge]
            is_stuck = np.ptp(one.recording.values[event.first : event.last + 1, 1 + event.gauge]) == 0
            assert is_stuck or np.sqrt(np.square(inside).mean()) > 1.3 * NOISE, event


def test_the_strength_scales_rises_and_nothing_else() -> None:
    strong, weak = simulate(RING), simulate(replace(RING, strength=0.25))
    for one, other in zip(strong, weak, strict=True):
        assert one.events == other.events
        np.testing.assert_array_equal(one.expected, other.expected)
        high, low = (np.log10(found.recording.values[:, 1:] / found.expected[:, 1:]) for found in (one, other))
        for event in one.events:
            if event.kind in ("leak", "pump"):
                inside = slice((event.first + event.last) // 2, event.last + 1)
                ratio = high[inside, event.gauge].mean() / low[inside, event.gauge].mean()
                assert ratio == pytest.approx(10, rel=0.1)
        np.testing.assert_array_equal(high[: int(REFERENCE_S)], low[: int(REFERENCE_S)])


def test_normal_running_alone_can_be_simulated() -> None:
    (one,) = simulate(Ring(1, 30, events_per_hour=0))
    assert one.events == ()
    assert set(one.recording.labels or ()) == {"normal"}


def test_files_are_read_as_what_was_simulated(tmp_path: Path) -> None:
    found = write_ring(tmp_path / "ring", RING)
    read = read_recordings(tmp_path / "ring")
    for one, other in zip(found, read, strict=True):
        assert other.name == one.recording.name
        assert other.labels == one.recording.labels
        assert other.start_s == one.recording.start_s
        np.testing.assert_allclose(other.values, one.recording.values, rtol=1e-5)
    truth = json.loads((tmp_path / "ring" / "truth.json").read_text())
    assert truth["simulated"] is True
    assert len(truth["events"]) == sum(len(one.events) for one in found)
    with pytest.raises(InputError, match="is there already"):
        write_ring(tmp_path / "ring", RING)


@pytest.mark.parametrize("given", [{"n_recordings": 0}, {"minutes": 5}, {"n_gauges": 2}, {"events_per_hour": 21}])
def test_a_ring_that_cannot_be_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Ring(**given)
