"""Fixtures of the data tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_files import encode


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    root = tmp_path / "set"
    for label in ("b10", "b9", "a"):
        (root / label / "p1").mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (12, 10, 3), dtype=np.uint8)
            (root / label / f"p{number % 2}x.txt").write_text("not an image")
            (root / label / "p1" / f"{number}.png").write_bytes(encode(pixels, "PNG"))
    return root
