"""A user's own array beside the pictures: how it is read, encoded and audited, and what is refused."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest

from headstart.data import ImageDataset, audit_dataset, read_dataset
from headstart.data.table import array_column as layout
from headstart.data.table.array_column import ArrayColumn, array_column
from headstart.data.table.array_file import read_feature_array
from headstart.data.table.column import TableColumn
from headstart.data.table.encoding import TableEncoding
from headstart.errors import DataError, InputError

NAMES = ("a.png", "b.png", "c.png")
VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


class Reached:
    """An object whose unpickling would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("it was unpickled",)


def saved(path: Path, values: Any, **more: Any) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **({"names": np.array(NAMES), "values": values} | more))
    else:
        np.save(path, values, **more)
    return path


def test_rows_of_npy_are_in_the_order_of_the_data_set(tmp_path: Path) -> None:
    for values in (VALUES, np.asfortranarray(VALUES), VALUES.astype(">f8"), VALUES.astype(np.int16)):
        found = read_feature_array(saved(tmp_path / "deep.npy", values), NAMES)
        assert (found.name, found.kind, found.values.tolist()) == ("deep", "array", VALUES.tolist())
        assert found.outputs == ("deep_0", "deep_1", "deep_2", "deep_3")


def test_rows_of_npz_are_found_by_name_and_others_are_left_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "deep.npz", VALUES)
    assert read_feature_array(path, ("c.png", "a.png")).values.tolist() == VALUES[[2, 0]].tolist()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (VALUES[:2], r"bad.npy has 2 rows for 3 images; .* save an .npz with the entries names"),
        (VALUES[0], r"bad.npy has shape \(4,\); expected numbers of shape \(3, n_columns\)"),
        (VALUES[:, :0], "has no columns"),
        (VALUES.astype(str), "holds values of type <U32"),
        (VALUES.astype(complex), "holds values of type complex64|complex128"),
        (np.where(VALUES == 5, np.nan, VALUES), "1 of 12 are not, first row 1, column 1: nan. Fill or leave out"),
        (np.where(VALUES > 9, -np.inf, VALUES), "2 of 12 are not, first row 2, column 2: -inf"),
        (VALUES.astype(float) * 1e38, "must hold finite numbers below 3.4e"),
        (np.zeros((3, 20_000)), "has 20,000 columns; at most 16,384"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(tmp_path: Path, values: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_feature_array(saved(tmp_path / "bad.npy", values), NAMES)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"names": np.array(["a.png", "b.png", "d.png"])}, "has no row for 1 of 3 images, such as 'c.png'"),
        ({"names": np.array(["a.png", "b.png", "b.png"])}, "'b.png' twice"),
        ({"names": np.array(NAMES[:2])}, "values, beside 2 names, has 3 rows"),
        ({"names": np.arange(3)}, "expected a text for each row of values"),
    ],
)
def test_names_that_do_not_match_are_refused(tmp_path: Path, entries: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_feature_array(saved(tmp_path / "bad.npz", VALUES, **entries), NAMES)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    objects = np.array([[Reached()]] * 3, dtype=object)
    names = np.array([Reached()] * 3, dtype=object)
    for name, values, more in (("o.npy", objects, {}), ("o.npz", objects, {}), ("n.npz", VALUES, {"names": names})):
        path = saved(tmp_path / name, values, **more)
        with pytest.raises(DataError, match="never unpickled"):
            read_feature_array(path, NAMES)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="damaged or no NumPy file"):
        read_feature_array(tmp_path / "pickle.npy", NAMES)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.npy", VALUES).read_bytes()
    (tmp_path / "short.npy").write_bytes(whole[:-9])
    (tmp_path / "short.npz").write_bytes(saved(tmp_path / "whole.npz", VALUES).read_bytes()[:-30])
    (tmp_path / "deep.csv").write_text("1,2")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("pixels.npy", whole)
    for name, words in {
        "short.npy": "damaged or no NumPy file",
        "short.npz": "damaged or no NumPy file",
        "deep.csv": "expected a file .npy or .npz",
        "none.npy": "does not exist",
        "other.npz": r"holds pixels; expected the entries names \(of the images\) and values",
    }.items():
        with pytest.raises(DataError, match=words):
            read_feature_array(tmp_path / name, NAMES)


