"""What folders mean: classes, a wrapping around them, parts of a split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from image_files import encode

from headstart.data import ImageDataset, audit_dataset, read_dataset, split_dataset
from headstart.data.readers.folder.layout import FolderLayout, folder_layout
from headstart.data.readers.split_names import split_name
from headstart.errors import DataError, SplitError


def layout(*places: str, split_folders: str | None = None, empty: Sequence[str] = ()) -> FolderLayout:
    """Layout of three images in each folder."""
    names = [f"{place}/{number}.png" for place in places for number in range(3)]
    around = {name[:at] for name in names for at, sign in enumerate(name) if sign == "/"}
    return folder_layout(names, [*around, *empty], split_folders)


def write(root: Path, places: Sequence[str], n_images: int = 4) -> Path:
    rng = np.random.default_rng(7)
    for place in places:
        (root / place).mkdir(parents=True)
        for number in range(n_images):
            (root / place / f"{number}.png").write_bytes(encode(rng.integers(0, 255, (8, 8, 3), np.uint8), "PNG"))
    return root


def test_class_folders_are_classes_whatever_lies_in_them() -> None:
    found = layout("cat/p1", "cat/test", "dog", "test")
    assert found == layout("cat/p1", "cat/test", "dog", "test", split_folders="classes")
    assert sorted(set(found.classes)) == ["cat", "dog", "test"]
    assert (found.parts, found.folds, found.notes) == (None, None, ())


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *(("TRAIN", "train"), ("training_set", "train"), ("testset", "test"), ("Valid", "validation")),
        *(("dev", "validation"), ("seg_test", "test"), ("CV-fold 12", "fold"), ("fold_0", "fold")),
        *((name, None) for name in ("trainers", "train_test", "trainA", "manifold3", "contest", "latest")),
    ],
)
def test_names_of_parts(name: str, part: str | None) -> None:
    found = split_name(name)
    assert (None if found is None else found.part) == part


@pytest.mark.parametrize(
    ("places", "codes", "words"),
    [
        (
            ("train/a", "train/b", "val/a", "val/b", "test/a", "test/b"),
            {0, 1, 2},
            "6 images train, 6 (validation) choose",
        ),
        (("TRAINING/a", "TRAINING/b", "Testing/a", "Testing/b"), {0, 2}, "a quarter of which is drawn to choose"),
        (("train/a", "train/b", "valid/a", "valid/b"), {0, 1}, "6 (validation) judge"),
        (("a/test", "a/train", "b/Test", "b/train"), {0, 2}, "in the class folders a, b are the split"),
        (
            ("set/train/a", "set/train/b", "set/test/a", "set/test/b"),
            {0, 2},
            "test/, train/ hold the class folders a, b",
        ),
        (
            ("seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a", "seg_test/seg_test/b"),
            {0, 2},
            "split",
        ),
    ],
)
def test_split_folders_are_the_split(places: tuple[str, ...], codes: set[int], words: str) -> None:
    found = layout(*places)
    assert set(found.classes) == {"a", "b"}
    assert set(found.parts or ()) == codes
    assert len(found.notes) == 1
    assert words in found.notes[0]
    pooled = layout(*places, split_folders="pool")
    assert (pooled.names, pooled.classes, pooled.parts) == (found.names, found.classes, None)
    assert "were put together, as --split-folders pool asks" in pooled.notes[-1]


def test_numbered_folds_are_outer_folds() -> None:
    found = layout(*(f"fold_{number}/{name}" for number in range(5) for name in "ab"))
    assert set(found.folds or ()) == {0, 1, 2, 3, 4}
    assert "so they are the outer folds" in found.notes[0]


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (("train", "test"), "lie in no class folders.*If they are classes: --split-folders classes"),
        (("train/a", "train/b", "test"), "images of test/ lie in no class folder.*To train on train/ alone"),
        (("train/a", "train/b", "test/a"), r"their class folders differ \(train/b\).*--split-folders pool"),
        (("train/a", "train/b", "val/a", "val/b", "valid/a", "valid/b"), "called like one and the same part"),
        (("val/a", "val/b", "test/a", "test/b"), "none of them is for training"),
        (("train/a", "train/b", "test/a", "test/b", "pred/new"), "beside them lie pred"),
        (("fold1/train", "fold1/test", "fold2/train", "fold2/test"), "and the folders in them"),
        (("fold1/a", "fold1/b", "test/a", "test/b"), "like folds and like parts of a split at once"),
        (("a/train", "a/val", "b/train", "b/test"), "not every class has all of them"),
        (("a/train", "a/training", "b/train", "b/test"), "called like one and the same part"),
    ],
)
def test_what_may_be_a_split_is_asked_for(places: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        layout(*places)
    as_classes = layout(*places, split_folders="classes")
    assert set(as_classes.classes) == {place.split("/")[0] for place in places}


def test_a_pool_leaves_out_what_has_no_class() -> None:
    found = layout("train/a", "train/b", "test", split_folders="pool")
    assert len(found.names) == 6
    assert len(found.unlabelled) == 3


def test_a_single_wrapping_folder_is_looked_through() -> None:
    found = layout("set/images/a", "set/images/b")
    assert (set(found.classes), found.class_level) == ({"a", "b"}, 2)
    (note,) = found.notes
    assert note.startswith("set/images/ alone would be one class, so the folders in it are the classes: a, b. --split-")
    assert set(layout("set/images/a", "set/images/b", split_folders="classes").classes) == {"set"}
    assert set(layout("cat/p1").classes) == {"cat"}
    assert set(layout("cat/p1", "cat/p2", empty=["dog"]).classes) == {"cat"}
    assert set(folder_layout(["x/a/1.png", "x/b/2.png", "x/3.png"], ["x", "x/a", "x/b"]).classes) == {"x"}


def test_folders_of_patients_around_the_same_folders_are_asked_about() -> None:
    places = [f"p{number}/{name}" for number in range(5) for name in ("sick", "well")]
    (note,) = layout(*places).notes
    assert note.startswith(
        "Each of the 5 class folders (p0, p1, p2, p3, p4) holds the same folders: sick, well. If these"
    )
    assert "Each of the 4 class folders" in layout(*places[:8]).notes[0]
    assert (
        "The 6 class folders (p0, p1, p2, p3, p4 and 1 more) share the folders" in layout(*places, "p9/sick").notes[0]
    )
    assert layout(*places, "p9").notes == ()


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (("2021/a", "2021/b", "2022/a", "2022/b"), "same folders: a, b.*and the others patients, sites or days, list"),
        (("raw/a", "raw/b", "cut/a", "cut/b"), "same folders: a, b.*and the others kinds of pictures, sites"),
        (("a/2021", "a/2022", "b/2021", "b/2022"), ""),
        (("cat/left", "cat/right", "dog/front"), ""),
        (("subject_1", "subject_2", "subject_3"), "are called like patients, cases or recordings.*If they are none"),
        (("A01", "A02", "B01", "B02", "C01", "C02"), "are called like wells of a plate"),
        (("T1", "T2", "T3", "T4", "T5", "T6"), ""),
        (("day1", "day2", "day3"), ""),
        (("cat", "dog", "unsorted"), "the folder is taken as a class: unsorted/. Move images without a label out"),
        (("cat", "New folder (2)", "to_check"), r"are taken as classes: New folder \(2\)/, to_check/"),
    ],
)
def test_class_folders_that_may_be_something_else_are_asked_about(places: tuple[str, ...], words: str) -> None:
    notes = " ".join(layout(*places).notes)
    assert re.search(words, notes) if words else notes == ""


def test_one_folder_of_images_beside_others_is_asked_about() -> None:
    (note,) = layout("Images/a", "Images/b", empty=["Annotation"]).notes
    assert note == "All images lie in Images/. If the folders in it are the classes (a, b), give that folder."


def test_data_with_a_split_are_judged_by_it(tmp_path: Path) -> None:
    root = write(tmp_path / "d", ["train/a", "train/b", "val/a", "val/b", "test/a", "test/b"])
    dataset = read_dataset(root)
    split = split_dataset(dataset)
    (_, train, test), ((inner, chosen),) = next(split.outer(0)), split.inner(0, 0)
    assert {dataset.names[row].split("/")[0] for row in test} == {"test"}
    assert {dataset.names[row].split("/")[0] for row in train} == {"train", "val"}
    assert {dataset.names[row].split("/")[0] for row in chosen} == {"val"}
    assert {dataset.names[row].split("/")[0] for row in inner} == {"train"}
    assert (split.scheme, split.own_folds, split.n_inner) == (
        "holdout:33.33/33.33/33.33".replace("33.33/", "33.34/", 1),
        True,
        1,
    )
    assert split.to_json() == type(split).from_json(split.to_json()).to_json()
    assert dataset.fingerprint() != read_dataset(root, split_folders="pool").fingerprint()
    rows = np.random.default_rng(0).permutation(len(dataset))
    assert split_dataset(dataset.subset(rows)).hash == split.hash
    with pytest.raises(SplitError, match="--split nested:3x2 asks for another"):
        split_dataset(dataset, scheme="nested:3x2")
    with pytest.raises(SplitError, match="--repeats 2 asks for another"):
        split_dataset(dataset, repeats=2)


def test_validation_images_are_drawn_from_training_images(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path / "d", ["train/a", "train/b", "test/a", "test/b"], n_images=8))
    split = split_dataset(dataset)
    chosen = split.inner(0, 0).__next__()[1]
    assert {dataset.names[row].split("/")[0] for row in chosen} == {"train"}
    assert np.bincount(np.asarray(dataset.labels)[chosen]).tolist() == [2, 2]
    assert split.hash == split_dataset(dataset).hash
    assert split.hash != split_dataset(dataset, seed=1).hash


def test_without_test_images_the_validation_images_judge(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path / "d", ["a/train", "a/val", "b/train", "b/val"]))
    assert dataset.classes == ("a", "b")
    _, _, test = next(split_dataset(dataset).outer(0))
    assert {dataset.names[row].split("/")[1] for row in test} == {"val"}


def test_a_split_that_tears_copies_apart_or_lacks_a_class_is_refused(tmp_path: Path) -> None:
    dataset = ImageDataset.from_folder(write(tmp_path / "d", ["train/a", "train/b", "test/a", "test/b"]))
    with pytest.raises(
        SplitError, match=r"1 group \(or set of copies\) lies.*test/a/0.png and train/a/0.png: a model would be judged"
    ):
        split_dataset(
            dataset, groups=[0 if name.endswith("a/0.png") else row for row, name in enumerate(dataset.names, 1)]
        )
    with pytest.raises(SplitError, match="Class 'b' has no image in the test part"):
        split_dataset(dataset.without([row for row, name in enumerate(dataset.names) if name.startswith("test/b")]))


def test_the_audit_warns_of_copies_in_two_parts(tmp_path: Path) -> None:
    root = write(tmp_path / "d", ["train/a", "train/b", "test/a", "test/b"])
    (root / "test" / "a" / "copy.png").write_bytes((root / "train" / "a" / "0.png").read_bytes())
    warnings = audit_dataset(read_dataset(root), n_workers=1).warnings
    assert any(
        "1 set of duplicates lies in more than one part of the split (test/a/copy.png = train" in w for w in warnings
    )
    pooled = audit_dataset(read_dataset(root, split_folders="pool"), n_workers=1).warnings
    assert not any("part of the split" in warning for warning in pooled)


def test_archives_have_no_split_folders(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.array([0, 1]))
    with pytest.raises(DataError, match=r"has no split folders\. Leave --split-folders out"):
        read_dataset(tmp_path / "m.npz", split_folders="pool")
