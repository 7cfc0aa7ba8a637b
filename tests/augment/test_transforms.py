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


@pytest.mark.parametrize("policy", ["flips", "geometric", "photometric", "strong"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_views_of_any_number_of_channels_keep_shape_type_and_scale(policy: str, dtype: type, n_channels: int) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (24, 24, n_channels)).astype(dtype)
    before = pixels.copy()
    seen = View(policy, index=1).apply(pixels, "content")
    assert seen.shape == pixels.shape and seen.dtype == dtype and not np.array_equal(seen, pixels)
    assert seen.min() >= 0 and seen.max() <= 255
    assert np.array_equal(pixels, before)


def test_every_channel_is_moved_as_it_would_be_alone() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (24, 24, 4), dtype=np.uint8)
    view = View("geometric", index=3)
    together = view.apply(pixels, "content")
    for channel in range(4):
        assert np.array_equal(together[..., [channel]], view.apply(pixels[..., [channel]], "content"))
    as_colours = view.apply(np.ascontiguousarray(pixels[..., :3]), "content")
    assert np.array_equal(together[..., :3], as_colours)


def test_floats_that_are_whole_numbers_give_nearly_the_views_of_bytes() -> None:
    pixels = np.random.default_rng(2).integers(60, 196, (32, 32, 3), dtype=np.uint8)
    for policy in ("geometric", "photometric"):
        view = View(policy, index=2)
        difference = view.apply(pixels.astype(np.float32), "content") - view.apply(pixels, "content")
        assert np.abs(difference).mean() < 2
