"""Data room: decoding, preparation, readers, audit, twins."""

from __future__ import annotations

import io
import itertools
import os
import pickle
import random
import shutil
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tifffile
from PIL import Image

from headstart.data import ImageDataset, Preparation, audit_dataset, decode, join_groups, read_dataset
from headstart.data.audit.perceptual_hash import near_pairs, perceptual_hash
from headstart.data.images.decode import decode_details
from headstart.data.readers.folder import list_images
from headstart.errors import DataError, ImageError, InputError


def encode(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def encode_tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def encode_deep_png(pixels: np.ndarray) -> bytes:
    """16-bit PNG written by hand: Pillow cannot write one in colour."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def scaled(samples: np.ndarray, white_level: int = 65_535) -> np.ndarray:
    """The documented rule, in plain rationals."""
    return np.minimum(255, np.floor(samples.astype(float) * 255 / white_level + 0.5)).astype(np.uint8)


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


# Decoding ------------------------------------------------------------------------------------------------------------


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


DEEP_LAYOUTS = {
    "grey TIFF": lambda a: encode_tiff(a[..., 0]),
    "big-endian grey TIFF": lambda a: encode_tiff(a[..., 0], byteorder=">"),
    "zipped grey TIFF": lambda a: encode_tiff(a[..., 0], compression="zlib"),
    "white-is-zero TIFF": lambda a: encode_tiff(65_535 - a[..., 0], photometric="miniswhite"),
    "colour TIFF": lambda a: encode_tiff(a, photometric="rgb"),
    "big-endian colour TIFF": lambda a: encode_tiff(a, photometric="rgb", byteorder=">"),
    "zipped colour TIFF": lambda a: encode_tiff(a, photometric="rgb", compression="zlib", predictor=True),
    "planar colour TIFF": lambda a: encode_tiff(
        np.moveaxis(a, 2, 0).copy(), photometric="rgb", planarconfig="separate"
    ),
    "grey PNG": lambda a: encode_deep_png(a[..., :1]),
    "colour PNG": encode_deep_png,
    "opaque colour PNG": lambda a: encode_deep_png(np.dstack([a, np.full(a.shape[:2], 65_535, np.uint16)])),
    "opaque grey PNG": lambda a: encode_deep_png(np.dstack([a[..., :1], np.full(a.shape[:2], 65_535, np.uint16)])),
}


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


def huge_png() -> bytes:
    """30,000 x 30,000 declared in 60 bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, idat, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "the file is empty"),
        (b"PK\3\4 a zip renamed .png", r"not an image headstart reads \(JPEG, PNG, TIFF, BMP, WebP\)"),
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


# Preparation ---------------------------------------------------------------------------------------------------------


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


# Data sets -----------------------------------------------------------------------------------------------------------


def test_folder_becomes_a_naturally_sorted_data_set(folder: Path) -> None:
    dataset = read_dataset(folder, group_from=r"/(?P<group>[0-9])\.png$")
    assert dataset.classes == ("a", "b9", "b10")
    assert dataset.names[0] == "a/p1/0.png"
    assert len(dataset) == 9
    assert dataset.group_names == ("0", "1", "2")
    assert any("6 .txt" in note for note in dataset.notes)
    assert dataset.load(4).size == (10, 12)
    assert list_images(folder) == list(dataset.names)


def test_data_set_pickles_subsets_and_keeps_its_fingerprint(folder: Path) -> None:
    dataset = read_dataset(folder)
    again = pickle.loads(pickle.dumps(dataset))
    assert again.fingerprint() == dataset.fingerprint() == read_dataset(folder).fingerprint()
    part = dataset.subset([5, 2])
    assert part.names == (dataset.names[5], dataset.names[2])
    assert np.array_equal(np.asarray(part.load(0)), np.asarray(dataset.load(5)))
    assert part.label_names() == [dataset.label_names()[5], dataset.label_names()[2]]
    assert dataset.without([0, 1]).names == dataset.names[2:]
    before = dataset.fingerprint()
    (folder / dataset.names[0]).write_bytes((folder / dataset.names[1]).read_bytes())
    assert read_dataset(folder).fingerprint() != before


