"""Heatmaps carried back to channels and times: hand-computed shares, sums, the shortest stretch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.signals.attribution import by_channel, deviation_evidence, evidence_by_sample, sentence


def test_a_pixel_between_two_channels_is_divided_by_area() -> None:
    # 3 rows for 2 channels: the middle row belongs half to each; 2 columns for 4 samples: half a pixel each
    heatmap = np.array([[4.0, 0.0], [2.0, 0.0], [0.0, 8.0]])
    expected = np.array([[5.0, 5.0, 0.0, 0.0], [1.0, 1.0, 8.0, 8.0]]) / 2
    np.testing.assert_allclose(evidence_by_sample(heatmap, 2, 4), expected / expected.sum())


@pytest.mark.parametrize(("n_channels", "length"), [(1, 1), (3, 7), (8, 60), (200, 500)])
def test_evidence_sums_to_one_whatever_the_sizes(n_channels: int, length: int) -> None:
    heatmap = np.random.default_rng(0).random((96, 128))
    found = evidence_by_sample(heatmap, n_channels, length)
    assert found.shape == (n_channels, length)
    assert found.sum() == pytest.approx(1)


def test_what_speaks_against_the_class_is_no_evidence() -> None:
    assert evidence_by_sample(np.array([[-5.0, 1.0]]), 1, 2).tolist() == [[0.0, 1.0]]
    assert not evidence_by_sample(np.zeros((4, 4)), 2, 2).any()
    assert by_channel(np.zeros((2, 2)), ["a", "b"]) == []


def test_the_stretch_is_the_shortest_that_holds_four_fifths() -> None:
    for seed in range(20):
        row = np.random.default_rng(seed).random(12) ** 4
        found = by_channel(row[None] / row.sum(), ["p"])[0]
        fits = [
            (last - first, first)
            for first, last in itertools.combinations_with_replacement(range(12), 2)
            if row[first : last + 1].sum() >= 0.8 * row.sum() - 1e-12
        ]
        assert (found.last - found.first, found.first) == min(fits)


def test_channels_stand_by_their_share_and_are_told_in_a_sentence() -> None:
    window = np.zeros((60, 3))
    window[10:56, 1], window[30, 2] = 4.0, 10.0
    found = by_channel(deviation_evidence(window), ["Current", "Pressure", "Voltage"])
    assert [one.channel for one in found] == ["Pressure", "Voltage"]
    assert found[0].share == pytest.approx(46 * 16 / (46 * 16 + 100))
    said = sentence(found[1], lambda sample: f"10:42:{sample:02d}")
    assert said == "Voltage, 10:42:30 to 10:42:30, 12 % of the evidence"


def test_what_is_no_heatmap_is_refused() -> None:
    for heatmap in (np.zeros(3), np.zeros((0, 2)), np.array([[np.nan]])):
        with pytest.raises(InputError, match="heatmap"):
            evidence_by_sample(heatmap, 1, 1)
