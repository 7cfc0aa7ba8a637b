"""The audit: unreadable images, duplicates, warnings."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from image_files import encode, encode_tiff, huge_png
from PIL import Image

from headstart.data import audit_dataset, decode, read_dataset
from headstart.data.audit.examine import examine
from headstart.data.audit.warnings import _revealed
from headstart.data.images.bounds import MAX_PIXELS


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


def test_audit_warns_of_a_class_that_its_files_give_away(rng: np.random.Generator, tmp_path: Path) -> None:
    for label, kind, suffix in (("ill", "JPEG", "jpg"), ("well", "PNG", "png")):
        (tmp_path / label).mkdir()
        for number in range(8):
            pixels = rng.integers(0, 255, (10, 10, 3), dtype=np.uint8)
            (tmp_path / label / f"{number}.{suffix}").write_bytes(encode(pixels, kind))
    warnings = audit_dataset(read_dataset(tmp_path)).warnings
    assert any("file format alone tells 'ill', 'well'" in warning for warning in warnings)
    assert not any("size in pixels" in warning for warning in warnings)


def test_classes_that_a_value_tells_are_those_of_brute_force(rng: np.random.Generator) -> None:
    n_told = 0
    for _ in range(200):
        n_classes, n_values = rng.integers(1, 5), rng.integers(1, 6)
        labels = rng.integers(0, n_classes, 60)
        values = np.where(rng.random(60) < 0.9, labels * 10, 0) + rng.integers(0, n_values, 60)
        known = [int(value) if rng.random() < 0.9 else None for value in values]
        told = _revealed(known, labels.tolist())
        n_told += len(told)
        assert told == [code for code in range(n_classes) if is_told(known, labels.tolist(), code)]
    assert n_told > 20


def is_told(values: list[int | None], labels: list[int], code: int) -> bool:
    own = [value for value, label in zip(values, labels, strict=True) if label == code and value is not None]
    other = [value for value, label in zip(values, labels, strict=True) if label != code and value is not None]
    repeated = len(own) >= 5 * max(1, len(set(own))) and len(other) >= 5 * max(1, len(set(other)))
    return repeated and not set(own) & set(other)


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


def test_findings_of_small_and_large_pictures_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for number in range(100):
        side = 200 if number % 9 == 5 else 12
        path = tmp_path / "ab"[number % 2] / f"{number:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(path)
    dataset = read_dataset(tmp_path)
    alone, together = (audit_dataset(dataset, n_workers=n_threads) for n_threads in (1, 4))
    assert alone.to_json() == together.to_json()
    assert alone.hashes == together.hashes


@pytest.mark.parametrize("size", [(12, 10), (300, 300), (700, 300)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_hash_of_pixels_is_that_of_the_colours_row_by_row(size: tuple[int, int], mode: str, tmp_path: Path) -> None:
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    picture = Image.fromarray(np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8))
    for name in "ab":
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / "one.png")
    expected = hashlib.sha256(f"{size[0]}x{size[1]}".encode() + picture.convert("RGB").tobytes()).hexdigest()
    assert examine(read_dataset(tmp_path), 1, MAX_PIXELS).pixel_hash == expected