def test_arrays_and_files_agree(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    images = rng.integers(0, 255, (4, 6, 5, 3), dtype=np.uint8)
    for row, image in enumerate(images):
        (tmp_path / f"{row}.png").write_bytes(encode(image, "PNG"))
    monkeypatch.chdir(tmp_path)
    files = ImageDataset.from_files([f"{row}.png" for row in range(4)], ["x", "y", "x", "y"], groups=[3, 3, 5, 5])
    arrays = ImageDataset.from_arrays(images, [1.0, 2.0, 1.0, 2.0])
    assert arrays.classes == ("1", "2")
    assert files.group_names == ("3", "5")
    preparation = Preparation((8, 8))
    for row in range(4):
        assert np.array_equal(files.prepared(row, preparation), arrays.prepared(row, preparation))
    assert arrays.subset([2]).content_hash(0) == arrays.content_hash(2) != arrays.content_hash(1)
    shape_matters = ImageDataset.from_arrays(images.reshape(4, 5, 6, 3))
    assert shape_matters.content_hash(0) != arrays.content_hash(0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 3), np.float32), "of type float32; expected uint8"),
        (np.zeros((2, 3), np.uint8), r"shape \(2, 3\)"),
        (np.zeros((2, 3, 3, 7), np.uint8), "1 to 4 channels"),
    ],
)
def test_arrays_of_other_kinds_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageDataset.from_arrays(images)


def test_columns_are_checked() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    with pytest.raises(DataError, match=r"labels are missing .* in 1 rows.*: 1\."):
        ImageDataset.from_arrays(images, [1.0, float("nan"), 2.0])
    with pytest.raises(DataError, match="expected one for each of 3 images"):
        ImageDataset.from_arrays(images, ["a", "b"])
    with pytest.raises(DataError, match=r"1 is -1.0"):
        ImageDataset.from_arrays(images, ["a", "b", "a"], weights=[1, -1, 1])
    with pytest.raises(DataError, match="All weights are 0"):
        ImageDataset.from_arrays(images, ["a", "b", "a"], weights=[0, 0, 0])
    with pytest.raises(DataError, match="Unknown class 'b'"):
        ImageDataset.from_arrays(images, ["a", "b", "a"], classes=["a", "c"])
    given = ImageDataset.from_arrays(images, ["a", "b", "a"], classes=["b", "a"])
    assert given.labels is not None
    assert given.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [(None, "no labels"), (["a"] * 3, "of one class"), (["a", "a", "b"], "Class 'b' has one image.*Add images")],
)
def test_validate_for_training(labels: list[str] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageDataset.from_arrays(np.zeros((3, 2, 2), np.uint8), labels).validate_for_training()


# Bad folders ---------------------------------------------------------------------------------------------------------


def test_missing_empty_and_flat_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"holds no images.*it is empty"):
        read_dataset(tmp_path)
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match="1 images but no class folders"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match="neither a folder nor a file"):
        read_dataset(tmp_path / "x.png")


@pytest.mark.parametrize("pattern", ["(", "p[0-9]", "/(nothing)/"])
def test_group_patterns_are_checked(folder: Path, pattern: str) -> None:
    message = {"(": "not a regular expression", "p[0-9]": "no parenthesis"}.get(pattern, "such as 'a/p1/0.png'")
    with pytest.raises(DataError, match=message):
        read_dataset(folder, group_from=pattern)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_with_control_characters_are_refused_or_left_out(folder: Path) -> None:
    n_before = len(ImageDataset.from_folder(folder))
    inside = next(path for path in sorted(folder.rglob("*.png")) if path.parent != folder)
    for name in ("x\ny.png", "\x1b[2J.png", "z\u2028.png"):
        shutil.copy(inside, inside.parent / name)
    (folder / "stray.t\x1bx").touch()
    (folder / "void\x07").mkdir()
    dataset = ImageDataset.from_folder(folder)
    assert len(dataset) == n_before
    left_out = f"were left out (3 in {inside.relative_to(folder).parts[0]}). Rename them."
    assert dataset.notes[0] == f"3 images whose names hold control characters, such as line breaks, {left_out}"
    assert all(note.isprintable() for note in dataset.notes)
    assert "x\ny.png" in "|".join(list_images(folder))  # to be predicted all the same
    shutil.copytree(inside.parent, folder / "new\nline")
    with pytest.raises(DataError, match=r"class folder 'new\\nline' holds a control character"):
        ImageDataset.from_folder(folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_folder_of_nothing_but_control_characters_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "\n.png").touch()
    with pytest.raises(DataError, match=r"holds other files \(1 with control characters in the name\)"):
        ImageDataset.from_folder(tmp_path)


