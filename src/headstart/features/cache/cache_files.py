"""The files of a cache folder: which are the cache's own, how they are listed, touched and removed."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from headstart.features.cache.shard import NAME_LENGTH, is_shard_name
from headstart.features.cache.size_limit import StoredFile
from headstart.storage import hash_json, storage_error

FEATURES: Final = "features"
SETTINGS_FILE: Final = "settings.json"
_PLACE: Final = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}")
_UNFINISHED: Final = re.compile(r"\.(?P<name>.+)\.[^.]+\.tmp")
_MADE: Final = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}(\.[0-9a-f]{{{NAME_LENGTH}}})?\.safetensors")
_ABANDONED_S: Final = 3600.0  # writing a file takes seconds; older unfinished ones were left by a killed process
_TOUCH_EVERY_S: Final = 60.0


def place_of(folder: Path, settings: dict[str, Any]) -> Path:
    """Folder of the shards of these settings."""
    return folder / FEATURES / place_name(settings)


def place_name(settings: dict[str, Any]) -> str:
    """Name of that folder: the hash of the settings."""
    return hash_json(settings)[:NAME_LENGTH]


def places(folder: Path) -> list[Path]:
    """Folders of all settings; none where there is no cache yet.

    Raises
    ------
    OSError
        When the folder may not be read.
    """
    try:
        with os.scandir(folder / FEATURES) as entries:
            names = [entry.name for entry in entries if entry.is_dir() and _PLACE.fullmatch(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / FEATURES / name for name in sorted(names)]


def shards(place: Path) -> list[StoredFile]:
    """Finished shards of one place, sorted by name; none where it does not exist.

    Raises
    ------
    OSError
        When the folder may not be read.
    """
    return [file for file in _files(place) if is_shard_name(file.path.name)]


def all_shards(folder: Path) -> list[StoredFile]:
    """Finished shards of all places; see `shards`."""
    return [shard for place in places(folder) for shard in shards(place)]


def _files(place: Path) -> list[StoredFile]:
    found = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # removed by another process since it was listed
                    if entry.is_file(follow_symlinks=False):
                        facts = entry.stat(follow_symlinks=False)
                        found.append(StoredFile(Path(entry.path), facts.st_size, facts.st_mtime))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda file: file.path)


def touch(path: Path, used_at: float) -> None:
    """Note that a file was used now, where it was last used at least a minute ago."""
    now = time.time()
    if now - used_at >= _TOUCH_EVERY_S:
        with contextlib.suppress(OSError):  # a cache that is only read cannot keep count, and need not
            os.utime(path, (now, now))


def remove(path: Path) -> None:
    """Remove a file that may be gone already.

    Raises
    ------
    StorageError
        When the folder may not be changed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error


def remove_abandoned(place: Path, *, older_than_s: float = _ABANDONED_S) -> None:
    """Remove what killed processes left half written."""
    before = time.time() - older_than_s
    for file in _files(place):
        if file.used_at <= before and _is_unfinished(file.path.name):
            remove(file.path)


def _is_unfinished(name: str) -> bool:
    match = _UNFINISHED.fullmatch(name)
    return match is not None and _is_own(match["name"])


def _is_own(name: str) -> bool:
    """Whether the name is one that headstart gives: a shard, a description, something else named by hashes."""
    return name == SETTINGS_FILE or _MADE.fullmatch(name) is not None


def empty(place: Path) -> int:
    """Remove all that headstart put into a place, and the place if nothing else is there; bytes of shards freed.

    Raises
    ------
    StorageError
        When the folder may not be changed.
    """
    freed = 0
    for file in _files(place):
        name = file.path.name
        if _is_own(name) or _is_unfinished(name):
            remove(file.path)
            freed += 0 if name == SETTINGS_FILE or _is_unfinished(name) else file.n_bytes
    drop_if_empty(place)
    return freed


def drop_if_empty(place: Path) -> None:
    """Remove a place without shards; one that holds anything else stays, and so does one being written to."""
    if not shards(place):
        with contextlib.suppress(OSError):  # not empty: somebody else's file, or a shard that came this moment
            if [file.path.name for file in _files(place)] == [SETTINGS_FILE]:
                (place / SETTINGS_FILE).unlink(missing_ok=True)
            place.rmdir()


def tree_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where it does not exist."""
    return sum(size for _, size in _walk(folder))


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)  # noqa: PTH118 (a tree may be large)
            with contextlib.suppress(OSError):  # gone since it was listed
                yield path, os.lstat(path).st_size
