"""Reader of CSV and Parquet manifests."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from image_files import encode
from label_tables import table, weighted_rows

from headstart.data import read_dataset
from headstart.errors import DataError, ImageError


def manifest(folder: Path, text: str, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_parquet_manifests_agree(folder: Path) -> None:
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


def test_repeated_rows_are_dropped_and_reported(folder: Path) -> None:
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


def test_absolute_paths_into_the_folder_are_relative_and_others_refused(folder: Path, tmp_path: Path) -> None:
    lines = [f"{folder}/a/p1/0.png,x", "b9/p1/0.png,y", f"{folder.resolve()}/b9/p1/1.png,y"]
    dataset = read_dataset(manifest(folder, "\n".join(["image,label", *lines])))
    assert dataset.names == ("a/p1/0.png", "b9/p1/0.png", "b9/p1/1.png")
    assert read_dataset(folder / "m.csv", allow_outside=True).names[0] == f"{folder}/a/p1/0.png"
    (tmp_path / "n.csv").write_text("\n".join(["image,label", *lines[:1]]))
    assert read_dataset(tmp_path / "n.csv", root=folder).names == ("a/p1/0.png",)
    manifest(folder, f"image,label\n{folder}x/0.png,x\n")
    with pytest.raises(DataError, match=r"1 image path.* its folder: .*--allow-outside"):
        read_dataset(folder / "m.csv")


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


def test_bad_weights_are_refused_by_file_and_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels.csv: column 'weight'.*negative; 1 row does not: row 2 has '-1'. Wr"):
        read_dataset(table(tmp_path, weighted_rows(tmp_path, [1, -1, 1, 1])))
    with pytest.raises(DataError, match=r"labels.csv: all weights .column 'weight'. are 0"):
        read_dataset(table(tmp_path, weighted_rows(tmp_path, [0, 0, 0, 0])))


def test_names_with_thousands_of_digits_are_sorted_by_their_numbers(folder: Path) -> None:
    long = "9" * 5_000
    rows = [f"a/p1/{number}.png,{label}" for number, label in enumerate((f"g{long}", "g10", "g09"))]
    found = read_dataset(manifest(folder, "\n".join(["image,label", *rows])))
    assert found.classes == ("g09", "g10", f"g{long}")


def test_parquet_texts_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    ends = pa.py_buffer(np.array([0, 2, 4], dtype=np.int32))
    labels = pa.Array.from_buffers(pa.string(), 2, [None, ends, pa.py_buffer(b"ab\xff\xfe")])
    pa.parquet.write_table(pa.table({"image": ["0.png", "1.png"], "label": labels}), tmp_path / "m.parquet")
    with pytest.raises(DataError, match=r"m\.parquet cannot be read as a table.*UTF8"):
        read_dataset(tmp_path / "m.parquet")
