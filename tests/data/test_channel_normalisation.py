"""Channels normalised by the training images: exact statistics, clear behaviour at the edges, restored or refused."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data import ImageDataset, ImageResize
from headstart.data.channel_normalisation import (
    ChannelNormalisation,
    FittedChannelNormalisation,
    channel_sums,
    mean_and_spread,
    restore,
)
from headstart.data.preparation import cache_settings, learned, restore_preparation
from headstart.errors import DataError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BASE = ImageResize((8, 6))


def images(n_images: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_images, 10, 10, 3), dtype=np.uint8)


def fitted(dataset: ImageDataset, rows: list[int]) -> FittedChannelNormalisation:
    return ChannelNormalisation(BASE, MEAN, STD).fit(dataset, np.array(rows))


def test_mean_and_spread_are_those_of_all_pixels_of_the_rows() -> None:
    dataset = ImageDataset.from_arrays(images())
    found = fitted(dataset, [0, 2, 3])
    pixels = np.stack([dataset.prepared(row, BASE) for row in (0, 2, 3)]).reshape(-1, 3)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.spread, pixels.std(axis=0), rtol=1e-14)
    normal = (found.apply(pixels[None])[0] / 255 - MEAN) / STD
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=0), 1, atol=1e-5)


def test_known_sums_give_the_same_bytes_as_reading_the_images() -> None:
    dataset, rows = ImageDataset.from_arrays(images()), np.array([1, 4])
    sums = channel_sums(np.stack([dataset.prepared(row, BASE) for row in range(5)]))
    known = ChannelNormalisation(BASE, MEAN, STD, sums).fit(dataset, rows)
    slow = fitted(dataset, [1, 4])
    assert (known.mean.tobytes(), known.spread.tobytes()) == (slow.mean.tobytes(), slow.spread.tobytes())
    again = mean_and_spread(sums[[4, 1]], 2 * 48)
    assert again[1].tobytes() == known.spread.tobytes()  # in any order


def test_a_normalisation_of_no_effect_changes_no_bit() -> None:
    mean, spread = 255 * np.array(MEAN), 255 * np.array(STD)
    none = FittedChannelNormalisation(BASE, MEAN, STD, mean, spread, 1)
    pixels = images(1)
    assert none.apply(pixels).tobytes() == pixels.astype(np.float32).tobytes()


def test_a_constant_channel_is_shifted_alone() -> None:
    pixels = images(4)
    pixels[..., 1] = 77
    found = fitted(ImageDataset.from_arrays(pixels), [0, 1, 2, 3])
    assert found.constant == (1,)
    assert found.spread[1] == 0.0
    shown = found.apply(np.full((1, 2, 2, 3), 77, dtype=np.uint8))
    np.testing.assert_allclose(shown[..., 1], 255 * MEAN[1], rtol=1e-6)
    assert np.isfinite(found.apply(images(1))).all()


def test_it_is_restored_with_what_it_learned() -> None:
    found = fitted(ImageDataset.from_arrays(images()), [0, 1])
    again = restore_preparation(found.settings(), learned(found))
    assert isinstance(again, FittedChannelNormalisation)
    assert again.apply(images(1)).tobytes() == found.apply(images(1)).tobytes()
    assert (again.n_images, again.size, again.dtype) == (2, BASE.size, np.float32)
    other = fitted(ImageDataset.from_arrays(images()), [0, 2])
    assert cache_settings(again) == cache_settings(found) != cache_settings(other)


@pytest.mark.parametrize(
    ("settings", "state", "reason"),
    [
        ({"version": 99}, {}, "rules 99.*Install a newer headstart"),
        ({"version": None}, {}, "damaged"),
        ({"target": {"mean": [0.5], "std": [0.5]}}, {}, "not those of 3 channels"),
        ({}, {"mean": np.zeros(2)}, "not those of 3 channels"),
        ({}, {"spread": np.array([1.0, -1.0, 1.0])}, "not those of 3 channels"),
        ({}, {"spread": np.array([1.0, np.nan, 1.0])}, "not those of 3 channels"),
        ({"target": {"mean": [0.5] * 3, "std": [0.5, 0.0, 0.5]}}, {}, "cannot be reached"),
        ({"target": {"mean": [0.5, float("nan"), 0.5], "std": [0.5] * 3}}, {}, "cannot be reached"),
        ({}, {"n_images": np.zeros(0)}, "damaged"),
    ],
)
def test_what_is_damaged_or_newer_is_refused(
    settings: dict[str, object], state: dict[str, np.ndarray], reason: str
) -> None:
    found = fitted(ImageDataset.from_arrays(images()), [0, 1])
    with pytest.raises(DataError, match=reason):
        restore(found.settings() | settings, found.state() | state)


def test_nothing_to_fit_on_is_refused() -> None:
    with pytest.raises(DataError, match="there is none"):
        fitted(ImageDataset.from_arrays(images()), [])
    with pytest.raises(DataError, match="not finite"):
        mean_and_spread(np.array([[np.nan] * 6]), 1)
