"""Preparation: from a decoded image to the pixels a network takes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from headstart.data import Preparation
from headstart.errors import DataError, InputError


def test_resize_policies_by_hand() -> None:
    wide = np.zeros((2, 6, 3), dtype=np.uint8)
    wide[:, 2:4] = 255
    image = Image.fromarray(wide)
    assert Preparation((2, 2), resize="crop").apply(image).min() == 255
    padded = Preparation((6, 6), resize="pad").apply(image)[:, :, 0]
    assert padded[2].tolist() == [0, 0, 255, 255, 0, 0]
    assert padded[[0, 1, 4, 5]].max() == 0
    squashed = Preparation((2, 3), resize="squash", interpolation="box").apply(image)[:, :, 0]
    assert squashed.tolist() == [[0, 255, 0]] * 2
    assert Preparation((2, 3), resize="pad").apply(Image.new("RGB", (5_000, 1))).shape == (2, 3, 3)


def test_shrinking_averages_instead_of_aliasing() -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    image = Image.fromarray(np.dstack([board] * 3).astype(np.uint8))
    assert abs(int(Preparation((8, 8)).apply(image).mean()) - 127) <= 2


def test_settings_round_trip_and_refuse_a_newer_decoder() -> None:
    preparation = Preparation((30, 40), resize="pad", interpolation="bicubic", white_level=4_095)
    settings = preparation.settings()
    assert Preparation.from_settings(settings) == preparation
    with pytest.raises(DataError, match="Install a newer headstart"):
        Preparation.from_settings({**settings, "decoder": 99})
    with pytest.raises(DataError, match="damaged"):
        Preparation.from_settings({})
    with pytest.raises(InputError, match="Did you mean 'squash'"):
        Preparation((3, 3), resize="squas")
    assert Preparation((1, 4_096)).size == (1, 4_096)
    for size in ((0, 3), (4_097, 3), (3, 70_000)):
        with pytest.raises(InputError, match="in pixels, each from 1 to 4,096"):
            Preparation(size)
    with pytest.raises(InputError, match="white_level is 0"):
        Preparation((3, 3), white_level=0)
