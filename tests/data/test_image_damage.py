"""Half pictures of every format are refused, kept where that is asked for, and sound ones stay as they were."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_files import encode, encode_deep_png
from PIL import Image

from headstart.data import audit_dataset, read_dataset
from headstart.data.images.damage.jpeg_stream import read_stream, without_bulk
from headstart.data.images.decode import decode_details
from headstart.errors import ImageError

END = b"\xff\xd9"
HALVES = r"breaks off|are damaged|are missing|ends before"


def picture(side: int = 96) -> Image.Image:
    rng = np.random.default_rng(3)
    return Image.fromarray(rng.integers(30, 225, (12, 16, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )


def jpeg(image: Image.Image, **options: object) -> bytes:
    return encode(np.asarray(image), "JPEG", **options)


JPEGS = {
    "baseline": jpeg(picture()),
    "optimised": jpeg(picture(), optimize=True, quality=95),
    "full colour": jpeg(picture(), subsampling=0),
    "progressive": jpeg(picture(), progressive=True),
    "coarse progressive": jpeg(picture(), progressive=True, quality=20),
    "restarting": jpeg(picture(), restart_marker_rows=1),
    "restarting progressive": jpeg(picture(), progressive=True, restart_marker_rows=2),
    "grey": jpeg(picture().convert("L")),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_sound_jpegs_of_every_kind_are_decoded_as_pillow_does(kind: str) -> None:
    expected = np.asarray(Image.open(io.BytesIO(JPEGS[kind])).convert("RGB"))
    assert np.array_equal(np.asarray(decode_details(JPEGS[kind], "x").image), expected)
    draft = decode_details(JPEGS[kind], "x", reduce=lambda width, height: (width // 4, height // 4))
    assert draft.image.size == (24, 24)


@pytest.mark.parametrize("side", [1, 2, 7, 8, 9, 16, 17, 33])
@pytest.mark.parametrize("progressive", [False, True])
def test_small_and_flat_jpegs_are_sound(side: int, progressive: bool) -> None:
    for image in (picture(side), Image.new("RGB", (side, side)), Image.new("L", (side, 3 * side), 255)):
        assert decode_details(jpeg(image, progressive=progressive, optimize=True), "x").damage is None


@pytest.mark.parametrize("share", [0.4, 0.6, 0.85, 0.97])
@pytest.mark.parametrize("kind", JPEGS)
def test_cut_jpegs_are_refused_with_an_end_marker_with_zeros_and_without(kind: str, share: float) -> None:
    whole = JPEGS[kind]
    cut = whole[: int(share * len(whole))]
    for half in (cut, cut + END, cut + bytes(len(whole) - len(cut)), cut + bytes(len(whole) - len(cut)) + END):
        with pytest.raises(ImageError, match=f"damaged or truncated .*({HALVES})"):
            decode_details(half, "x")
        kept = decode_details(half, "x", accept_damaged=True)
        assert kept.image.size == (96, 96)
        assert kept.damage is not None


@pytest.mark.parametrize("kind", ["baseline", "restarting", "grey"])
def test_a_jpeg_zeroed_in_the_middle_is_refused(kind: str) -> None:
    whole = JPEGS[kind]
    middle = len(whole) // 2
    with pytest.raises(ImageError, match=HALVES):
        decode_details(whole[:middle] + bytes(400) + whole[middle + 400 :], "x")


def test_a_progressive_jpeg_without_its_last_scan_is_refused() -> None:
    whole = JPEGS["progressive"]
    stream = read_stream(whole)
    assert stream is not None
    last = [one for one in stream.segments if one.code == 0xDA][-1]
    with pytest.raises(ImageError, match="scans of its progressive picture are missing"):
        decode_details(whole[: last.marker] + END, "x")


@pytest.mark.parametrize("kind", ["baseline", "full colour", "grey", "progressive", "restarting"])
def test_zeros_over_a_stretch_of_a_jpeg_are_found_wherever_they_lie(kind: str) -> None:
    whole = JPEGS[kind]
    begin = whole.index(b"\xff\xda") + 20
    step = max(1, (len(whole) - begin - 80) // 12)
    for place in range(begin, len(whole) - 80, step):
        zeroed = whole[:place] + bytes(64) + whole[place + 64 :]
        with pytest.raises(ImageError, match="damaged or truncated"):
            decode_details(zeroed, "x")


def test_flat_pictures_whose_data_are_zeros_are_sound() -> None:
    mask = Image.new("L", (900, 900))
    mask.paste(255, (300, 300, 500, 600))
    for options in ({"optimize": True}, {"optimize": True, "progressive": True}, {"optimize": True, "quality": 20}):
        for image in (mask, mask.convert("RGB")):
            encoded = jpeg(image, **options)
            assert decode_details(encoded, "x").damage is None
    assert bytes(32) in jpeg(mask, optimize=True)


def test_a_progressive_jpeg_of_which_a_middle_scan_is_missing_is_refused() -> None:
    whole = JPEGS["progressive"]
    stream = read_stream(whole)
    assert stream is not None
    headers = [one for one in stream.segments if one.code == 0xDA]
    for number in range(len(headers) - 1):
        without = whole[: headers[number].marker] + whole[headers[number + 1].marker :]
        with pytest.raises(ImageError, match="scans of its progressive picture are missing"):
            decode_details(without, "x")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"compression": "jpeg"}, "RGB"),
        ({"compression": "tiff_adobe_deflate"}, "RGB"),
        ({"compression": "tiff_adobe_deflate", "tiffinfo": {278: 96}}, "RGB"),
        ({"compression": "packbits"}, "RGB"),
        ({"compression": "group4"}, "1"),
        ({"compression": "group3"}, "1"),
    ],
)
def test_zeros_within_a_strip_of_a_tiff_are_found(options: dict[str, object], kind: str) -> None:
    kept = io.BytesIO()
    picture(160).convert(kind).save(kept, "TIFF", **options)
    whole = kept.getvalue()
    assert decode_details(whole, "x").damage is None
    with Image.open(io.BytesIO(whole)) as image:
        start, count = max(zip(image.tag_v2[273], image.tag_v2[279], strict=True), key=lambda strip: strip[1])
    place = start + count // 2
    zeroed = whole[:place] + bytes(100) + whole[place + 100 :]
    with pytest.raises(ImageError, match="damaged or truncated"):
        decode_details(zeroed, "x")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(rows: bytes, *, size: tuple[int, int] = (20, 30), interlaced: bool = False) -> bytes:
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_png_with_half_its_rows_or_a_wrong_checksum_is_refused() -> None:
    rows = b"".join(b"\0" + bytes([60 + number] * 20) for number in range(30))
    assert decode_details(png(rows), "x").damage is None
    for half in (rows[: len(rows) // 2], rows[:-1], b""):
        with pytest.raises(ImageError, match=r"breaks off|truncated"):
            decode_details(png(half), "x")
    kept = decode_details(png(rows[: len(rows) // 2]), "x", accept_damaged=True)
    assert kept.image.getpixel((3, 3)) == (63, 63, 63)
    assert kept.damage == "its picture breaks off before the last row"
    wrong = bytearray(png(rows))
    wrong[wrong.index(b"IEND") - 5] ^= 1
    with pytest.raises(ImageError, match="checksum"):
        decode_details(bytes(wrong), "x")


def test_a_black_png_and_an_interlaced_one_are_sound_and_half_of_either_is_not() -> None:
    black = bytes(30 * 21)
    assert decode_details(png(black), "x").image.getextrema() == ((0, 0),) * 3
    with pytest.raises(ImageError, match=r"breaks off|truncated"):
        decode_details(png(black[:-1]), "x")
    n_bytes = 4 * 4 + 4 * 3 + 4 * 6 + 8 * 6 + 7 * 11 + 15 * 11 + 15 * 21  # of Adam7's passes of 20 x 30 pixels
    assert decode_details(png(bytes(n_bytes), interlaced=True), "x").damage is None
    with pytest.raises(ImageError, match=r"breaks off|truncated"):
        decode_details(png(bytes(n_bytes - 1), interlaced=True), "x")
    deep = encode_deep_png(np.full((6, 5, 3), 300, np.uint16))
    assert decode_details(deep, "x").damage is None


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_tiff_whose_strip_is_empty_or_missing_is_refused(
    compression: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {} if compression is None else {"compression": compression}
    whole = encode(np.asarray(picture()), "TIFF", tiffinfo={278: 16}, **options)
    assert decode_details(whole, "x").damage is None
    with Image.open(io.BytesIO(whole)) as image:
        counts, offsets = image.tag_v2[279], image.tag_v2[273]
    if compression is None:
        counts, offsets = [counts] if isinstance(counts, int) else counts, offsets
    layout = struct.pack(f"<{len(counts)}I", *counts)
    place = whole.find(layout)
    if len(counts) > 1 and place >= 0:
        empty = bytearray(whole)
        empty[place + 4 : place + 8] = bytes(4)
        with pytest.raises(ImageError, match="strips are empty"):
            decode_details(bytes(empty), "x")
    zeroed = bytearray(whole)
    zeroed[offsets[-1] : offsets[-1] + counts[-1]] = bytes(counts[-1])
    if compression is not None:
        with pytest.raises(ImageError, match=r"cannot be decoded|breaks off|checksum"):
            decode_details(bytes(zeroed), "x")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_that_breaks_off_is_refused_whatever_length_it_declares(lossless: bool) -> None:
    whole = encode(np.asarray(picture()), "WEBP", lossless=lossless)
    body = whole[20 : 20 + len(whole) // 2 // 2 * 2]
    half = b"RIFF" + struct.pack("<I", len(body) + 12) + whole[8:16] + struct.pack("<I", len(body)) + body
    for cut in (whole[: len(whole) // 2], half):
        with pytest.raises(ImageError, match="damaged or truncated"):
            decode_details(cut, "x")


def test_the_audit_names_half_pictures_that_were_kept(folder: Path) -> None:
    whole = JPEGS["baseline"]
    (folder / "a" / "cut.jpg").write_bytes(whole[: len(whole) // 2] + END)
    refused = audit_dataset(read_dataset(folder))
    assert [name for _, name, _ in refused.unreadable] == ["a/cut.jpg"]
    dataset = read_dataset(folder, accept_damaged=True)
    kept = audit_dataset(dataset)
    assert not kept.unreadable
    assert kept.warnings[0].startswith("1 image is damaged and was kept because --accept-damaged asks for it: a/cut")
    assert type(dataset.pixels).at(dataset.pixels.location()) == dataset.pixels


def test_metadata_and_fill_bytes_by_the_megabyte_are_passed_over() -> None:
    whole = jpeg(picture(), exif=Image.Exif())
    exif = Image.Exif()
    exif[274] = 6
    turned = jpeg(picture().crop((0, 0, 96, 48)), exif=exif)
    segment = b"\xff\xe1" + struct.pack(">H", 65_535) + b"Exif\0\0" + bytes(65_527)
    for bulk in (segment * 40, b"\xff" * 3_000_000):
        long = whole[:2] + bulk + whole[2:]
        assert len(without_bulk(long)) < len(whole) + 70_000
        assert decode_details(long, "x").image.size == (96, 96)
    assert decode_details(turned[:-2] + END, "x").image.size == (48, 96)
    late = turned[:20] + segment * 40 + turned[20:]
    assert decode_details(late, "x").image.size in ((48, 96), (96, 48))
    assert without_bulk(whole) is whole
