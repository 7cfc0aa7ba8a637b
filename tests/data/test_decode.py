"""Decoding: formats, orientation, bit depth, transparency, damage."""

from __future__ import annotations

import io
import random
import struct
import time

import numpy as np
import pytest
from image_files import DEEP_LAYOUTS, encode, encode_deep_png, encode_tiff, huge_png, png_chunk, png_of_rows, scaled
from PIL import Image

from headstart.data import decode
from headstart.data.images.decode import decode_details
from headstart.errors import ImageError


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_give_the_pixels_back(kind: str, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 255, (7, 9, 3), dtype=np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(np.asarray(decode(encode(pixels, kind, **options), "x")), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_as_exif_defines_it(kind: str, orientation: int) -> None:
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:8, :16] = (255, 0, 0)
    upright[8:, 16:] = (0, 0, 255)
    # From the upright picture to what a camera stores under each EXIF value (EXIF 2.32, tag 274).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    encoded = encode(np.ascontiguousarray(stored), kind, exif=exif)
    assert np.abs(np.asarray(decode(encoded, "x")).astype(int) - upright).mean() < 12


@pytest.mark.parametrize("white_level", [65_535, 4_095])
@pytest.mark.parametrize("layout", DEEP_LAYOUTS)
def test_all_sixteen_bits_count(layout: str, white_level: int, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 5_000, (6, 5, 3), dtype=np.uint16)
    if "grey" in layout or "white" in layout:
        pixels[..., 1:] = pixels[..., :1]
    found = decode_details(DEEP_LAYOUTS[layout](pixels), "x", white_level=white_level)
    assert np.array_equal(np.asarray(found.image), scaled(pixels, white_level))
    assert found.header.bits == 16
    assert found.peak == pixels.max()


def test_transparent_grey_palette_one_bit_and_cmyk() -> None:
    clear = np.zeros((2, 2, 4), dtype=np.uint8)
    assert np.asarray(decode(encode(clear, "PNG"), "x")).min() == 255
    half = np.zeros((1, 1, 4), dtype=np.uint8)
    half[..., 3] = 128
    assert np.asarray(decode(encode(half, "PNG"), "x"))[0, 0].tolist() == [127, 127, 127]
    deep = np.zeros((1, 1, 4), dtype=np.uint16)
    assert np.asarray(decode(encode_deep_png(deep), "x"))[0, 0].tolist() == [255, 255, 255]
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("P").save(buffer, "PNG", transparency=0)
    assert np.asarray(decode(buffer.getvalue(), "x"))[0].tolist() == [[255] * 3, [255] * 3]
    bits = encode(np.array([[True, False]]), "PNG")
    assert np.asarray(decode(bits, "x"))[0].tolist() == [[255] * 3, [0] * 3]
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(buffer, "JPEG", quality=100)
    red, green, blue = np.asarray(decode(buffer.getvalue(), "x"))[4, 4].tolist()
    assert red > 245
    assert max(green, blue) < 10


def test_first_page_is_taken_and_pages_are_counted() -> None:
    stack = np.stack([np.full((4, 4), value, np.uint8) for value in (10, 200, 90)])
    found = decode_details(encode_tiff(stack, photometric="minisblack"), "x")
    assert found.header.n_pages == 3
    assert np.asarray(found.image).max() == 10


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "the file is empty"),
        (b"PK\3\4 a zip renamed .png", r"not an image headstart reads \(JPEG, PNG, TIFF, BMP, WebP, HEIC, DICOM\)"),
        (b"GIF89a" + bytes(50), "not an image headstart reads"),
        (huge_png(), "30,000 x 30,000 pixels, more than the 200,000,000 allowed"),
        (b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0" + bytes(4) + b"\xff" * 6 + bytes(9), "16,777,216 x 16,777,216 pixels"),
        (encode(np.zeros((40, 40, 3), np.uint8), "JPEG")[:300], "damaged or truncated"),
        (encode_tiff(np.zeros((4, 4), np.float32)), "floating-point pixels.*save it as"),
        (encode_tiff(np.zeros((4, 4, 3)), photometric="rgb"), "floating-point pixels.*save it as"),
        (encode_tiff(np.zeros((4, 4), np.int16)), "signed or 32-bit"),
        (encode_tiff(np.zeros((4, 4), np.uint32)), "signed or 32-bit"),
    ],
)
def test_refusals_name_image_and_reason(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=f"^some/name.png: .*{reason}"):
        decode(encoded, "some/name.png")