@pytest.mark.parametrize("bad", ["\x1b[31m", "a\nb", "\x85z", "c\u2029d", "e\x00f"])
def test_labels_groups_and_names_with_control_characters_name_their_row(bad: str, tmp_path: Path) -> None:
    images, column = np.zeros((3, 2, 2), np.uint8), ["x", "y", f"k{bad}k"]
    for kind, options in {"class": {"labels": column}, "group": {"groups": column}, "image": {"names": column}}.items():
        with pytest.raises(DataError, match=rf"{kind} name 'k.*\\.*k' \(row 2, counted from 0\)"):
            ImageDataset.from_arrays(images, **options)
    with pytest.raises(DataError, match=r"class name 'k.*\\.*k' holds"):
        ImageDataset.from_arrays(images, ["x", "x", "y"], classes=column)
    for kind in ("image", "label", "group"):
        table = {"image": ["1.png", "2.png", "3.png"], "label": ["p", "q", "p"], "group": ["g", "h", "i"], kind: column}
        pa.parquet.write_table(pa.table(table), tmp_path / "m.parquet")
        with pytest.raises(DataError, match=rf"column '{kind}' holds control .* 1 rows.*: row 3 has 'k.*\\.*k'"):
            ImageDataset.from_manifest(tmp_path / "m.parquet")


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_link_loops_and_links_outside_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "loop").symlink_to(folder)
    with pytest.raises(DataError, match=r"a/loop is a link back to .*: a loop"):
        read_dataset(folder)
    (folder / "a" / "loop").unlink()
    (folder / "a" / "self").symlink_to(folder / "a" / "self")
    with pytest.raises(DataError, match="a/self is a link that leads back to itself"):
        read_dataset(folder)
    (folder / "a" / "self").unlink()
    (folder / "a" / "twice").symlink_to(folder / "b9")
    with pytest.raises(DataError, match="are the same folder"):
        read_dataset(folder)
    (folder / "a" / "twice").unlink()
    (tmp_path / "secret.png").write_bytes(encode(np.zeros((2, 2), np.uint8), "PNG"))
    (folder / "a" / "out.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"a/out.png is a link that leads outside"):
        read_dataset(folder)
    assert len(read_dataset(folder, allow_outside=True)) == 10


def test_unreadable_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def guarded(path: Path) -> object:
        if Path(path).name == "b9":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(DataError, match="b9 cannot be read: permission denied"):
        read_dataset(folder)


# Manifests -----------------------------------------------------------------------------------------------------------


def manifest(folder: Path, text: str, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_parquet_manifests_agree(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "picture": ["a/p1/0.png", "./a/p1/1.png", "b9\\p1\\2.png"],
        "diagnosis": ["mole ", "10", "9"],
        "group": ["p2", "p1", "p10"],
        "weight": [1.0, 0.5, 2.0],
        "fold": [0, 1, 0],
    }
    pq.write_table(pa.table(columns), folder / "m.parquet")
    rows = zip(*columns.values(), strict=True)
    text = "\ufeff" + ";".join(columns) + "\n" + "\n".join(";".join(map(str, row)) for row in rows)
    names = {"image": "picture", "label": "diagnosis"}
    first = read_dataset(manifest(folder, text), columns=names)
    second = read_dataset(folder / "m.parquet", columns=names)
    for dataset in (first, second):
        assert dataset.names == ("a/p1/0.png", "a/p1/1.png", "b9/p1/2.png")
        assert dataset.classes == ("9", "10", "mole")
        assert dataset.group_names == ("p1", "p2", "p10")
        assert dataset.weights is not None
        assert dataset.weights.tolist() == [1.0, 0.5, 2.0]
        assert dataset.folds is not None
        assert dataset.folds.tolist() == [0, 1, 0]
        dataset.load(2)
    assert first.fingerprint() == second.fingerprint()


def test_repeated_rows_are_dropped_and_said(folder: Path) -> None:
    dataset = read_dataset(manifest(folder, "image,label\nx.png,1\ny.png,2\nx.png,1\n./x.png,1\n"))
    assert dataset.names == ("x.png", "y.png")
    assert any("2 rows of m.csv repeat" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("image,label\n", "lists no images"),
        ("image,labels\nx.png,1\n", "no label column.*Did you mean 'labels'.*Known: image, labels"),
        ("image,label\n../x.png,1\n", "leave its folder: '../x.png' in row 1"),
        ("image,label\na.png,1\n/etc/x.png,1\n", "'/etc/x.png' in row 2"),
        ("image,label\na/../../x.png,1\n", "leave its folder"),
        ("image,label\nC:\\x.png,1\n", "leave its folder"),
        ("image,label\nhttp://x/x.png,1\n", "leave its folder"),
        ("image,label\nx.png,1\ny.png,\nz.png,NaN\n", "missing .* in 2 rows.*: 2, 3"),
        ("image,label\nx.png,1\nx.png,2\n", "listed more than once, with different labels: x.png .'1' and '2'."),
        ("image,label,weight\nx.png,1,much\n", "column 'weight' must hold a finite number.*row 1 has 'much'"),
        ("image,label,weight\nx.png,1,-1\ny.png,1,1\n", "negative"),
        ("image,label,fold\nx.png,1,0.5\n", "column 'fold' must hold a whole number"),
        ("image,label,label\nx.png,1,1\n", "more than one column called 'label'"),
        ("image,label\nx.png,1,3,4\n", "cannot be read as a table"),
        ("," * 100_000 + "\n", "columns"),
        ("image,label\nx\0y,1\n", "binary"),
        ("image,label" + "x" * 2_000_000, "first line is longer"),
        ("image,label\n" + "x" * 9_000_000 + ",1\n" + "y.png,2\n" * 9, "cannot be read as a table"),
    ],
)
def test_bad_manifests(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(manifest(tmp_path, text))


def test_latin_1_manifest_and_damaged_parquet(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes("image,label\nx.png,Ödem\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF"):
        read_dataset(tmp_path / "m.csv")
    (tmp_path / "m.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_dataset(tmp_path / "m.parquet")


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_manifest_link_outside_is_refused_when_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encode(np.zeros((2, 2), np.uint8), "PNG"))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    dataset = read_dataset(manifest(folder, "image,label\nlink.png,1\n"))
    with pytest.raises(ImageError, match=r"link.png: a link that leads outside"):
        dataset.load(0)
    read_dataset(folder / "m.csv", allow_outside=True).load(0)
    read_dataset(folder / "m.csv", root=tmp_path / "set" / "..", columns={"image": "image"})


def test_a_pipe_is_refused_instead_of_waited_for(folder: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes on this system")
    os.mkfifo(folder / "pipe.png")
    dataset = read_dataset(manifest(folder, "image,label\npipe.png,1\nnone.png,1\n"))
    with pytest.raises(ImageError, match=r"pipe.png: not a regular file"):
        dataset.load(0)
    with pytest.raises(ImageError, match=r"none.png: no such file"):
        dataset.load(1)


def test_many_rows_are_read_in_seconds(tmp_path: Path) -> None:
    lines = [f"d{row % 100}/{row}.png,c{row % 3},g{row // 9}" for row in range(200_000)]
    path = manifest(tmp_path, "image,label,group\n" + "\n".join(lines))
    start = time.process_time()
    dataset = read_dataset(path)
    assert len(dataset) == 200_000
    assert time.process_time() - start < 8


# Archives ------------------------------------------------------------------------------------------------------------


def test_medmnist_archive(tmp_path: Path, rng: np.random.Generator) -> None:
    train = rng.integers(0, 255, (4, 8, 8), dtype=np.uint8)
    np.savez_compressed(
        tmp_path / "m.npz",
        train_images=train,
        train_labels=np.array([[0], [1], [10], [0]]),
        test_images=train[:2],
        test_labels=np.array([[1], [2]]),
    )
    dataset = read_dataset(tmp_path / "m.npz")
    assert dataset.classes == ("0", "1", "2", "10")
    assert dataset.names[-1] == "test/000001"
    assert "train 4, test 2" in dataset.notes[0]
    assert np.array_equal(np.asarray(dataset.load(2))[..., 0], train[2])
    assert read_dataset(tmp_path / "m.npz", partition="test").names == ("test/000000", "test/000001")
    with pytest.raises(DataError, match="no part 'val'"):
        read_dataset(tmp_path / "m.npz", partition="val")


def test_bad_archives(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="damaged or no NumPy archive"):
        read_dataset(path)
    np.savez(path, pictures=np.zeros(3))
    with pytest.raises(DataError, match="holds pictures; expected train_images"):
        read_dataset(path)
    np.savez(path, images=np.zeros((2, 3, 3), np.uint8), labels=np.zeros((2, 14)))
    with pytest.raises(DataError, match="expected one class per image"):
        read_dataset(path)
    np.savez(path, images=np.array([{}, {}], dtype=object), labels=np.zeros(2))
    with pytest.raises(DataError, match="never unpickled"):
        read_dataset(path)
    np.savez(path, images=np.zeros((2, 3, 3), np.uint8), labels=np.array([0, np.nan]))
    with pytest.raises(DataError, match="NaN"):
        read_dataset(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 300, 300)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue())
        archive.writestr("labels.npy", header.getvalue())
    with pytest.raises(DataError, match=r"unpacks to 83.8 GiB"):
        read_dataset(path)


# Audit ---------------------------------------------------------------------------------------------------------------


def test_audit_finds_what_is_wrong(folder: Path, rng: np.random.Generator) -> None:
    good = (folder / "a/p1/0.png").read_bytes()
    (folder / "b9/copy.png").write_bytes(good)
    (folder / "b10/same_pixels.bmp").write_bytes(encode(np.asarray(decode(good, "x")), "BMP"))
    (folder / "a/cut.png").write_bytes(good[:100])
    (folder / "a/zip.png").write_bytes(b"PK\3\4")
    (folder / "a/bomb.png").write_bytes(huge_png())
    (folder / "a/deep.tif").write_bytes(encode_tiff(rng.integers(0, 4_000, (12, 10), dtype=np.uint16)))
    (folder / "a/pages.tif").write_bytes(encode_tiff(np.zeros((2, 12, 10), np.uint8), photometric="minisblack"))
    dataset = read_dataset(folder)
    audit = audit_dataset(dataset, n_workers=2)
    assert {name: reason.split(" (")[0] for _, name, reason in audit.unreadable} == {
        "a/bomb.png": "30,000 x 30,000 pixels, more than the 200,000,000 allowed; make it smaller or crop it",
        "a/cut.png": "damaged or truncated",
        "a/zip.png": "not an image headstart reads",
    }
    assert [sorted(dataset.names[row] for row in rows) for rows in audit.duplicates] == [
        ["a/p1/0.png", "b10/same_pixels.bmp", "b9/copy.png"]
    ]
    assert audit.conflicts == audit.duplicates
    assert audit.multi_page == ("a/pages.tif",)
    text = "\n".join(audit.warnings)
    for words in ("different labels", "Fewer than 30 images", "--white-level 4095", "several pages"):
        assert words in text
    assert audit.class_counts == {"a": 8, "b9": 4, "b10": 4}
    assert (
        dataset.without(audit.unreadable_rows)
        .with_hashes([audit.hashes[row] for row in range(len(dataset)) if row not in audit.unreadable_rows])
        .fingerprint()
        == dataset.without(audit.unreadable_rows).fingerprint()
    )
    assert audit_dataset(dataset, n_workers=1).to_json() == audit.to_json()
    assert any(line.startswith("unreadable: a/zip.png: not an image") for line in audit.lines())


def test_audit_warns_of_a_class_told_by_its_files(rng: np.random.Generator, tmp_path: Path) -> None:
    for label, kind, suffix in (("ill", "JPEG", "jpg"), ("well", "PNG", "png")):
        (tmp_path / label).mkdir()
        for number in range(8):
            pixels = rng.integers(0, 255, (10, 10, 3), dtype=np.uint8)
            (tmp_path / label / f"{number}.{suffix}").write_bytes(encode(pixels, kind))
    warnings = audit_dataset(read_dataset(tmp_path)).warnings
    assert any("file format alone tells 'ill', 'well'" in warning for warning in warnings)
    assert not any("size in pixels" in warning for warning in warnings)


def test_twin_pairs_equal_brute_force(rng: np.random.Generator) -> None:
    hashes = rng.integers(0, 2**63, 60, dtype=np.uint64)
    hashes = np.concatenate([hashes] * 5)
    for _ in range(4):
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    values = hashes.tolist()
    for limit in (0, 3, 6):
        expected = [
            (i, j, (values[i] ^ values[j]).bit_count())
            for i in range(len(values))
            for j in range(i + 1, len(values))
            if (values[i] ^ values[j]).bit_count() <= limit
        ]
        pairs, cut = near_pairs(hashes, max_hamming=limit)
        assert sorted(pairs) == expected
        assert not cut
    closest, cut = near_pairs(hashes, max_pairs=10)
    assert cut
    assert closest == sorted(expected, key=lambda pair: (pair[2], pair[0], pair[1]))[:10]


def test_many_copies_of_many_alike_images_stay_bounded() -> None:
    """33 copies of each of 200 close hashes are 20 million pairs; only as many as asked for are ever made."""
    ones = itertools.islice(itertools.combinations(range(64), 3), 200)
    distinct = np.array([sum(1 << bit for bit in bits) for bits in ones], dtype=np.uint64)
    tracemalloc.start()
    try:
        pairs, cut = near_pairs(np.repeat(distinct, 33), max_pairs=110_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(pairs), cut) == (110_000, True)
    assert [bits for _, _, bits in pairs] == sorted(bits for _, _, bits in pairs)
    assert sum(bits == 0 for _, _, bits in pairs) == 200 * (32 * 31 // 2 + 1)
    assert peak < 100e6


def test_a_folder_of_equal_hashes_stays_small() -> None:
    pairs, cut = near_pairs(np.zeros(5_000, dtype=np.uint64))
    assert len(pairs) == 32 * 31 // 2 + 5_000 - 32
    assert not cut
    assert np.unique(join_groups(None, [pair[:2] for pair in pairs], 5_000)).tolist() == [0]


def test_perceptual_hash_survives_scaling_and_compression(rng: np.random.Generator) -> None:
    coarse = Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8))
    image = coarse.resize((300, 260), Image.Resampling.BICUBIC)
    other = Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).resize((300, 260))
    original = perceptual_hash(image)
    assert (original ^ perceptual_hash(image.resize((150, 130)))).bit_count() <= 6
    again = decode(encode(np.asarray(image), "JPEG", quality=60), "x")
    assert (original ^ perceptual_hash(again)).bit_count() <= 6
    assert (original ^ perceptual_hash(other)).bit_count() > 12


def test_joined_groups_are_the_connected_components(rng: np.random.Generator) -> None:
    groups = rng.integers(0, 30, 80)
    pairs = [tuple(pair) for pair in rng.integers(0, 80, (12, 2)).tolist()]
    labels = groups.copy()
    for _ in range(80):
        for left, right in pairs:
            labels[labels == labels[left]] = labels[right]
    joined = join_groups(groups, pairs, 80)
    assert np.array_equal(joined[:, None] == joined, labels[:, None] == labels)


def test_real_dermoscopy_has_few_candidates() -> None:
    place = os.environ.get("HEADSTART_TEST_DATA")
    if place is None:
        pytest.skip("HEADSTART_TEST_DATA is not set")
    dataset = read_dataset(Path(place) / "ph2" / "labels.csv", columns={"label": "diagnosis"})
    assert dataset.classes == ("atypical_nevus", "common_nevus", "melanoma")
    audit = audit_dataset(dataset)
    assert audit.class_counts == {"atypical_nevus": 80, "common_nevus": 80, "melanoma": 40}
    assert not audit.unreadable
    assert not audit.duplicates
    assert len(audit.candidates) <= 5
