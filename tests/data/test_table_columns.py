"""Table columns: read from every layout, their kinds, gaps and refusals."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from headstart.data import ImageDataset, read_dataset
from headstart.data.table.column import MAX_CATEGORIES, TableColumn
from headstart.data.table.request import ColumnRequest, requested_columns
from headstart.errors import DataError

ROWS = {
    "image": ["a.png", "b.png", "c.png", "d.png"],
    "label": ["x", "y", "x", "y"],
    "age": ["61", "", "8.5", "1e2"],
    "site": ["arm ", "back", "n/a", "arm"],
    "stage": ["1", "2", "2", "10"],
}
IMAGES = np.zeros((4, 8, 8), dtype=np.uint8)


def manifest(folder: Path, columns: dict[str, list[str]], name: str = "m.csv") -> Path:
    lines = [columns, *zip(*columns.values(), strict=True)]
    path = folder / name
    path.write_text("\n".join(",".join(line) for line in lines) + "\n", encoding="utf-8")
    return path


def test_kinds_follow_the_values_unless_they_are_given(tmp_path: Path) -> None:
    path = manifest(tmp_path, ROWS)
    age, site, stage = read_dataset(path, table_columns=["age", "site", "stage"]).columns
    assert (age.kind, site.kind, stage.kind) == ("number", "category", "number")
    assert np.array_equal(age.values, [61, np.nan, 8.5, 100], equal_nan=True)
    assert site.categories == ("arm", "back")
    assert site.values.tolist() == [0, 1, -1, 0]
    assert site.missing.tolist() == [False, False, True, False]
    (stage,) = read_dataset(path, table_columns=["stage:category"]).columns
    assert stage.categories == ("1", "2", "10")


def test_csv_parquet_archives_and_arrays_agree(tmp_path: Path) -> None:
    path = manifest(tmp_path, ROWS)
    typed = {"age": [61.0, None, 8.5, 100.0], "site": ["arm", "back", None, "arm"], "stage": [1, 2, 2, 10]}
    pa.parquet.write_table(pa.table({**ROWS, **typed}), tmp_path / "m.parquet")
    site = np.array(["arm", "back", "", "arm"])
    age = np.array([61.0, np.nan, 8.5, 100.0])
    np.savez(tmp_path / "m.npz", images=IMAGES, labels=ROWS["label"], age=age, site=site, stage=[1, 2, 2, 10])
    asked = ["age", "site", "stage:category"]
    read = [read_dataset(one, table_columns=asked) for one in (path, tmp_path / "m.parquet", tmp_path / "m.npz")]
    kept = TableColumn.of("stage", [1, 2, 2, 10], kind="category")
    ages, sites = (TableColumn.of(name, typed[name]) for name in ("age", "site"))
    read.append(ImageDataset.from_arrays(IMAGES, ROWS["label"], table=[ages, sites, kept]))
    found = [[column.to_json() for column in dataset.columns] for dataset in read]
    assert all(one == found[0] for one in found[1:])
    assert found[0][0]["values"] == [61.0, None, 8.5, 100.0]


def test_parts_of_an_archive_each_bring_the_column(tmp_path: Path) -> None:
    parts = {"train_images": IMAGES, "train_labels": [0, 1, 0, 1], "test_images": IMAGES[:2], "test_labels": [0, 1]}
    np.savez(
        tmp_path / "m.npz", **parts, train_age=[[1.0], [2.0], [3.0], [4.0]], test_age=[5.0, np.nan], train_x=[1] * 4
    )
    (age,) = read_dataset(tmp_path / "m.npz", table_columns=["age"]).columns
    assert age.missing.tolist() == [False] * 5 + [True]
    (age,) = read_dataset(tmp_path / "m.npz", partition="train", table_columns=["age"]).columns
    assert age.values.tolist() == [1, 2, 3, 4]
    with pytest.raises(DataError, match="no test_x; every part needs the table column 'x'"):
        read_dataset(tmp_path / "m.npz", table_columns=["x"])
    with pytest.raises(DataError, match="'labels' is the label column"):
        read_dataset(tmp_path / "m.npz", table_columns=["labels"])


def test_a_data_frame_like_mapping_is_a_table() -> None:
    dataset = ImageDataset.from_files(["a", "b"], ["x", "y"], table={"size": np.array([3, 4]), "fresh": [True, None]})
    size, fresh = dataset.columns
    assert size.kind == "number"
    assert fresh.to_json() == {"name": "fresh", "kind": "category", "values": ["True", None]}


def test_rows_are_taken_and_count_in_the_fingerprint() -> None:
    plain = ImageDataset.from_arrays(IMAGES, ROWS["label"])
    first = ImageDataset.from_arrays(IMAGES, ROWS["label"], table={"age": [1, 2, 3, 4]})
    other = ImageDataset.from_arrays(IMAGES, ROWS["label"], table={"age": [1, 2, 3, 5]})
    assert len({one.fingerprint() for one in (plain, first, other)}) == 3
    assert first.subset([3, 0]).columns[0].values.tolist() == [4, 1]
    assert first.without([0, 1]).columns[0].values.tolist() == [3, 4]
    with pytest.raises(ValueError, match="read-only"):
        first.columns[0].values[0] = 9


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["aeg"], "Unknown table column 'aeg'. Did you mean 'age'"),
        (["stage:categry"], "Unknown kind of the table column 'stage' 'categry'. Did you mean 'category'"),
        (["label"], "column 'label' is the label column"),
        (["image"], "column 'image' is the image column"),
        (["age", "age:number"], "'age' is named twice"),
        (["site:number"], r"'site' must hold finite numbers.* 3 rows do not: row 1 has 'arm'"),
        (["age,"], "Unknown table column 'age,'"),
        ([" "], "has no name"),
    ],
)
def test_columns_that_cannot_be_used(tmp_path: Path, asked: list[str], words: str) -> None:
    path = manifest(tmp_path, ROWS)
    with pytest.raises(DataError, match=words):
        read_dataset(path, table_columns=asked)


def test_roles_of_every_kind_are_refused(tmp_path: Path) -> None:
    roles = {"group": ["1"] * 4, "weight": ["1"] * 4, "fold": ["0"] * 4, "anna": ["x"] * 4}
    path = manifest(tmp_path, ROWS | roles)
    for name, role in (("group", "group"), ("weight", "weight"), ("fold", "fold"), ("anna", "rater's label")):
        with pytest.raises(DataError, match=f"'{name}' is the {role} column"):
            read_dataset(path, columns={"raters": "anna"}, table_columns=[name])


def test_values_that_make_no_column() -> None:
    with pytest.raises(DataError, match="every value of the table column 'age' is missing"):
        TableColumn.of("age", [None, "", "nan"])
    for kind in ("number", "category"):  # where it is known what a value would be: of a new image, say
        assert TableColumn.of("age", [None, "nan"], kind=kind).missing.tolist() == [True, True]
    names = [f"patient {row}" for row in range(MAX_CATEGORIES + 1)]
    with pytest.raises(DataError, match=r"has 51 different texts.*probably an identifier"):
        TableColumn.of("patient", names)
    with pytest.raises(DataError, match=r"must hold finite numbers.*row 60 has '12,5'"):
        TableColumn.of("age", [*range(60), "12,5"])
    with pytest.raises(DataError, match="row 1 has 'inf'"):
        TableColumn.of("age", [1.0, np.inf], kind="number")
    with pytest.raises(DataError, match="control character"):
        TableColumn.of("site", ["arm", "a\x1bm"])
    with pytest.raises(DataError, match="2 values for 4 images"):
        ImageDataset.from_arrays(IMAGES, table={"age": [1, 2]})
    with pytest.raises(DataError, match=r"shape \(2, 2\)"):
        TableColumn.of("age", [[1, 2], [3, 4]])


def test_a_repeated_image_with_another_value_is_refused(tmp_path: Path) -> None:
    rows = {"image": ["a.png", "a.png"], "label": ["x", "x"], "age": ["1", "2"]}
    with pytest.raises(DataError, match="with different values of 'age'"):
        read_dataset(manifest(tmp_path, rows), table_columns=["age"])


def test_a_folder_takes_its_columns_from_a_table_beside_it(folder: Path, tmp_path: Path) -> None:
    rows = {"image": ["b9/p1/1.png", "a/p1/0.png", "other.png"], "age": ["3", "7", "9"], "site": ["arm", "", "toe"]}
    path = manifest(tmp_path, rows, "side.csv")
    dataset = read_dataset(folder, table=path, table_columns=["age", "site"])
    found = {name: dataset.columns[0].values[row] for row, name in enumerate(dataset.names)}
    assert (found["b9/p1/1.png"], found["a/p1/0.png"]) == (3, 7)
    assert int(dataset.columns[0].missing.sum()) == len(dataset) - 2
    assert int(dataset.columns[1].missing.sum()) == len(dataset) - 1
    assert any("7 of 9 images have no row in side.csv, such as a/p1/1.png" in note for note in dataset.notes)


def test_a_table_beside_images_must_fit_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder of class folders, which holds no table columns"):
        read_dataset(folder, table_columns=["age"])
    path = manifest(tmp_path, {"image": ["0.png", "1.png"], "age": ["3", "7"]}, "side.csv")
    with pytest.raises(DataError, match=r"row for none of the images.*such as 'a/p1/0.png'; it holds '0.png', '1.png'"):
        read_dataset(folder, table=path, table_columns=["age"])
    with pytest.raises(DataError, match="none is named"):
        read_dataset(folder, table=path)
    with pytest.raises(DataError, match="does not exist"):
        read_dataset(folder, table=tmp_path / "none.csv", table_columns=["age"])


def test_requests() -> None:
    assert requested_columns(["age", " site : category "]) == (ColumnRequest("age"), ColumnRequest("site", "category"))
    assert [str(one) for one in requested_columns(["age", "site:category"])] == ["age", "site:category"]


def test_the_examples_of_the_page_run() -> None:
    page = Path(__file__).parents[2] / "docs" / "table.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert (found.failed, found.attempted > 0) == (0, True)
