"""Every file of a folder that looks like a picture gets its row of predictions; nothing is skipped in silence."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from headstart.cli import main
from headstart.data import ImageDataset, read_dataset
from headstart.data.named_files import named_files
from headstart.errors import ImageError
from headstart.progress import Silent
from headstart.runtime.csv_cells import csv_bytes
from headstart.workflow.predict import _encoded
from headstart.workflow.run import Run


class Notes(Silent):
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def invoke(*arguments: str, code: int = 0) -> Result:
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == code, found.output
    return found


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Two sound pictures, five of which nothing can be made, and a file that is none."""
    folder = tmp_path / "new"
    (folder / "deep").mkdir(parents=True)
    picture = Image.fromarray(np.full((9, 8, 3), 90, np.uint8))
    picture.save(folder / "deep" / "web.jfif", "JPEG")
    picture.save(folder / "sound.png")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (folder / "nowhere.png").symlink_to("gone.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "two\nlines.png").write_bytes(b"no picture")
    Path(os.fsdecode(os.fsencode(folder) + b"/odd\xff.png")).write_bytes(b"no picture")
    (folder / "notes.txt").write_text("left out")
    (folder / ".hidden.png").write_bytes(b"left out")
    return folder


def test_a_folder_gives_a_row_for_whatever_looks_like_a_picture(new: Path) -> None:
    progress = Notes()
    names = named_files([str(new)], progress).images
    dataset = ImageDataset.from_files(names)
    status = {}
    for row, name in enumerate(dataset.names):
        try:
            dataset.load(row)
            status[Path(name).name] = "ok"
        except ImageError as error:
            status[Path(name).name] = error.reason
    assert status.pop("phone.heic").startswith(("damaged or truncated", "HEIC, which needs a package"))
    assert status == {
        "web.jfif": "ok",
        "sound.png": "ok",
        "nowhere.png": "a link to a file that does not exist; mend or remove it",
        "circle.png": "a symbolic link that leads back to itself; remove it",
        "two\nlines.png": "not an image headstart reads (JPEG, PNG, TIFF, BMP, WebP, HEIC, DICOM)",
        "odd\udcff.png": "not an image headstart reads (JPEG, PNG, TIFF, BMP, WebP, HEIC, DICOM)",
    }
    assert progress.texts == [
        f"{new}: 1 file that is no picture (1 .txt) and 1 hidden or system file or folder were left out."
    ]


def noise(path: Path, seed: int) -> Path:
    return helpers.write_image(path, helpers.noise(1, seed=seed)[0])


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """A picture with its mask, told by the name, and one with a mask of the same name in another format."""
    folder = tmp_path / "masked"
    black = np.zeros((20, 24), np.uint8)
    noise(folder / "1.png", 1)
    helpers.write_image(folder / "1_mask.png", black)
    noise(folder / "2.png", 2)
    Image.fromarray(black).save(folder / "2.bmp")
    return folder


def test_masks_of_a_folder_are_no_images_unless_they_are_named(masked: Path) -> None:
    progress = Notes()
    found = named_files([str(masked)], progress)
    names = [str(masked / name) for name in ("1.png", "1_mask.png", "2.bmp", "2.png")]
    assert found.names == names
    assert found.companions == {names[1]: names[0], names[2]: names[3]}
    assert found.images == [names[0], names[3]]
    (note,) = progress.texts
    assert note.startswith("2 files that look like masks or thumbnails of other images (")
    assert note.endswith("1.png) are left out. Name such files themselves to take them as images.")
    named = named_files([str(masked), names[1], str(masked / "2.b*")])
    assert (named.names, named.companions, named.note) == (names, {}, None)


def test_predict_gives_masks_a_row_that_says_so(run: Run, masked: Path, tmp_path: Path) -> None:
    asked = ["predict", str(run.folder), str(masked), "-q"]
    rows = list(csv.reader(io.StringIO(invoke(*asked).stdout)))[1:]
    assert [row[1] for row in rows] == [
        "ok",
        f"left out: looks like a mask or thumbnail of {masked / '1.png'}; name the file itself to predict it",
        f"left out: looks like a mask or thumbnail of {masked / '2.png'}; name the file itself to predict it",
        "ok",
    ]
    assert set(rows[1][2:]) == {""}
    document = json.loads(invoke(*asked, "--json").stdout)
    assert document["unreadable"] == 0
    assert [row["predicted"] is None for row in document["predictions"]] == [False, True, True, False]
    lines = [json.loads(line) for line in invoke(*asked, "--json-lines").stdout.splitlines()]
    assert lines == document["predictions"]
    (masked / "3.png").write_bytes(b"no picture")
    document = json.loads(invoke(*asked, "--json", code=1).stdout)
    assert document["unreadable"] == 1


def test_links_that_lead_outside_are_followed_where_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    noise(tmp_path / "elsewhere.png", 3)
    noise(tmp_path / "new" / "1.png", 1)
    (tmp_path / "new" / "2.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "table.csv").write_text("image\n2.png\n")
    asked = ["predict", str(run.folder), str(tmp_path / "new"), "-q"]
    assert "or follow links with --allow-outside" in " ".join(invoke(*asked, code=2).stderr.split())
    assert invoke(*asked, "--allow-outside").stdout.count(",ok,") == 2
    asked = ["predict", str(run.folder), str(tmp_path / "table.csv"), "-q"]
    asked += ["--root", str(tmp_path / "new")]
    assert "or use --allow-outside" in invoke(*asked, code=1).stdout
    assert invoke(*asked, "--allow-outside").stdout.count(",ok,") == 1


def test_rows_of_names_that_are_no_utf8_are_written_with_the_odd_bytes_spelled_out() -> None:
    assert csv_bytes([["odd\udcff.png", "ok"]]) == b"odd\\udcff.png,ok\n"
    assert json.loads(_encoded(json.dumps({"image": "odd\udcff.png"}, ensure_ascii=False))) == {
        "image": "odd\udcff.png"
    }


def test_jfif_files_of_class_folders_are_images(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / label / "1.jfif", "JPEG")
    assert read_dataset(tmp_path).names == ("a/1.jfif", "b/1.jfif")