def test_an_array_larger_than_the_memory_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "memory_bytes", lambda: (1 << 30, 3 * 4 * layout.BYTES_PER_VALUE - 1))
    for name in ("large.npy", "large.npz"):
        with pytest.raises(DataError, match=r"3 x 4 numbers, for which a run needs about 0\.0 GiB"):
            read_feature_array(saved(tmp_path / name, VALUES), NAMES)


def test_each_column_is_standardised_by_the_training_rows_alone() -> None:
    array = array_column(np.array([[1.0, 7.0], [3.0, 7.0], [100.0, 8.0]]), 3, name="own")
    age = TableColumn.of("age", [1, 3, 5])
    encoding = TableEncoding.fit([age, array], np.array([0, 1]))
    assert encoding.outputs == ("age", "own_0", "own_1")
    assert encoding.block_widths == (1, 2)
    assert [str(request) for request in encoding.requests] == ["age:number"]
    assert encoding.apply([age, array])[:, 1:].tolist() == [[-1.0, 0.0], [1.0, 0.0], [98.0, 0.0]]
    again = TableEncoding.from_json(encoding.to_json())
    assert again == encoding
    renamed = ArrayColumn("new", array.values)
    assert np.array_equal(again.apply([renamed, age]), encoding.apply([age, array]))  # whatever its file is called


def test_an_array_that_is_not_there_or_of_another_width_is_refused() -> None:
    encoding = TableEncoding.fit([array_column(VALUES, 3, name="own")], np.arange(3))
    with pytest.raises(InputError, match=r"takes a feature array beside the picture \(own, 4 columns\)"):
        encoding.apply([])
    with pytest.raises(InputError, match="'new' has 3 columns, and the model takes 4"):
        encoding.apply([array_column(VALUES[:, :3], 3, name="new")])
    stored = encoding.to_json()
    stored["columns"][0]["means"] = [0.0]
    with pytest.raises(ValueError, match="damaged"):
        TableEncoding.from_json(stored)


def test_a_data_set_takes_an_array_in_memory_and_cuts_it_with_its_rows(tmp_path: Path) -> None:
    folder = helpers.write_folders(tmp_path / "images", 6)
    plain = read_dataset(folder)
    values = np.random.default_rng(0).normal(size=(6, 3))
    found = plain.with_feature_array(values, name="own")
    assert found.subset([4, 1]).columns[0].values.tolist() == values[[4, 1]].tolist()
    assert found.fingerprint() not in {
        plain.fingerprint(),
        plain.with_feature_array(values + 1, name="own").fingerprint(),
    }
    np.save(tmp_path / "own.npy", values)
    assert read_dataset(folder, feature_array=tmp_path / "own.npy").fingerprint() == found.fingerprint()
    with pytest.raises(DataError, match="have a feature array already"):
        found.with_feature_array(values)


def test_the_audit_looks_at_an_array_as_one_block() -> None:
    labels = np.tile([0, 1], 40)
    values = np.random.default_rng(0).normal(size=(80, 600))
    values[:, 7] += 9 * labels
    values[:, 100:110] = 1.0
    images = np.random.default_rng(0).integers(0, 255, (80, 8, 8), dtype=np.uint8)
    dataset = ImageDataset.from_arrays(images, labels).with_feature_array(values, name="own")
    found = audit_dataset(dataset, n_workers=1)
    (facts,) = found.columns
    assert (facts.kind, facts.n_distinct, facts.balanced_accuracy) == ("array", 590, 1.0)
    assert [text for text in found.warnings if "feature array" in text] == [
        "One column of the feature array 'own' alone predicts the class with a balanced accuracy of 1.00 (chance is "
        "0.50). Is it known before the class is, and measured without looking at it? If not, leave it out: the scores "
        "would flatter.",
        "10 of 600 columns of the feature array 'own' have one value in all images, which tells nothing.",
    ]
    line = next(line for line in found.lines() if line.startswith("feature array"))
    assert line.startswith("feature array own: 590 columns that vary; alone its most telling column")


def test_a_header_that_numpy_cannot_parse_is_refused_in_words(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", VALUES)
    path.write_bytes(path.read_bytes().replace(b"}", b" ", 1))
    with pytest.raises(DataError, match=r"a\.npy is damaged or no NumPy file"):
        read_feature_array(path, NAMES)
