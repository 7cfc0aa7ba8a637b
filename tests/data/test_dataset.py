"""Data sets: subsets, fingerprints, files and arrays alike, checks of columns."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from image_files import encode

from headstart.data import ImageDataset, ImageResize, read_dataset
from headstart.errors import DataError


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
    preparation = ImageResize((8, 8))
    for row in range(4):
        assert np.array_equal(files.prepared(row, preparation), arrays.prepared(row, preparation))
    assert arrays.subset([2]).content_hash(0) == arrays.content_hash(2) != arrays.content_hash(1)
    shape_matters = ImageDataset.from_arrays(images.reshape(4, 5, 6, 3))
    assert shape_matters.content_hash(0) != arrays.content_hash(0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 3), np.float32), "of type float32, and nobody states which value is black"),
        (np.zeros((2, 3), np.uint8), r"shape \(2, 3\)"),
        (np.zeros((2, 3, 3), np.int32), "of type int32; expected uint8"),
        (np.zeros((2, 3, 3, 65), np.uint8), "1 to 64 channels"),
    ],
)
def test_arrays_of_other_kinds_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageDataset.from_arrays(images)


def test_columns_are_checked() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    with pytest.raises(DataError, match=r"labels are missing .* in 1 row.*: 1\."):
        ImageDataset.from_arrays(images, [1.0, float("nan"), 2.0])
    with pytest.raises(DataError, match="expected one for each of 3 images"):
        ImageDataset.from_arrays(images, ["a", "b"])
    with pytest.raises(DataError, match=r"1 is -1.0"):
        ImageDataset.from_arrays(images, ["a", "b", "a"], weights=[1, -1, 1])
    with pytest.raises(DataError, match="All weights are zero"):
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
        with pytest.raises(DataError, match=rf"column '{kind}' holds control .* in 1 row, .*: row 3 has 'k.*\\.*k'"):
            ImageDataset.from_manifest(tmp_path / "m.parquet")


@pytest.mark.parametrize("n_channels", [3, 4])
def test_one_picture_with_its_channels_last_is_one_colour_image(n_channels: int, rng: np.random.Generator) -> None:
    picture = rng.integers(0, 255, (12, 9, n_channels), dtype=np.uint8)
    picture[..., 3:] = 255
    for dataset in (ImageDataset.from_arrays(picture), ImageDataset.from_arrays(picture, labels=["a"])):
        assert len(dataset) == 1
        assert np.array_equal(np.asarray(dataset.load(0)), picture[..., :3])
    grey = ImageDataset.from_arrays(picture, labels=["a", "b"] * 6)
    assert len(grey) == 12
