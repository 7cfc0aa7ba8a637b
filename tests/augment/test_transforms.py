"""Random numbers and ranges of the transforms."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.augment import RANGES, Custom, Ranges, View
from headstart.augment.transforms import PortableRandom


def test_random_numbers_are_even_and_bell_shaped() -> None:
    draws = PortableRandom("x")
    values = np.array([draws.uniform(2, 4) for _ in range(4000)])
    assert abs(values.mean() - 3) < 5 * (2 / 12**0.5) / 4000**0.5
    assert 2 <= values.min() < 2.01 < 3.99 < values.max() < 4
    bell = draws.normal((300, 333))
    assert bell.shape == (300, 333)
    assert abs(bell.mean()) < 5 / bell.size**0.5
    assert abs(bell.std() - 1) < 0.01
    assert abs(bell).max() < 3.5


def test_random_numbers_are_those_of_the_first_release() -> None:
    """Views are kept in caches and bundles; their random numbers must never change with numpy."""
    draws = PortableRandom("headstart")
    assert [round(draws.uniform(0, 1), 12) for _ in range(3)] == [0.121133167402, 0.02667289212, 0.155465978314]


@pytest.mark.parametrize("ranges", [RANGES, Ranges(180.0, (0.25, 4.0), 0.5), Ranges(45.0, (0.5, 1.0), 0.2)])
def test_no_view_looks_beyond_what_is_continued(ranges: Ranges) -> None:
    """A white picture stays white: nothing black from outside comes in."""
    white = np.full((24, 36, 3), 255, dtype=np.uint8)
    still = Ranges(ranges.rotation_deg, ranges.zoom, ranges.shift, *[(1.0, 1.0)] * 5, 0.0, 0.0)
    for index in range(1, 60):
        assert View("custom", 0, index, Custom("none", still)).apply(white, "a").min() == 255
