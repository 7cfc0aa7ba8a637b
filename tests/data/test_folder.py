"""Reader of folders of class folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from image_files import encode

from headstart.data import ImageDataset, read_dataset
from headstart.data.readers.folder.walk import list_images
from headstart.errors import DataError, ImageError


def test_folder_becomes_a_naturally_sorted_data_set(folder: Path) -> None:
    dataset = read_dataset(folder, group_from=r"/(?P<group>[0-9])\.png$")
    assert dataset.classes == ("a", "b9", "b10")
    assert dataset.names[0] == "a/p1/0.png"
    assert len(dataset) == 9
    assert dataset.group_names == ("0", "1", "2")
    assert any("6 .txt" in note for note in dataset.notes)
    assert dataset.load(4).size == (10, 12)
    assert list_images(folder) == list(dataset.names)


def test_missing_empty_and_flat_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"holds no images.*it is empty"):
        read_dataset(tmp_path)
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match="1 image but no class folders"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match="neither a folder nor a file"):
        read_dataset(tmp_path / "x.png")


@pytest.mark.parametrize("pattern", ["(", "p[0-9]", "/(nothing)/"])
def test_group_patterns_are_checked(folder: Path, pattern: str) -> None:
    message = {"(": "not a regular expression", "p[0-9]": "no parenthesis"}.get(pattern, "such as 'a/p1/0.png'")
    with pytest.raises(DataError, match=message):
        read_dataset(folder, group_from=pattern)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_with_control_characters_are_refused_or_left_out(folder: Path) -> None:
    n_before = len(ImageDataset.from_folder(folder))
    inside = next(path for path in sorted(folder.rglob("*.png")) if path.parent != folder)
    for name in ("x\ny.png", "\x1b[2J.png", "z\u2028.png"):
        shutil.copy(inside, inside.parent / name)
    (folder / "stray.t\x1bx").touch()
    (folder / "void\x07").mkdir()
    dataset = ImageDataset.from_folder(folder)
    assert len(dataset) == n_before
    left_out = f"were left out (3 in {inside.relative_to(folder).parts[0]}). Rename them."
    assert dataset.notes[0] == f"3 images whose names hold control characters, such as line breaks, {left_out}"
    assert all(note.isprintable() for note in dataset.notes)
    assert "x\ny.png" in "|".join(list_images(folder))  # to be predicted all the same
    shutil.copytree(inside.parent, folder / "new\nline")
    with pytest.raises(DataError, match=r"class folder 'new\\nline' holds a control character"):
        ImageDataset.from_folder(folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_folder_of_nothing_but_control_characters_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "\n.png").touch()
    with pytest.raises(DataError, match=r"holds other files \(1 with control characters in the name\)"):
        ImageDataset.from_folder(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_link_loops_and_links_outside_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "loop").symlink_to(folder)
    with pytest.raises(DataError, match=r"a/loop is a link back to .*: a loop"):
        read_dataset(folder)
    (folder / "a" / "loop").unlink()
    (folder / "a" / "self").symlink_to(folder / "a" / "self")
    with pytest.raises(DataError, match="a/self is a link that leads back to itself"):
        read_dataset(folder)
    (folder / "a" / "self").unlink()
    (folder / "a" / "twice").symlink_to(folder / "b9")
    with pytest.raises(DataError, match="are the same folder"):
        read_dataset(folder)
    (folder / "a" / "twice").unlink()
    (tmp_path / "secret.png").write_bytes(encode(np.zeros((2, 2), np.uint8), "PNG"))
    (folder / "a" / "out.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"a/out.png is a link that leads outside"):
        read_dataset(folder)
    assert len(read_dataset(folder, allow_outside=True)) == 10


def test_unreadable_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def guarded(path: Path) -> object:
        if Path(path).name == "b9":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(DataError, match="b9 cannot be read: permission denied"):
        read_dataset(folder)


def test_a_folder_that_becomes_a_link_outside_is_refused_when_a_file_is_read(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder)
    name = dataset.names[0]
    inside, outside = folder / Path(name).parent, tmp_path / "elsewhere"
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(ImageError, match="a link that leads outside"):
        dataset.load(0)
    inside.unlink()
    outside.rename(inside.with_name("moved"))
    inside.symlink_to(inside.with_name("moved"))
    assert dataset.load(0).size
