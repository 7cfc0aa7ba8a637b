"""HEIC photographs, and images whose packages are not here."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import encode
from PIL import Image

from headstart.data import audit_dataset, decode, read_dataset
from headstart.data.images.decode import decode_details
from headstart.data.images.formats import find_format
from headstart.errors import ImageError


def heic(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


def stripes() -> Image.Image:
    values = np.zeros((48, 64, 3), np.uint8)
    values[:, :32], values[:24, 32:] = (250, 30, 30), (30, 30, 250)
    return Image.fromarray(values)


def test_a_photograph_is_decoded_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = heic(stripes(), quality=95, exif=exif.tobytes())
    found = decode_details(encoded, "x.heic")
    assert (found.header.format, found.header.n_pages) == ("HEIC", 1)
    expected = np.asarray(stripes().transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(np.asarray(found.image).astype(int) - expected).mean() < 4
    grey = decode(heic(Image.new("L", (16, 16), 99)), "x")
    assert grey.mode == "RGB"


def test_damaged_and_huge_ones_are_refused() -> None:
    encoded = heic(stripes())
    for length in (40, len(encoded) // 2, len(encoded) - 9):
        with pytest.raises(ImageError, match="damaged or truncated"):
            decode(encoded[:length], "x")
    encoded = heic(Image.new("RGB", (64, 64)))  # blocks of which nothing is cut off
    place = encoded.index(b"ispe") + 8
    huge = encoded[:place] + (20_000).to_bytes(4, "big") * 2 + encoded[place + 8 :]
    with pytest.raises(ImageError, match=r"20,000 x 20,000 pixels, more than"):
        decode(huge, "x")


def test_without_the_package_the_files_wait_and_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    hidden = ("pillow_heif", "pydicom")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in hidden else real(name, *rest))
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
        (tmp_path / label / "2.png").write_bytes(encode(np.zeros((4, 4, 3), np.uint8), "PNG"))
    (tmp_path / "a" / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(40))
    dataset = read_dataset(tmp_path)
    assert dataset.names == ("a/1.heic", "a/2.png", "a/IM0001", "b/1.heic", "b/2.png")
    assert dataset.notes == (
        '2 HEIC files wait for a package that is not here: pip install "headstart[heic]"',
        '1 DICOM file waits for a package that is not here: pip install "headstart[dicom]"',
    )
    reasons = {name: reason for _, name, reason in audit_dataset(dataset, n_workers=1).unreadable}
    assert reasons["a/1.heic"] == 'HEIC, which needs a package that is not here: pip install "headstart[heic]"'
    assert reasons["a/IM0001"] == 'DICOM, which needs a package that is not here: pip install "headstart[dicom]"'


def test_a_dicom_file_that_begins_as_tiff_is_dicom() -> None:
    found = find_format(b"II*\0" + bytes(124) + b"DICM")
    assert found is not None
    assert found.name == "DICOM"
