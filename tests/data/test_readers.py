"""The registry of readers: which there are, and one more from a file of its own."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

import headstart
from headstart.cli import main
from headstart.data import readers
from headstart.data.images.arrays import ArrayPixels
from headstart.data.images.source import ImageSource
from headstart.data.readers import ReadOptions, accepted_data, register_reader
from headstart.data.readers.arrays import column_table
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError


@pytest.fixture
def frames() -> Iterator[None]:
    """A toy reader: text files whose lines are a label and the seed of a picture of noise."""

    @register_reader("frames", help="a .frames text", suffixes=(".frames",), options=("partition",))
    def read(path: Path, options: ReadOptions) -> tuple[DatasetTable, ImageSource]:
        labels = [line.split()[0] for line in path.read_text().splitlines()]
        images = helpers.noise(len(labels))
        if options.partition is not None:
            labels, images = labels[: int(options.partition)], images[: int(options.partition)]
        table = column_table([f"frame{row}" for row in range(len(labels))], labels, None, None, None)
        return table, ArrayPixels.of(images)

    yield
    readers._READERS.discard("frames")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    lines = [f"{label} {row}" for row, label in enumerate(helpers.labels_of(48))]
    return helpers.write_text(tmp_path / "recording.frames", "\n".join(lines))


def test_every_reader_is_found_from_the_folder_and_named_in_the_help() -> None:
    assert [reader.name for reader in readers.readers()] == ["folder", "manifest", "archive"]
    assert accepted_data() == "a folder of class folders, a CSV or Parquet manifest, or a .npz archive"


def test_saying_what_is_read_loads_no_reading_library() -> None:
    """The command line says it in its help, which is to answer at once."""
    code = (
        "import sys; from headstart.data.readers import accepted_data; accepted_data();"
        "print(*({'pyarrow', 'scipy', 'PIL', 'torch', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.usefixtures("no_figures")
@pytest.mark.usefixtures("frames")
def test_a_reader_of_ones_own_is_read_checked_and_fitted(recording: Path, tmp_path: Path) -> None:
    assert accepted_data().endswith("a .npz archive, or a .frames text")
    dataset = headstart.read_dataset(recording, group_from="frame([0-9]+)")
    assert (len(dataset), dataset.classes, len(dataset.group_names)) == (48, helpers.CLASSES, 48)
    assert len(headstart.read_dataset(recording, partition="9")) == 9
    with pytest.raises(DataError, match=r"read as a .frames text, for which there is no option 'votes'"):
        headstart.read_dataset(recording, votes="majority")
    checked = CliRunner().invoke(main, ["check", str(recording)])
    assert checked.exit_code == 0
    assert "48 images" in checked.output
    assert "DATA is a folder of class folders" in (shown := CliRunner().invoke(main, ["fit", "--help"]).output)
    assert "a .frames text" in " ".join(shown.split())
    run = headstart.fit(recording, tmp_path / "run", helpers.cheap_options())
    assert len((run.folder / "predictions.csv").read_text().splitlines()) == 49


@pytest.mark.usefixtures("frames")
def test_a_name_or_a_suffix_is_taken_once() -> None:
    for name, suffixes in (("frames", (".other",)), ("other", (".frames",)), ("other", (".x", ".npz"))):
        with pytest.raises(ValueError, match=r"a reader 'frames' already|takes a suffix of the reader"):
            register_reader(name, help="", suffixes=suffixes)(lambda path, options: None)


def test_what_no_reader_takes_is_refused_with_what_they_do(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="does not exist; give a folder of class folders, a CSV or Parquet manifest, or"
    ):
        headstart.read_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"neither a folder nor a file .*\.csv, .*\.npz\)"):
        headstart.read_dataset(helpers.write_text(tmp_path / "x.frames", ""))


def test_an_option_of_another_reader_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", images=np.zeros((2, 3, 3), np.uint8), labels=[0, 1])
    for options in ({"votes": "majority"}, {"columns": {"label": "x"}}, {"root": tmp_path}):
        with pytest.raises(DataError, match=rf"read as a .npz archive, .* no option '{next(iter(options))}'"):
            headstart.read_dataset(tmp_path / "m.npz", **options)
    with pytest.raises(DataError, match=r"read as a folder of class folders, .* no option 'partition'"):
        headstart.read_dataset(tmp_path, partition="train")


def test_the_example_in_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "data.md"
    found = doctest.testfile(str(page), module_relative=False)
    readers._READERS.discard("stack")
    assert (found.failed, found.attempted) == (0, 25)
