"""Preparation: from a decoded image to the pixels a network takes."""

from __future__ import annotations

import importlib
import sys
import types

import numpy as np
import pytest
from PIL import Image

from headstart.data import ImageResize
from headstart.data.preparation import MODULES, cache_settings, learned, restore_preparation
from headstart.errors import DataError, InputError


def test_resize_policies_by_hand() -> None:
    wide = np.zeros((2, 6, 3), dtype=np.uint8)
    wide[:, 2:4] = 255
    image = Image.fromarray(wide)
    assert ImageResize((2, 2), resize="crop").resized(image).min() == 255
    padded = ImageResize((6, 6), resize="pad").resized(image)[:, :, 0]
    assert padded[2].tolist() == [0, 0, 255, 255, 0, 0]
    assert padded[[0, 1, 4, 5]].max() == 0
    squashed = ImageResize((2, 3), resize="squash", interpolation="box").resized(image)[:, :, 0]
    assert squashed.tolist() == [[0, 255, 0]] * 2
    assert ImageResize((2, 3), resize="pad").resized(Image.new("RGB", (5_000, 1))).shape == (2, 3, 3)


def test_shrinking_averages_instead_of_aliasing() -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    image = Image.fromarray(np.dstack([board] * 3).astype(np.uint8))
    assert abs(int(ImageResize((8, 8)).resized(image).mean()) - 127) <= 2


def test_settings_round_trip_and_refuse_a_newer_decoder() -> None:
    preparation = ImageResize((30, 40), resize="pad", interpolation="bicubic", white_level=4_095)
    settings = preparation.settings()
    assert ImageResize.from_settings(settings) == preparation
    with pytest.raises(DataError, match="Install a newer headstart"):
        ImageResize.from_settings({**settings, "decoder": 99})
    with pytest.raises(DataError, match="damaged"):
        ImageResize.from_settings({})
    with pytest.raises(InputError, match="Did you mean 'squash'"):
        ImageResize((3, 3), resize="squas")
    assert ImageResize((1, 4_096)).size == (1, 4_096)
    for size in ((0, 3), (4_097, 3), (3, 70_000)):
        with pytest.raises(InputError, match="in pixels, each from 1 to 4,096"):
            ImageResize(size)
    with pytest.raises(InputError, match="white_level is 0"):
        ImageResize((3, 3), white_level=0)


class Learned:
    """A preparation that learned one array."""

    name, size, dtype, n_channels = "learned", (3, 4), np.dtype(np.float32), 3

    def __init__(self, offset: np.ndarray) -> None:
        self.offset = offset

    def prepare(self, stored: object) -> np.ndarray:
        return np.zeros((*self.size, 3), dtype=np.uint8)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.astype(np.float32) + self.offset

    def settings(self) -> dict[str, object]:
        return {"name": self.name, "size": list(self.size)}

    def state(self) -> dict[str, np.ndarray]:
        return {"offset": self.offset}


def test_a_fitted_preparation_is_restored_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("toy_preparation")
    module.restore = lambda settings, state: Learned(state["offset"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_preparation", module)
    monkeypatch.setitem(MODULES, "learned", "toy_preparation")
    one = Learned(np.array([1.0, 2.0, 3.0]))
    again = restore_preparation(one.settings(), learned(one))
    assert again.apply(np.zeros((3, 4, 3))).tolist() == one.apply(np.zeros((3, 4, 3))).tolist()
    plain = ImageResize((3, 4))
    assert restore_preparation(plain.settings(), learned(plain)) == plain


def test_what_cannot_be_restored_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "learned", "headstart_missing_module")
    with pytest.raises(DataError, match=r"preparation.*lerned.*Did you mean 'learned'.*newer headstart"):
        restore_preparation({"name": "lerned"}, {})
    with pytest.raises(DataError, match=r"needs the module headstart_missing_module, which cannot be imported"):
        restore_preparation({"name": "learned"}, {})
    monkeypatch.setitem(MODULES, "learned", "types")
    with pytest.raises(DataError, match=r"'offset' holds numbers that are not finite"):
        restore_preparation({"name": "learned"}, {"offset": np.array([1.0, np.nan])})


def test_what_was_learned_is_part_of_the_cache_key_and_nothing_else_is() -> None:
    plain = ImageResize((3, 4))
    assert cache_settings(plain) == plain.settings()
    one, same, other = (Learned(np.array([value])) for value in (1.0, 1.0, 2.0))
    assert cache_settings(one) == cache_settings(same) != cache_settings(other)


@pytest.mark.parametrize("package", ["headstart", "headstart.data", "headstart.heads", "headstart.workflow"])
def test_every_public_name_is_found(package: str) -> None:
    found = importlib.import_module(package)
    assert [name for name in found.__all__ if getattr(found, name, None) is None] == []
