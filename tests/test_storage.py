"""Files written whole or not at all, canonical JSON, hashes, the cache folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from headstart import storage
from headstart.errors import RunError, StorageError
from headstart.results.models.explanations import Explanations


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.bin"
    storage.write_bytes(path, b"first")
    with pytest.raises(ZeroDivisionError), storage.replacing(path) as handle:
        handle.write(b"half of the sec")
        raise ZeroDivisionError
    assert path.read_bytes() == b"first"
    with storage.replacing(path, durable=False) as handle:
        handle.write(b"second")
    assert path.read_bytes() == b"second"
    assert [file.name for file in path.parent.iterdir()] == ["a.bin"]


@pytest.mark.skipif(os.name == "nt", reason="no permission bits on Windows")
def test_a_file_has_the_usual_permissions(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "ours", b"")
    (tmp_path / "usual").touch()
    ours, usual = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "usual"))
    assert ours == usual


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, r"Cannot write x: the disk is full; free some space"),
        (errno.EROFS, "read-only; choose another folder"),
        (errno.EACCES, "permission denied"),
        (errno.EFBIG, "too large for the limit set here"),
        (errno.EIO, "check the disk"),
    ],
)
def test_the_disks_refusal_comes_with_a_remedy(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match=words):
        storage.write_bytes(Path("x"), b"content")
    assert list(tmp_path.iterdir()) == []


def test_equal_values_give_equal_bytes_and_hashes(tmp_path: Path) -> None:
    one, other = {"b": [1.5, None], "a": "ä"}, {"a": "ä", "b": [1.5, None]}
    assert (
        storage.json_bytes(one)
        == storage.json_bytes(other)
        == '{\n "a": "ä",\n "b": [\n  1.5,\n  null\n ]\n}\n'.encode()
    )
    assert storage.hash_json(one) == storage.hash_json(other) != storage.hash_json({**one, "a": "a"})
    storage.write_json(tmp_path / "x.json", one)
    assert storage.hash_file(tmp_path / "x.json") == hashlib.sha256(storage.json_bytes(other)).hexdigest()
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            storage.json_bytes(value)


def test_large_files_are_hashed_in_blocks(tmp_path: Path) -> None:
    content, sizes = bytes(range(256)) * 10_000, []
    (tmp_path / "x").write_bytes(content)
    assert storage.hash_file(tmp_path / "x", on_bytes=sizes.append) == storage.hash_bytes(content)
    assert sizes == [1 << 20, 1 << 20, len(content) - (1 << 21)]


def test_the_cache_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    assert storage.default_cache_folder() == tmp_path
    monkeypatch.delenv("HEADSTART_CACHE")
    assert storage.default_cache_folder().name == "headstart"


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADSTART_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError("no home"))))
    with pytest.raises(StorageError, match="Set HOME to a folder"):
        storage.default_cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    if sys.platform == "linux":
        assert storage.default_cache_folder() == Path("/caches/headstart")


HALF = chr(92) + "ud800"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 70 + "]" * 70, "nested too deeply"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested too deeply"),
        (f'["{HALF}"]', "half of a character"),
        (f'{{"{HALF}": 1}}', "half of a character"),
        ("9" * 5_000, "5000 digits|limit"),
        ('{"a": [' + "9" * 400 + "]}", "too large for anything"),
        ("[1e999]", "too large for anything"),
        ("[-1E+400]", "too large for anything"),
        (b'["\xff"]', "utf-8"),
        ("{", "property name"),
    ],
)
def test_json_that_nobody_can_use_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        storage.parsed_json(text)


def test_json_of_usual_depth_length_and_size_is_read() -> None:
    for value in ([1] * 10, 10**300, {"a": "9" * 400}, [[[[{"b": [1.5e300]}]]]], "𝄞", float("inf"), []):
        assert storage.parsed_json(json.dumps(value)) == value
        assert storage.parsed_json(json.dumps(value).encode()) == value


def test_files_are_parsed_by_one_reader() -> None:
    """What the project itself has just printed is parsed elsewhere, too: by a process of its own, or to compare."""
    source = Path(storage.__file__).parent
    own = {"storage.py", "backbones/weights/download.py", "workflow/doctor.py", "workflow/pretrain.py"}
    parsing = [path for path in source.rglob("*.py") if "json.loads(" in path.read_text(encoding="utf-8")]
    assert {str(path.relative_to(source)) for path in parsing} == own


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_device_takes_the_bytes_and_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    storage.write_bytes(pipe, b"rows")
    assert os.read(reading, 100) == b"rows"
    os.close(reading)
    assert pipe.is_fifo()
    monkeypatch.setattr(storage, "_STREAM_FOLDERS", (str(tmp_path),))  # as /dev, whose names may be links to files
    (tmp_path / "kept").write_bytes(b"")
    (tmp_path / "stdout").symlink_to("kept")
    storage.write_bytes(tmp_path / "stdout", b"rows")
    assert (tmp_path / "stdout").is_symlink()
    assert (tmp_path / "kept").read_bytes() == b"rows"
    assert {one.name for one in tmp_path.iterdir()} == {"pipe", "kept", "stdout"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_device_that_refuses_is_an_error_in_words() -> None:
    with pytest.raises(StorageError, match=r"Cannot write /dev/full: the disk is full"):
        storage.write_bytes(Path("/dev/full"), b"rows")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_document_that_is_a_pipe_or_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "results.json")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("results.json", "zero"):
        with pytest.raises(OSError, match="a pipe or device, not a file"):
            storage.file_bytes(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        storage.file_bytes(tmp_path)
    (tmp_path / "file").write_bytes(b"\x00rows")
    assert storage.file_bytes(tmp_path / "file") == b"\x00rows"
    with pytest.raises(RunError, match=r"it cannot be read \(a pipe or device, not a file\)"):
        Explanations.read(tmp_path / "results.json")


@pytest.mark.parametrize(("name", "words"), [("folder", "is a folder; name a file"), ("x" * 300, "too long")])
def test_a_name_that_no_file_can_have_is_refused_before_the_work(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=words), storage.replacing(tmp_path / name):
        raise AssertionError("began")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]
