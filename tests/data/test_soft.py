"""Soft labels of tables and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from label_tables import (
    images,
    soft_rows,
    table,
)

from headstart.data import ImageDataset, read_dataset
from headstart.errors import DataError


def test_soft_labels_of_a_table(tmp_path: Path) -> None:
    rows = soft_rows(tmp_path)
    dataset = read_dataset(table(tmp_path, rows))
    assert dataset.classes == ("calm", "rough") and dataset.soft is not None
    assert dataset.soft == pytest.approx(np.array([[row["p:calm"], row["p:rough"]] for row in rows]))
    assert dataset.label_names()[:6] == ["calm", "rough", "calm", "rough", "calm", "calm"]  # ties: the first class
    part = dataset.subset([3, 0])
    assert part.soft is not None and (part.soft == dataset.soft[[3, 0]]).all()
    assert dataset.with_groups(np.zeros(24, dtype=np.int64)).soft is dataset.soft


def test_soft_labels_of_parquet_with_other_names_other_order_and_a_label_column(tmp_path: Path) -> None:
    rows = soft_rows(tmp_path, "chance of ")
    for number, row in enumerate(rows):
        row["label"] = helpers.CLASSES[number % 2]
    path = tmp_path / "labels.parquet"
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    dataset = read_dataset(path, columns={"soft": "chance of "}, classes=("rough", "calm", "none"))
    assert dataset.classes == ("rough", "calm", "none") and dataset.soft is not None
    assert dataset.soft[:, 0] == pytest.approx([row["chance of rough"] for row in rows])
    assert not dataset.soft[:, 2].any()
    assert dataset.label_names() == [row["label"] for row in rows]  # not the most probable class where that is a tie


def test_soft_labels_change_the_fingerprint_and_survive_in_arrays() -> None:
    pixels = helpers.noise(4)
    soft = np.array([[1, 0], [0.25, 0.75], [0.5, 0.5], [0, 1]])
    dataset = ImageDataset.from_arrays(pixels, soft=soft, classes=("calm", "rough"))
    assert dataset.label_names() == ["calm", "rough", "calm", "rough"]
    hard = ImageDataset.from_arrays(pixels, dataset.label_names())
    assert hard.soft is None and hard.fingerprint() != dataset.fingerprint()
    other = ImageDataset.from_arrays(pixels, dataset.label_names(), soft=np.eye(2)[[0, 1, 0, 1]])
    assert len({hard.fingerprint(), dataset.fingerprint(), other.fingerprint()}) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p:calm": 0.6}, "do not sum to one .rows counted from 1: row 3 sums to 1.1.*Divide each row by its sum"),
        ({"p:calm": -0.1, "p:rough": 1.1}, "'p:calm' must hold a probability from 0 to 1; 1 row does not: row 3 has"),
        ({"p:calm": "nan"}, "row 3 has 'nan'. Write 0 for a class that is ruled out"),
        ({"p:calm": ""}, "row 3 has ''"),
        ({"label": "wild"}, "Unknown class 'wild'.*the soft labels do not; mend the label"),
    ],
)
def test_bad_soft_labels_are_refused_by_file_and_row(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    rows = [{"label": "calm", **row, "p:calm": 0.5, "p:rough": 0.5} for row in images(tmp_path, 6)]
    rows[2] |= change
    with pytest.raises(DataError, match=words) as caught:
        read_dataset(table(tmp_path, rows))
    assert str(tmp_path / "labels.csv") in str(caught.value)


def test_soft_labels_of_one_class_or_of_two_kinds_are_refused(tmp_path: Path) -> None:
    rows = images(tmp_path, 6)
    with pytest.raises(DataError, match=r"has 1 column that begins with 'p:'; soft labels need one for each class"):
        read_dataset(table(tmp_path, [{**row, "p:calm": 1} for row in rows]))
    with pytest.raises(DataError, match=r"has 0 columns that begin with 'q_'.*--soft-prefix"):
        read_dataset(table(tmp_path, [{**row, "p:calm": 1} for row in rows]), columns={"soft": "q_"})
    both = [{**row, "p:calm": 1, "p:rough": 0, "anna": "calm", "ben": "calm"} for row in rows]
    with pytest.raises(DataError, match=r"gives labels in two ways: soft labels .* and one column for each rater"):
        read_dataset(table(tmp_path, both), columns={"raters": "anna,ben"})
    with pytest.raises(DataError, match=r"both given"):
        ImageDataset.from_arrays(helpers.noise(2), soft=np.eye(2), ratings=[["a"], ["b"]])
    with pytest.raises(DataError, match=r"shape \(2, 3\); expected \(2, 2\)"):
        ImageDataset.from_arrays(helpers.noise(2), soft=np.eye(3)[:2], classes=("a", "b"))
