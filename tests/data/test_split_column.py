"""A column that names the parts of a split: the split, or a stop with the choice, never a feature."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.data import ImageDataset, read_dataset
from headstart.data.readers.table import SPLIT_PARTS
from headstart.data.split.make import split_dataset
from headstart.errors import DataError, SplitError


def table(folder: Path, parts: list[str], *, column: str = "split", **further: list[str]) -> Path:
    """A table of images of two classes by turns; none of its files is there."""
    columns = {
        "image": [f"{row}.png" for row in range(len(parts))],
        "label": ["xy"[row % 2] for row in range(len(parts))],
    }
    columns |= {column: parts, **further}
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def parts_of(dataset: ImageDataset) -> list[str] | None:
    return None if dataset.parts is None else [SPLIT_PARTS[part] for part in dataset.parts.tolist()]


THREE = ["train"] * 8 + ["Val"] * 4 + ["TEST"] * 4


def test_a_column_of_parts_is_the_split(tmp_path: Path) -> None:
    dataset = read_dataset(table(tmp_path, THREE))
    assert parts_of(dataset) == ["train"] * 8 + ["validation"] * 4 + ["test"] * 4
    assert (
        "Column 'split' of labels.csv names the split: 8 images train, 4 (validation) choose, 4 (test) judge"
        in dataset.notes[-1]
    )
    split = split_dataset(dataset, scheme="nested:5x4", repeats=1, seed=0)
    assert (split.outer_codes[0] == 0).tolist() == [part == "TEST" for part in THREE]
    with pytest.raises(SplitError, match=r"bring their split along, and --split nested:3x2 asks for another"):
        split_dataset(dataset, scheme="nested:3x2", repeats=1, seed=0)


def test_numbered_folds_are_the_outer_folds(tmp_path: Path) -> None:
    dataset = read_dataset(table(tmp_path, ["fold_0", "fold_0", "fold_1", "fold_1"]))
    assert dataset.folds is not None
    assert dataset.folds.tolist() == [0, 0, 1, 1]
    assert "names the outer folds" in dataset.notes[-1]


def test_a_column_of_another_name_is_named(tmp_path: Path) -> None:
    path = table(tmp_path, THREE, column="partition")
    assert parts_of(read_dataset(path)) is None
    assert parts_of(read_dataset(path, columns={"split": "partition"})) is not None
    with pytest.raises(
        DataError, match=r"'label' of labels.csv names no parts of a split.* Name another by --split-column"
    ):
        read_dataset(path, columns={"split": "label"})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["left", "right"] * 2, r"names no parts of a split, such as train and test \('left', 'right'\)"),
        (["train"] * 4, r"names one part of a split alone \('train'\), so it is not used"),
    ],
)
def test_other_columns_of_that_name_are_not_used_and_said(tmp_path: Path, parts: list[str], words: str) -> None:
    path = table(tmp_path, parts)
    dataset = read_dataset(path)
    assert parts_of(dataset) is None
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(dataset.notes[-1])
    assert [column.name for column in read_dataset(path, table_columns=["split"]).columns] == ["split"]


def test_a_fold_column_goes_first(tmp_path: Path) -> None:
    path = table(tmp_path, ["train", "train", "test", "test"], fold=["0", "1", "0", "1"])
    dataset = read_dataset(path)
    assert parts_of(dataset) is None
    assert dataset.folds is not None
    assert dataset.folds.tolist() == [0, 1, 0, 1]
    assert dataset.notes[-1].endswith("Column 'split' of labels.csv is not used, since the table has a fold column.")
    with pytest.raises(DataError, match=r"and there is a fold column too\. Keep one"):
        read_dataset(path, columns={"split": "split"})


def test_the_parts_are_pooled_on_request(tmp_path: Path) -> None:
    path = table(tmp_path, THREE)
    pooled = read_dataset(path, split_folders="pool")
    assert parts_of(pooled) is None
    assert pooled.notes[-1].endswith("Column 'split' of labels.csv is not used, as --split-folders pool asks.")
    with pytest.raises(DataError, match="classes in a column: leave --split-folders classes out"):
        read_dataset(path, split_folders="classes")
    for asked in (None, "pool"):
        with pytest.raises(DataError, match="the column 'split' is the split column, so it cannot be a table column"):
            read_dataset(path, table_columns=["split"], split_folders=asked)
    with pytest.raises(DataError, match="has no column that names the parts"):
        read_dataset(table(tmp_path, THREE, column="part"), split_folders="pool")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["train", "train", "test", ""], r"1 row is in none \(''\)\. Mend the column, or .*pool"),
        (["train", "test", "extra", "extra"], r"2 rows are in none \('extra'\)"),
        (["val", "val", "test", "test"], "none of them is for training"),
        (["train", "test", "fold1", "fold2"], "names folds and parts of a split at once"),
    ],
)
def test_what_cannot_be_the_split_stops_with_the_choice(tmp_path: Path, parts: list[str], words: str) -> None:
    path = table(tmp_path, parts)
    with pytest.raises(DataError, match=words):
        read_dataset(path)
    assert parts_of(read_dataset(path, split_folders="pool")) is None


def test_an_image_in_two_parts_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, ["train", "train", "test", "test"])
    path.write_text(path.read_text() + "0.png,x,test\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"listed more than once, with different splits: 0\.png \('train' and 'test'\)"):
        read_dataset(path)
