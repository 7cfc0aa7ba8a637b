"""The registry of image formats, and one more from a file of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from image_files import encode, portable_pixmaps
from PIL import Image

from headstart.data import audit_dataset, decode, read_dataset
from headstart.data.images.formats import ImageFormat, find_format, image_suffixes, register_format
from headstart.errors import ImageError


@pytest.fixture
def ppm() -> Iterator[ImageFormat]:
    """A toy format: the portable pixmaps that headstart does not read by itself."""
    with portable_pixmaps() as known:
        yield known


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WebP"])
def test_a_format_is_recognised_by_its_first_bytes(kind: str) -> None:
    found = find_format(encode(np.zeros((3, 4, 3), np.uint8), kind))
    assert found is not None
    assert found.name == kind


def test_a_format_of_ones_own_is_found_in_folders_decoded_and_audited(ppm: ImageFormat, folder: Path) -> None:
    pixels = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    (folder / "a" / "one.ppm").write_bytes(encode(pixels, "PPM"))
    dataset = read_dataset(folder)
    assert ".ppm" in image_suffixes()
    assert np.array_equal(np.asarray(dataset.load(dataset.names.index("a/one.ppm"))), pixels)
    assert audit_dataset(dataset).formats == {"PNG": 9, "PPM": 1}
    with pytest.raises(
        ImageError, match=r"not an image headstart reads \(JPEG, PNG, TIFF, BMP, WebP, PPM, HEIC, DICOM\)"
    ):
        decode(b"GIF89a", "x")
    with pytest.raises(ValueError, match="image format 'PPM' already"):
        register_format(ppm)


def test_without_it_the_format_is_left_out_and_refused(folder: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PPM")
    (folder / "a" / "one.ppm").write_bytes(buffer.getvalue())
    assert len(read_dataset(folder)) == 9
    with pytest.raises(ImageError, match="not an image headstart reads"):
        decode(buffer.getvalue(), "x")
