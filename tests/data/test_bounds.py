"""Bounds on what is decoded: bytes of a picture and of all at once, runs, chunks, tags, pages, scans."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_files import encode, encode_deep_png, encode_tiff
from PIL import Image

from headstart.data.audit.perceptual_hash import thumbnail
from headstart.data.images.ahead import expected_bytes
from headstart.data.images.bounds import MAX_DECODED_AT_ONCE, MemoryBudget, check_size, check_working_bytes
from headstart.data.images.decode import decode_details
from headstart.data.images.directory import count_tiff_pages
from headstart.data.images.orientation import turned
from headstart.data.images.strips import upright
from headstart.errors import ImageError


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of(width: int, height: int, bits: int, kind: int, *, before: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + pixels + chunk(b"IEND", b"")


def bmp_of(width: int, height: int, compression: int, runs: bytes) -> bytes:
    bits = 8 if compression == 1 else 4
    palette = b"".join(bytes((9 * number % 256, number, 255 - number, 0)) for number in range(1 << bits))
    start = 54 + len(palette)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(runs), 0, 0, 1 << bits, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + palette + runs


@pytest.mark.parametrize(
    ("width", "height", "n_samples", "n_bytes", "reason"),
    [
        (14_000, 14_000, 4, 2, r"14,000 x 14,000 pixels of 4 x 16 bits are 1,568 MB decoded, more than the 600 MB"),
        (20_001, 10_000, 1, 1, r"more than the 200,000,000 allowed"),
        (0, 5, 3, 1, "declares no pixels"),
    ],
)
def test_a_picture_is_refused_by_the_bytes_it_would_take(
    width: int, height: int, n_samples: int, n_bytes: int, reason: str
) -> None:
    with pytest.raises(ImageError, match=f"^x.png: .*{reason}"):
        check_size("x.png", (width, height), n_samples=n_samples, n_bytes=n_bytes)


def test_two_hundred_million_pixels_of_8_bit_colour_are_allowed_and_a_larger_bound_takes_more() -> None:
    check_size("x", (20_000, 10_000), n_samples=3)
    check_size("x", (14_000, 14_000), 600_000_000, n_samples=4, n_bytes=2)


def test_a_large_deep_picture_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ImageError, match="1,568 MB decoded"):
        decode_details(png_of(14_000, 14_000, 16, 6), "x")
    tiff = bytearray(encode_tiff(np.zeros((4, 4, 3), np.uint16), photometric="rgb", planarconfig="separate"))
    for place in range(8, 200, 2):  # width and height of the only directory
        if tiff[place : place + 2] in (b"\0\1", b"\1\1") and struct.unpack_from("<H", tiff, place)[0] in (256, 257):
            struct.pack_into("<I", tiff, place + 8, 14_000)
    with pytest.raises(ImageError, match=r"MB decoded|damaged|empty|ends before"):
        decode_details(bytes(tiff), "x")


def test_deep_pictures_are_the_same_whether_they_are_worked_on_whole_or_in_strips(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    pixels = rng.integers(0, 65_535, (23, 9, 4), dtype=np.uint16)
    whole = decode_details(encode_deep_png(pixels), "x")
    monkeypatch.setattr("headstart.data.images.strips.STRIP_PIXELS", 20)
    strips = decode_details(encode_deep_png(pixels), "x")
    assert np.array_equal(np.asarray(whole.image), np.asarray(strips.image))
    assert whole.peak == strips.peak == pixels[..., :3].max()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_large_pictures_are_turned_as_small_ones_are(
    mode: str, orientation: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    picture = Image.fromarray(rng.integers(0, 255, (23, 9, 3), dtype=np.uint8)).convert(mode)
    expected = turned(picture, orientation)
    monkeypatch.setattr("headstart.data.images.strips._LARGE_PIXELS", 1)
    monkeypatch.setattr("headstart.data.images.strips._TILE", 5)
    found = upright(picture, orientation)
    assert (found.mode, found.size) == (mode, expected.size)
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_a_thumbnail_in_strips_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr("headstart.data.images.strips.STRIP_PIXELS", 1_000)
    for size in ((40, 30), (333, 257), (100, 700), (20, 500)):
        picture = Image.fromarray(rng.integers(0, 255, (*size[::-1], 3), dtype=np.uint8))
        whole = picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=3.0)
        assert np.array_equal(thumbnail(picture), np.asarray(whole))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    kept = io.BytesIO()
    image.save(kept, kind, **options)
    return kept.getvalue()


COLOUR = Image.new("RGB", (400, 300), "grey")


@pytest.mark.parametrize(
    ("encoded", "least", "most"),
    [
        (saved(COLOUR, "JPEG"), 4, 4.5),
        (saved(COLOUR, "JPEG", progressive=True), 7, 7.5),
        (saved(COLOUR, "JPEG", progressive=True, subsampling=0), 10, 10.5),
        (saved(COLOUR.convert("L"), "PNG"), 1, 1.5),
        (saved(COLOUR.convert("L"), "PNG", transparency=0), 5, 5.5),
        (saved(COLOUR.convert("RGBA"), "PNG"), 8, 8.5),
        (saved(COLOUR, "BMP"), 7, 7.5),
        (saved(COLOUR, "TIFF", compression="tiff_lzw", tiffinfo={278: 300}), 8, 8.5),
        (saved(COLOUR, "WEBP"), 16, 16.5),
        (encode_tiff(np.zeros((300, 400, 3), np.uint16), photometric="rgb"), 10, 10.5),
        (encode_tiff(np.zeros((300, 400, 3), np.uint16), photometric="rgb", compression="zlib"), 12, 36.5),
    ],
)
def test_what_is_claimed_is_the_memory_that_file_decoder_and_copies_take(
    encoded: bytes, least: float, most: float, tmp_path: Path
) -> None:
    budget = MemoryBudget(10**9)
    with pytest.MonkeyPatch.context() as patch, budget.turn():
        patch.setattr("headstart.data.images.bounds._WORKING", budget)
        patch.setattr("headstart.data.images.header._STRIP", 0)
        decode_details(encoded, "x", keep_grey=True)
        claimed = budget.held
        path = tmp_path / "x"
        path.write_bytes(encoded)
        with path.open("rb") as handle:
            assert expected_bytes(handle, len(encoded)) == claimed
    assert least * 120_000 <= claimed <= most * 120_000


def test_a_header_that_says_nothing_soon_is_decoded_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"\xff\xd8" + b"\xff" * (2 << 20) + saved(COLOUR, "JPEG")[2:])
    with path.open("rb") as handle:
        assert expected_bytes(handle, path.stat().st_size) == MAX_DECODED_AT_ONCE
        assert handle.tell() == 0
    other = tmp_path / "x.txt"
    other.write_bytes(b"no image")
    with other.open("rb") as handle:
        assert expected_bytes(handle, 8) == 8


def test_a_picture_whose_decoder_would_take_too_much_is_refused_before_it_is_opened() -> None:
    large = bytearray(saved(Image.new("RGB", (8, 8)), "WEBP", lossless=True))
    large[21:25] = (13_999 | 13_999 << 14).to_bytes(4, "little")
    with pytest.raises(ImageError, match=r"take 3,136 MB, more than the 1,450 MB allowed; make it smaller"):
        decode_details(bytes(large), "x.webp")
    check_working_bytes("x", 2_000_000_000, 400_000_000)


def test_threads_wait_for_room_and_one_that_holds_some_does_not() -> None:
    budget = MemoryBudget(100)
    held: list[int] = []
    first_is_in, first_may_go = threading.Event(), threading.Event()

    def first() -> None:
        with budget.turn():
            budget.claim(70)
            first_is_in.set()
            first_may_go.wait(10)
            budget.claim(130)  # in all; holds some already
            held.append(budget.held)

    def second() -> None:
        with budget.turn():
            budget.claim(50)
            budget.claim(20)  # no more than it has
            held.append(budget.held)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert first_is_in.wait(10)
    threads[1].start()
    time.sleep(0.05)
    assert held == []
    first_may_go.set()
    for thread in threads:
        thread.join(10)
    assert held == [130, 50]
    assert budget.held == 0


@pytest.mark.parametrize("compression", [1, 2])
def test_runs_of_a_bmp_are_decoded_as_pillow_does(compression: int, rng: np.random.Generator) -> None:
    for _ in range(60):
        width, height = int(rng.integers(1, 12)), int(rng.integers(1, 9))
        runs = bytes(rng.choice([0, 0, 1, 2, 3, 4, 5, 18, 52, 200], int(rng.integers(4, 80))).astype(np.uint8))
        encoded = bmp_of(width, height, compression, runs + b"\x07\x15" * 200 + b"\0\0" * 3)
        try:
            with Image.open(io.BytesIO(encoded)) as image:
                expected = np.asarray(image.convert("RGB"))
        except (ValueError, OSError):
            with pytest.raises(ImageError, match="damaged or truncated"):
                decode_details(encoded, "x")
            continue
        assert np.array_equal(np.asarray(decode_details(encoded, "x").image), expected)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (bmp_of(14_000, 14_000, 1, b"\0\0" * 400), "not enough image data"),
        (bmp_of(14_000, 14_000, 2, b"\xff\x12" * 400), "not enough image data"),
        (png_of(8, 8, 8, 0, before=chunk(b"tEXt", b"a\0b") * 100_001), "more than the 100,000 chunks allowed"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 10_001 + b"\xff\xd9", "more than the 10,000 segments allowed"),
    ],
    ids=["byte runs", "half-byte runs", "chunks", "segments"],
)
def test_what_would_take_long_is_refused_soon(encoded: bytes, reason: str) -> None:
    start = time.process_time()
    with pytest.raises(ImageError, match=f"damaged or truncated .*{reason}"):
        decode_details(encoded, "x")
    assert time.process_time() - start < 5


def test_runs_of_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.data.images.bmp_runs._MAX_RUNS", 1_000)
    with pytest.raises(ImageError, match="more than the 1,000 runs allowed"):
        decode_details(bmp_of(100, 100, 1, b"\0\0" * 1_001), "x")


def test_scans_without_end_are_refused() -> None:
    whole = encode(np.zeros((16, 16, 3), np.uint8), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="more than the 100 scans allowed"):
        decode_details(whole[:-2] + last * 100 + whole[-2:], "x")


def test_tags_that_overlap_are_refused_and_pages_are_counted_without_being_read() -> None:
    n_tags, size = 3_000, 100_000
    entries = b"".join(struct.pack("<HHII", 1_000 + number, 7, size, 8) for number in range(n_tags))
    bomb = b"II*\0" + struct.pack("<IH", 8, n_tags) + entries + bytes(4) + bytes(size)
    with pytest.raises(ImageError, match="its tags hold more than the file does"):
        decode_details(bomb, "x")
    pages = b"".join(struct.pack("<HI", 0, 8 + 6 * (number + 1)) for number in range(60_000))
    assert count_tiff_pages(b"II*\0" + struct.pack("<I", 8) + pages + bytes(6)) == 60_001
    assert count_tiff_pages(b"II*\0" + struct.pack("<IHI", 8, 0, 8)) == 1  # in a circle
    stack = np.zeros((5, 4, 4), np.uint8)
    for options in ({}, {"bigtiff": True}, {"byteorder": ">"}):
        encoded = encode_tiff(stack, photometric="minisblack", **options)
        assert count_tiff_pages(encoded) == decode_details(encoded, "x").header.n_pages == 5


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_the_size_of_a_tiff_is_ours_to_refuse(compression: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.BytesIO()
    Image.new("RGB", (40, 30), "grey").save(kept, "TIFF", compression=compression)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses twice as many
    assert decode_details(kept.getvalue(), "a.tif").image.size == (40, 30)
