"""Every file of a folder that looks like a picture gets its row of predictions; nothing is skipped in silence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import ImageDataset, read_dataset
from headstart.errors import ImageError
from headstart.progress import Silent
from headstart.runtime.csv_cells import csv_bytes
from headstart.workflow.predict import _encoded, expand


class Notes(Silent):
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


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
    names = expand([str(new)], progress)
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
