"""CSV that no spreadsheet runs, and that is read back with every name as it was."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import helpers
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import headstart
from headstart.cells.counting.plate_table import read_plate_table
from headstart.cells.crops.classes import read_class_points
from headstart.data.readers import ReadOptions
from headstart.data.readers.manifest import open_manifest
from headstart.results.read import read_run
from headstart.runtime.csv_cells import RAW_VARIABLE, RESTORING, csv_bytes, marked, restored

SOURCE = Path(headstart.__file__).parent
NAMES = ["=1+1", "+a", "-a", "@a", "'=a", "''@b", "'tis", "-1", "plain"]


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@settings(deadline=None, derandomize=True)
@given(st.text(st.sampled_from("=+-@\t\r\n'＝１1e.,\"ab"), max_size=6))
def test_marks_go_on_and_off_again(text: str) -> None:
    assert restored(marked(text)) == text
    assert pc.replace_substring_regex(pa.array([marked(text)]), RESTORING, r"\1")[0].as_py() == text
    is_number = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", text) is not None
    assert is_number or marked(text)[:1] not in tuple("=+-@\t\r\n＝")
    assert rows_of(csv_bytes([[text, "end"]])) == [[marked(text), "end"]]


def test_plain_tables_are_written_as_before() -> None:
    rows = [["image", "p"], ["a, b.png", -0.5], ['say "a"', None], ["über\nzwei", 3]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    assert csv_bytes(rows) == text.getvalue().encode()


def test_programs_may_have_texts_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("1", b"=a\n"), ("yes", b"=a\n"), ("0", b"'=a\n"), ("", b"'=a\n")):
        monkeypatch.setenv(RAW_VARIABLE, value)
        assert csv_bytes([["=a"]]) == expected


def test_one_writer_writes_every_table() -> None:
    with_own = [path for path in SOURCE.rglob("*.py") if "csv.writer(" in path.read_text(encoding="utf-8")]
    assert [path.name for path in with_own] == ["csv_cells.py"]


def test_tables_of_cells_are_read_back(tmp_path: Path) -> None:
    images = [name for name in NAMES if name != "-1"]
    points = [("image", "cell", "y", "x", "class"), *((name, 1, 1.5, -2.5, f"@{name}") for name in images)]
    helpers.write_text(tmp_path / "classes.csv", csv_bytes(points).decode())
    found = read_class_points(tmp_path / "classes.csv")
    assert {name: one.names for name, one in found.items()} == {name: [f"@{name}"] for name in images}
    helpers.write_text(tmp_path / "wells.csv", csv_bytes([("well", "drug"), ("A1", "=x"), ("A2", "-3")]).decode())
    assert list(read_plate_table(tmp_path / "wells.csv").rows.values()) == [
        {"well": "A1", "drug": "=x"},
        {"well": "A2", "drug": "-3"},
    ]


@pytest.mark.parametrize("is_plain", [True, False])
def test_manifests_are_read_back(tmp_path: Path, is_plain: bool) -> None:
    content = csv_bytes([["image", "label", "group"], *([f"{name}.png", name, f"+{name}"] for name in NAMES)])
    (tmp_path / "m.csv").write_bytes(content if is_plain else content.decode().encode("utf-16"))
    table, _ = open_manifest(tmp_path / "m.csv", ReadOptions())
    assert list(table.names) == [f"{name}.png" for name in NAMES]
    assert [table.labels.names[code] for code in table.labels.codes] == NAMES
    assert [table.groups.names[code] for code in table.groups.codes] == [f"+{name}" for name in NAMES]


def test_a_run_on_names_like_formulas_is_safe_and_read_back(tmp_path: Path, no_figures: None) -> None:
    """Files and classes whose names begin as formulas do: marked in the tables, whole in results and comparison."""
    classes = ("=calm", "-rough")
    for row, picture in enumerate(helpers.noise(24)):
        helpers.write_image(tmp_path / "data" / classes[row % 2] / f"@{row}.png", picture)
    run = headstart.fit(tmp_path / "data", tmp_path / "run", helpers.cheap_options())
    header, *rows = rows_of((tmp_path / "run" / "predictions.csv").read_bytes())
    assert {row[0] for row in rows} == {f"'{classes[n % 2]}/@{n}.png" for n in range(24)}
    assert {row[1] for row in rows} == {"'=calm", "'-rough"}
    assert header[3:5] == ["probability:-rough", "probability:=calm"]
    found = read_run(tmp_path / "run").predictions
    assert sorted(found.images) == sorted(f"{classes[n % 2]}/@{n}.png" for n in range(24))
    assert found.labels.tolist() == [("-rough", "=calm").index(name.split("/")[0]) for name in found.images]
    assert set(run.results.task.classes) == set(classes)


def test_new_images_with_names_like_formulas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.workflow.predict import predict_files

    model = headstart.TransferClassifier("test_mambaout", weights="random", input_size=32, threads=1, features="last")
    images = helpers.noise(8)
    fitted = model.fit(images, ["=a", "b"] * 4).to_model()
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.asarray(images[0])).save("=cmd.png")
    predict_files(fitted, ["=cmd.png", "-no.png"], output=tmp_path / "out.csv", json_lines=False)
    rows = rows_of((tmp_path / "out.csv").read_bytes())
    assert [row[0] for row in rows[1:]] == ["'=cmd.png", "'-no.png"]
    assert rows[1][2] in ("'=a", "b")
