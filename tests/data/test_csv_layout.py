"""CSV files as spreadsheets and other systems write them, and Parquet cells that are no values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from image_files import encode

from headstart.data import audit_dataset, read_dataset
from headstart.errors import DataError

ROWS = [(f"{label}/{number:03d}.png", label) for label in ("p", "q") for number in range(3)]


def lines(delimiter: str = ",", *, header: str | None = None, end: str = "\n", after: str = "") -> str:
    first = delimiter.join(("image", "label")) if header is None else header
    return end.join([first + after, *(delimiter.join(row) + after for row in ROWS)]) + end


READ = {
    "UTF-16 with tabs": lines("\t", end="\r\n").encode("utf-16"),
    "UTF-16 without a mark": lines(";").encode("utf-16-le"),
    "UTF-16, large end first": lines().encode("utf-16-be"),
    "old line ends": lines(end="\r").encode(),
    "a declared delimiter": ("sep=;\n" + lines(";")).encode(),
    "a declared delimiter in quotes": ('"sep=|"\r\n' + lines("|", end="\r\n")).encode(),
    "commas in a quoted header": lines(";", header='image;label;"note, remark, other"', after="")
    .replace(".png;p", ".png;p;x")
    .replace(".png;q", ".png;q;x")
    .encode(),
    "a line break in the header": ('image,label,"note\n(free)"\n' + "".join(f"{a},{b},x\n" for a, b in ROWS)).encode(),
    "empty columns at the right": lines(after=",,").encode(),
    "empty cells at the right of the header alone": lines(header="image,label,,").encode(),
    "empty cells at the right of rows alone": lines(header="image,label").replace(",p\n", ",p,,\n").encode(),
    "an index column without a name": ("," + lines().replace("\n", "\n0,")).removesuffix("0,").encode(),
    "blank lines": lines().replace("\n", "\n\n").encode(),
    "a byte order mark": lines().encode("utf-8-sig"),
}


@pytest.mark.parametrize("kind", READ)
def test_a_table_is_read_whatever_wrote_it(kind: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(READ[kind])
    dataset = read_dataset(tmp_path / "m.csv")
    assert list(zip(dataset.names, dataset.label_names(), strict=True)) == ROWS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lines().encode() + b"r/1.png\n", r"row 7, counted from 1 below the header, has 1 cell, and the header 2"),
        (lines().encode() + b"r/1.png,r,extra\n", r"row 7.* has 3 cells, and the header 2.*double quotes"),
        (b"image,label\n\xe9.png,a\n", r"is not UTF-8 text; save it as UTF-8 CSV \(in Excel: CSV UTF-8\)"),
        ("image,label\n\xe9.png,a".encode("utf-16")[:-1], "UTF-8 CSV"),
        (b"image,label\n" + bytes(40), "row 1|cannot be read|binary"),
        (bytes(50), "empty|binary"),
        (b'image,"label\n' + b"a" * (1 << 20), "its first line is longer than 1 MiB"),
        (b'image,label\n"a.png,b\n', "cannot be read as a table|has 1 cell"),
        (b"image,label,label\na,b,c\n", "more than one column called 'label'"),
        (b"sep=;\n", "has no image column"),
        (lines().encode("utf-32"), "is not UTF-8 text; save it as UTF-8 CSV"),
        (lines("|").encode(), r"There is one column alone: cells stand between commas, semicolons or tabs\."),
        (
            b"image,label,weight\na.png,p," + b"9" * 5_000 + b"\nb.png,q,1\n",
            r"1 row does not: row 1 has '9{59}\. Write 0",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_words(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_dataset(tmp_path / "m.csv")


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([["a"], ["b"]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([b"\xff", b"\xfe"]),
        pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    ],
    ids=["list", "struct", "binary", "map"],
)
def test_cells_of_parquet_that_are_no_values_are_refused(labels: pa.Array, tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"image": ["1.png", "2.png"], "label": labels}), tmp_path / "m.parquet")
    with pytest.raises(DataError, match=r"m.parquet: column 'label' holds cells .*texts or numbers"):
        read_dataset(tmp_path / "m.parquet")


def test_half_precision_cells_are_numbers_and_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    table = pa.table({"image": ["1.png", "2.png"], "label": pa.array(np.array([1, 2], np.float16))})
    pa.parquet.write_table(table, tmp_path / "m.parquet")
    assert read_dataset(tmp_path / "m.parquet").label_names() == ["1", "2"]
    whole = (tmp_path / "m.parquet").read_bytes()
    for place in range(4, len(whole) - 8, 41):
        (tmp_path / "m.parquet").write_bytes(whole[:place] + b"\xff\0\xfe" + whole[place + 3 :])
        try:
            read_dataset(tmp_path / "m.parquet")
        except DataError as error:
            assert "m.parquet" in str(error)


def test_numbers_of_thousands_of_digits_are_refused_where_numbers_are_expected(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,label,fold,weight\n" + f"1.png,a,{'9' * 5000},1\n2.png,b,0,1\n")
    with pytest.raises(DataError, match="column 'fold' must hold a whole number"):
        read_dataset(tmp_path / "m.csv")


def test_a_missing_file_names_the_one_that_a_table_may_have_meant(tmp_path: Path) -> None:
    for name in ("007.png", "IMD042.JPG", "x1.png", "x1.jpg", "000.png"):
        (tmp_path / name).write_bytes(encode(np.zeros((4, 4, 3), np.uint8), "PNG"))
    (tmp_path / "m.csv").write_text("image,label\n7,a\n7.png,a\nimd042,b\nx1,b\n7.0,a\n0,a\n9.png,b\n")
    reasons = [reason for _, _, reason in audit_dataset(read_dataset(tmp_path / "m.csv")).unreadable]
    assert [reason.split("'")[1] if "'" in reason else None for reason in reasons] == [
        "007.png",
        "007.png",
        "IMD042.JPG",
        None,
        "007.png",
        "000.png",
        None,
    ]
    assert reasons[-1] == "no such file"


def test_absolute_paths_are_refused_with_the_flag_that_takes_them(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"image,label\n{tmp_path.parent}/1.png,a\n")
    with pytest.raises(DataError, match="--allow-outside"):
        read_dataset(tmp_path / "m.csv")
