"""Masks and thumbnails among images, tables beside them, what systems leave."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from image_files import encode
from PIL import Image

from headstart.data import read_dataset
from headstart.data.audit.audit import audit_dataset
from headstart.data.readers.folder.companions import companions
from headstart.data.system_names import is_system_name
from headstart.errors import DataError


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(np.random.default_rng(seed).integers(0, 255, (9, 7, 3), np.uint8), "PNG"))
    return path


@pytest.mark.parametrize(
    ("image", "companion"),
    [
        ("a/benign (1).png", "a/benign (1)_mask.png"),
        ("a/benign (1).png", "a/benign (1)_mask_1.png"),
        ("a/ISIC_12.jpg", "a/ISIC_12_lesion_segmentation.png"),
        ("a/7.JPG", "a/7-Thumb.jpg"),
        ("a/7.jpg", "a/thumb_7.jpg"),
        ("a/7.jpg", "a/thumbs/7.jpg"),
        ("a/images/7.jpg", "a/masks/7_mask.png"),
        ("images/a/7.jpg", "masks/a/7.png"),
        ("a/7.jpg", "a/7_gt.tif"),
        ("a/7.jpg", "thumbnails/a/7.jpg"),
        ("images/7.jpg", "labels/7.png"),
        ("JPEGImages/7.jpg", "SegmentationClass/7.png"),
        ("images/7.jpg", "annotations/trimaps/7.png"),
        ("jar/test/broken/7.png", "jar/ground_truth/broken/7_mask.png"),
    ],
)
def test_masks_and_thumbnails_belong_to_an_image(image: str, companion: str) -> None:
    assert companions([image, companion, "a/other.png"]) == {companion: image}


@pytest.mark.parametrize(
    "names",
    [
        ["with_mask/1.jpg", "without_mask/1.jpg", "with_mask/2_mask.jpg"],
        ["mask/1.jpg", "no_mask/1.jpg"],
        ["a/1_mask.png", "a/2_mask.png"],
        ["a/7.jpg", "a/7_left.jpg", "a/7_aug3.jpg", "segments/7.jpg"],
        ["gt/1.jpg", "seg/1.jpg", "thumbs/3.jpg"],
        ["photos/1.jpg", "food_label/1.jpg", "labels/2.jpg"],
        ["train/mask/1.jpg", "train/no_mask/1.jpg", "test/mask/1.jpg", "mask/train/1.jpg"],
    ],
)
def test_names_alone_make_no_companion(names: list[str]) -> None:
    assert companions(names) == {}


def test_archives_and_spreadsheets_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "c.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"other files \(1 \.zip\).* Unpack archives first\."):
        read_dataset(tmp_path)
    picture(tmp_path / "images" / "1.png")
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    (note,) = read_dataset(tmp_path).notes
    assert "Archives are not opened: unpack them, if they hold images. Labels are read from CSV or Parquet" in note
    picture(tmp_path / "other" / "2.png")
    (note,) = read_dataset(tmp_path).notes
    assert "Labels are read" not in note


def test_companions_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    for number in range(3):
        for label in "ab":
            picture(tmp_path / label / f"{number}.png", number)
            picture(tmp_path / label / f"{number}_mask.png", 100 + number)
    dataset = read_dataset(tmp_path)
    assert dataset.names == tuple(f"{label}/{number}.png" for label in "ab" for number in range(3))
    (note,) = dataset.notes
    assert note.startswith("6 files that look like masks or thumbnails of other images (a/0_mask.png of a/0.png) were")


def test_a_folder_of_masks_makes_no_class_and_no_second_folder(tmp_path: Path) -> None:
    for label in "ab":
        picture(tmp_path / "images" / label / "1.png")
        picture(tmp_path / "masks" / label / "1.png")
    dataset = read_dataset(tmp_path)
    assert dataset.names == ("images/a/1.png", "images/b/1.png")
    assert dataset.classes == ("a", "b")


def smooth(path: Path, seed: int, size: tuple[int, int] = (40, 30), **how: object) -> Path:
    """A picture of many colours."""
    values = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).resize((40, 30), Image.Resampling.BICUBIC).resize(size).save(path, **how)
    return path


def test_a_mask_may_differ_from_its_image_in_the_suffix_alone(tmp_path: Path) -> None:
    for number in range(10):
        smooth(tmp_path / "ab"[number % 2] / f"{number}.jpg", number, quality=90)
        mask = np.zeros((30, 40), np.uint8)
        mask[number : number + 9] = 255
        Image.fromarray(mask).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    dataset = read_dataset(tmp_path)
    assert {name[-4:] for name in dataset.names} == {".jpg"}
    assert dataset.notes[0].startswith(
        "10 files that look like masks or thumbnails of other images (a/0.png of a/0.jpg)"
    )


def test_a_smaller_copy_in_another_format_is_a_thumbnail(tmp_path: Path) -> None:
    for number in range(10):
        smooth(tmp_path / "ab"[number % 2] / f"{number}.tif", number)
        smooth(tmp_path / "ab"[number % 2] / f"{number}.jpg", number, (20, 15))
    assert {name[-4:] for name in read_dataset(tmp_path).names} == {".tif"}


def test_one_picture_in_two_formats_is_left_to_the_audit(tmp_path: Path) -> None:
    for number in range(4):
        for suffix in ("png", "tif"):
            smooth(tmp_path / "ab"[number % 2] / f"{number}.{suffix}", number)
    dataset = read_dataset(tmp_path)
    assert len(dataset) == 8
    assert len(audit_dataset(dataset, n_workers=1).duplicates) == 4
    (tmp_path / "a" / "0.tif").write_bytes(b"damaged")
    assert len(read_dataset(tmp_path)) == 8


LITTER = (
    *(
        "Thumbs.db",
        "THUMBS.DB",
        ".DS_Store",
        "desktop.ini",
        "._7.png",
        ".~lock.7.png#",
        "~$7.png",
        "Icon\r",
        "DICOMDIR",
    ),
    *("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", ".ipynb_checkpoints", ".dropbox.cache", ".Trash-1000"),
    *("lost+found", ".git", "System Volume Information", "@Recycle", ".AppleDouble", "#snapshot", ".stversions"),
    *("SYNOPHOTO_THUMB_M.jpg", "RECYCLER", ".@__thumb", "Network Trash Folder", "found.000"),
)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_what_systems_leave_is_never_a_class_or_an_image(tmp_path: Path) -> None:
    assert all(map(is_system_name, LITTER))
    assert not any(map(is_system_name, ("recycled", "trash", "cat", "git", "thumbs", "7.png", "lost", "@home")))
    root = tmp_path / "d"
    for place in (root, root / "cat", root / "cat" / "p1", root / "dog"):
        for name in LITTER:
            picture(place / name / "1.png") if "." not in name[1:] else picture(place / name)
    for label in ("cat", "dog"):
        picture(root / label / "1.png")
    dataset = read_dataset(root)
    assert dataset.names == ("cat/1.png", "dog/1.png")
    assert dataset.classes == ("cat", "dog")
    assert dataset.notes == (f"{4 * len(LITTER):,} hidden or system files and folders were left out.",)


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".jpeg", ".TIF", ".tiff", ".Png", ".DIB", ".WEBP", ".pjpeg"])
def test_suffixes_in_all_spellings_are_images(tmp_path: Path, suffix: str) -> None:
    for label in "ab":
        picture(tmp_path / label / f"1{suffix}")
    assert len(read_dataset(tmp_path)) == 2


def test_a_table_beside_the_images_is_named_with_its_command(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / "images" / f"{number}.png", number)
    rows = [f"{number}.png,{'xy'[number % 2]},{number}" for number in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,diagnosis,age", *rows]))
    notes = read_dataset(tmp_path).notes
    command = (
        f"headstart fit {tmp_path}/labels.csv --root {tmp_path}/images --image-column file --label-column diagnosis "
        "-o runs/first"
    )
    assert notes[-1] == f"labels.csv lists these images (column 'file'). To take the labels from it: {command}"
    (tmp_path / "labels.csv").write_text("\n".join(["image,age,sex", *(f"images/{n}.png,{n},f" for n in range(4))]))
    assert read_dataset(tmp_path).notes[-1].endswith("--label-column NAME -o runs/first, NAME one of age, sex")
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *(f"{n},x" for n in range(4))]))
    assert "without the ends of their names; write them in full, as in 0.png" in read_dataset(tmp_path).notes[-1]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *(f"z{n}.png,x" for n in range(4))]))
    assert read_dataset(tmp_path).notes == ("1 file that is no image was left out (1 .csv).",)
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\0")
    assert len(read_dataset(tmp_path).notes) == 1


def test_flat_images_with_a_table_are_refused_with_its_command(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"{number}.png", number)
    (tmp_path / "my labels.csv").write_text("\n".join(["image,label", *(f"{n}.png,x" for n in range(4))]))
    with pytest.raises(DataError, match=r"no class folders.*headstart fit '.*/my labels.csv' -o runs/first"):
        read_dataset(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_a_link_to_nothing_is_one_unreadable_file(tmp_path: Path) -> None:
    for label in "ab":
        picture(tmp_path / label / "1.png")
    (tmp_path / "a" / "2.png").symlink_to("gone.png")
    (tmp_path / "a" / "p3").symlink_to("/nowhere/p3")
    dataset = read_dataset(tmp_path)
    assert dataset.notes == ("1 link leads to nothing: a/p3. Mend or remove them.",)
    (unreadable,) = audit_dataset(dataset, n_workers=1).unreadable
    assert unreadable[1:] == ("a/2.png", "a link to a file that does not exist; mend or remove it")


def test_one_class_is_said(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    (warning, *_) = audit_dataset(read_dataset(tmp_path), n_workers=1).warnings
    assert warning.startswith("All images are of one class ('cat'), and training needs at least two")