def test_hostile_bytes_raise_nothing_but_image_errors(rng: np.random.Generator) -> None:
    small = rng.integers(0, 255, (24, 20, 3), dtype=np.uint8)
    deep = rng.integers(0, 65_535, (24, 20, 3), dtype=np.uint16)
    samples = [encode(small, kind) for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP")]
    samples += [make(deep) for make in DEEP_LAYOUTS.values()]
    dice = random.Random(0)
    n_refused, end = 0, time.monotonic() + 6
    for _ in range(3_000):
        damaged = bytearray(dice.choice(samples))
        if dice.random() < 0.3:
            del damaged[dice.randrange(len(damaged)) :]
        for _ in range(dice.choice((1, 2, 20)) if damaged else 0):
            damaged[dice.randrange(min(len(damaged), dice.choice((60, 10**6))))] = dice.randrange(256)
        try:
            decode(bytes(damaged), "x", max_pixels=1_000_000)
        except ImageError:
            n_refused += 1
        if time.monotonic() > end:
            break
    assert n_refused > 50


@pytest.mark.parametrize(
    ("rows", "bits", "key", "expected"),
    [
        (struct.pack(">B3H", 0, 1_000, 1_001, 60_000), 16, 1_000, [255, 4, 233]),
        (struct.pack(">B3H", 0, 1_000, 1_001, 60_000), 16, 1_002, [4, 4, 233]),
        (b"\0\1\2\3", 8, 2, [1, 255, 3]),
        (b"\0\x12\x30", 4, 2, [17, 255, 51]),
        (b"\0\x18", 2, 1, [0, 255, 170]),
    ],
)
def test_the_transparent_grey_of_a_png_is_laid_over_white_at_every_depth(
    rows: bytes, bits: int, key: int, expected: list[int]
) -> None:
    encoded = png_of_rows(rows, (3, 1), bits, 0, before=png_chunk(b"tRNS", struct.pack(">H", key)))
    found = np.asarray(decode_details(encoded, "x").image)
    assert found[0, :, 0].tolist() == expected


def test_the_transparent_colour_of_a_16_bit_png_is_laid_over_white() -> None:
    rows = struct.pack(">B9H", 0, *(257, 514, 771), *(257, 514, 772), *(0, 0, 0))
    encoded = png_of_rows(rows, (3, 1), 16, 2, before=png_chunk(b"tRNS", struct.pack(">3H", 257, 514, 771)))
    assert np.asarray(decode_details(encoded, "x").image)[0].tolist() == [[255, 255, 255], [1, 2, 3], [0, 0, 0]]
    stored = decode_details(encoded, "x", channels=("1", "2", "3")).image  # channels stay as they are stored
    assert np.asarray(stored)[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "u4", "f2", "f4", "f8", "c8"])
def test_samples_without_a_black_and_a_white_are_refused_in_grey_and_in_colour(
    kind: str, compression: str | None
) -> None:
    for shape, photometric in (((4, 5), "minisblack"), ((4, 5, 3), "rgb")):
        encoded = encode_tiff(np.ones(shape, kind), photometric=photometric, compression=compression)
        with pytest.raises(ImageError, match=r"a.tif: (signed or 32-bit|floating-point) pixels.*; save it as 8- or 16"):
            decode_details(encoded, "a.tif")
