"""Facts about the files alone: planted shortcuts are named, and sets without one are not warned of."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import ImageDataset, audit_dataset, read_dataset
from headstart.data.audit.alike import alike_class_warnings
from headstart.data.audit.audit import Audit
from headstart.data.audit.file_facts import file_facts
from headstart.data.audit.shortcuts import FileFactsTable, judge_facts

N = 15
Save = Callable[[Image.Image, Path, int], None]


def resized(image: Image.Image, path: Path, code: int) -> None:
    side = 24 + 3 * code + image.getpixel((0, 0))[0] % 3
    image.resize((side, side)).save(path.with_suffix(".png"))


def framed(image: Image.Image, path: Path, code: int) -> None:
    if code:
        image.paste((0, 0, 0), (0, 0, 24, 2)), image.paste((0, 0, 0), (0, 22, 24, 24))
        image.paste((0, 0, 0), (0, 0, 2, 24)), image.paste((0, 0, 0), (22, 0, 24, 24))
    image.save(path.with_suffix(".png"))


def compressed(image: Image.Image, path: Path, code: int) -> None:
    image.save(path.with_suffix(".jpg"), quality=80 + 10 * code)


def photographed(image: Image.Image, path: Path, code: int) -> None:
    exif = Image.Exif()
    exif[0x0110] = f"camera {code}"
    image.save(path.with_suffix(".jpg"), exif=exif)


def untouched(image: Image.Image, path: Path, code: int) -> None:
    image.save(path.with_suffix(".png"))


def audited(root: Path, save: Save) -> Audit:
    rng = np.random.default_rng(3)
    for code, name in enumerate(("ill", "well")):
        (root / name).mkdir()
        for number in range(N):
            picture = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((24, 24))
            save(picture, root / name / f"{number:03d}.x", code)
    dataset = read_dataset(root)
    return audit_dataset(dataset).judged(np.asarray(dataset.labels))


@pytest.mark.parametrize(
    ("save", "fact"),
    [
        (resized, "width"),
        (framed, "border colour"),
        (compressed, "compression tables"),
        (photographed, "camera"),
        (untouched, None),
    ],
)
def test_a_planted_shortcut_is_named(save: Save, fact: str | None, tmp_path: Path) -> None:
    audit = audited(tmp_path, save)
    found = [words for words in audit.warnings if "Facts about the files" in words or "alone tells" in words]
    if fact is None:
        assert not found
        return
    assert any(fact in words or (fact == "width" and "size in pixels" in words) for words in found)
    assert audit.to_json()["file_facts"][fact] > 0.95


def test_of_labels_without_a_shortcut_hardly_any_set_is_warned() -> None:
    rng = np.random.default_rng(0)
    warned = 0
    for seed in range(40):
        labels = rng.integers(0, 2, 40)
        groups = rng.integers(0, 8, 40) if seed % 2 else None
        table = FileFactsTable(("width", "camera"), rng.integers(0, 4, (2, 40)))
        warned += any(one.is_shortcut for one in judge_facts(table, labels, n_classes=2, groups=groups, seed=seed))
    assert warned <= 2


def test_groups_that_share_a_camera_by_chance_are_no_shortcut() -> None:
    groups = np.repeat(np.arange(4), 20)
    labels, cameras = groups % 2, groups
    judged = judge_facts(FileFactsTable(("camera",), cameras[None]), labels, n_classes=2, groups=groups)
    assert not judged[0].is_shortcut


def test_arrays_have_no_facts_about_files(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 255, (12, 8, 8, 3), dtype=np.uint8)
    dataset = ImageDataset.from_arrays(pixels, labels=["a", "b"] * 6)
    audit = audit_dataset(dataset)
    assert audit.files is None
    assert audit.judged(np.asarray(dataset.labels)) is audit


def test_damaged_metadata_count_as_none(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8), (10, 20, 30))
    picture.save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    facts = file_facts((tmp_path / "a.jpg").read_bytes(), picture)
    assert (facts.camera, facts.taken_s, facts.border) == ("", None, (10.0, 20.0, 30.0, 0.0))


@pytest.mark.parametrize("size", [(40, 30), (3, 2), (1, 9), (300, 200)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_borders_are_the_means_of_the_outermost_pixels(size: tuple[int, int], mode: str) -> None:
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float64)
    sides = (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])
    border = np.concatenate([side.reshape(-1, 3) for side in sides])
    expected = [*border.mean(axis=0), border.std(axis=0).mean()]
    facts = file_facts(buffer.getvalue(), picture)
    np.testing.assert_allclose(facts.border, expected, atol=0.0006)
    assert file_facts(buffer.getvalue(), picture, np.asarray(picture)) == facts


def test_the_camera_of_a_png_is_read() -> None:
    picture, buffer, exif = Image.new("L", (8, 8)), io.BytesIO(), Image.Exif()
    exif[0x0110] = "camera"
    picture.save(buffer, "PNG", exif=exif)
    assert file_facts(buffer.getvalue(), picture).camera == "camera"


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_metadata_that_break_off_count_as_none(suffix: str) -> None:
    picture, buffer = Image.new("RGB", (8, 8)), io.BytesIO()
    picture.save(buffer, {"png": "PNG", "webp": "WEBP"}[suffix], exif=b"Exif\0\0II*\0\xff")
    assert file_facts(buffer.getvalue(), picture).camera == ""


def test_facts_of_pictures_larger_than_pillow_opens_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, buffer, exif = Image.new("RGB", (32, 32)), io.BytesIO(), Image.Exif()
    exif[0x0110] = "camera"
    picture.save(buffer, "JPEG", exif=exif)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    facts = file_facts(buffer.getvalue(), picture)
    assert facts.camera == "camera"
    assert facts.compression


def test_the_time_of_an_exposure_is_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "1970:01:02 00:00:05"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert file_facts((tmp_path / "a.jpg").read_bytes(), Image.new("RGB", (8, 8))).taken_s == 86_405


@pytest.mark.parametrize(
    ("classes", "how"),
    [
        (("Nevus", "nevus"), "upper and lower case"),
        (("caf\u00e9", "cafe\u0301"), "the Unicode form of their letters"),
        (("cat", "cat "), "spaces"),
        (("01", "1.0", "1"), "how a number is written"),
        (("Cat ", "cat"), "case, spaces and form"),
        (("1", "10", "a b", "ab"), None),
    ],
)
def test_classes_that_look_alike(classes: tuple[str, ...], how: str | None) -> None:
    found = list(alike_class_warnings(classes))
    assert found == ([] if how is None else [words for words in found if f"differ in {how} alone" in words])
    assert len(found) == (how is not None)
