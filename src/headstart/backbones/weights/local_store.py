"""Weights carried to a machine without a network: a folder with a manifest of hashes, and headstart's own folder."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.errors import InputError, WeightsError
from headstart.progress import Progress, Silent
from headstart.storage import default_cache_folder, file_bytes, hash_file, parsed_json, replacing, write_json
from headstart.version import __version__

MANIFEST = "manifest.json"
_RECORD = "record.json"
_FORMAT = 1
_MANIFEST_LIMIT = 16 << 20  # bytes
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,199}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}\.(safetensors|pth|pt|bin)")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Carried:
    """One file of weights on its way.

    Attributes
    ----------
    name : str
        Backbone.
    file : str
        Path in the folder, with ``/`` between its parts.
    n_bytes : int
    sha256 : str
    source : str
        Where it came from, in words.
    licence : str
    config : str
        Content of the hub's ``config.json`` for a network named by its hub id; else empty.
    """

    name: str
    file: str
    n_bytes: int
    sha256: str
    source: str
    licence: str
    config: str = ""

    @property
    def file_name(self) -> str:
        """Last part of the path."""
        return PurePosixPath(self.file).name


def weights_name(name: str) -> str:
    """Name that a backbone's weights go by: ``vgg19:fc`` uses those of ``vgg19``."""
    return name.removesuffix(":fc")


def weights_folder() -> Path:
    """Folder of weights of headstart's own: ``weights`` in ``$HEADSTART_CACHE`` or in the user's cache folder."""
    return default_cache_folder() / "weights"


def folder_name(name: str) -> str:
    """Name of a backbone as one part of a path."""
    return re.sub(r"[^A-Za-z0-9_.@+-]", "-", weights_name(name)).lstrip(".")


def find_carried(name: str) -> tuple[Path, Carried] | None:
    """File of weights in headstart's own folder and what is recorded of it; None when there is none.

    Raises
    ------
    WeightsError
        When the record of it is damaged.
    """
    place = weights_folder() / folder_name(name)
    if not (place / _RECORD).is_file():
        return None
    item = _parse(_read_json(place / _RECORD), place / _RECORD)
    path = place / item.sha256[:12] / item.file_name
    return (path, item) if item.name == weights_name(name) and path.is_file() else None


def pack(
    name: str,
    path: Path,
    folder: Path,
    *,
    source: str,
    licence: str,
    config: str = "",
    progress: Progress | None = None,
) -> Carried:
    """Copy a file of weights into a folder and note its hash, licence and source in the folder's manifest.

    What the manifest already names stays named in it.

    Parameters
    ----------
    name : str
        Backbone.
    path : Path
        File of weights.
    folder : Path
        Made when it is not there.
    source, licence, config : str
        See `Carried`.
    progress : Progress, optional
        Shows the bytes copied.

    Raises
    ------
    WeightsError
        When the folder holds a manifest that cannot be read.
    StorageError
        When the disk refuses.
    """
    held = {item.name: item for item in read_weights_manifest(folder)} if (folder / MANIFEST).is_file() else {}
    file = f"{folder_name(name)}/{path.name}"
    sha256 = _copy(path, folder / file, progress=progress)
    item = Carried(weights_name(name), file, path.stat().st_size, sha256, source, licence, config)
    held[item.name] = item
    listed = [asdict(held[other]) for other in sorted(held)]
    write_json(folder / MANIFEST, {"format": _FORMAT, "headstart": __version__, "weights": listed})
    return item


def unpack(folder: Path, *, progress: Progress | None = None) -> list[Carried]:
    """Copy the weights that a folder carries into headstart's own; all of them are checked before the first is copied.

    Parameters
    ----------
    folder : Path
        What `pack` made.
    progress : Progress, optional
        Shows the bytes checked and copied.

    Returns
    -------
    list of Carried
        What was added.

    Raises
    ------
    WeightsError
        When the manifest is missing or damaged, a path leads out of the folder, or a file is missing or changed.
    StorageError
        When the disk refuses.
    """
    items = read_weights_manifest(folder)
    paths = [_checked_path(folder, item) for item in items]
    for item, path in zip(items, paths, strict=True):
        _check_hash(item, path, hash_file(path))
    for item, path in zip(items, paths, strict=True):
        _place(item, path, progress)
    return items


def _place(item: Carried, path: Path, progress: Progress | None) -> None:
    """Put one file where `find_carried` looks; until its record is written, what was there before is in use."""
    place = weights_folder() / folder_name(item.name)
    target = place / item.sha256[:12] / item.file_name
    _copy(path, target, expected=item, progress=progress)
    write_json(place / _RECORD, asdict(item))
    for old in place.iterdir():
        if old.is_dir() and old != target.parent:
            shutil.rmtree(old, ignore_errors=True)  # an older version of the same weights


def _copy(path: Path, target: Path, *, expected: Carried | None = None, progress: Progress | None = None) -> str:
    """Copy a file whole or not at all; returns the hash of what was copied, which is held against the one expected."""
    digest = hashlib.sha256()
    try:
        source = path.open("rb")
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}).") from error
    title, size = f"Copying {path.name}", path.stat().st_size
    with source, replacing(target) as handle, (progress or Silent()).task(title, size, "bytes") as advance:
        while block := source.read(1 << 20):
            digest.update(block)
            handle.write(block)
            advance(len(block))
        if expected is not None:
            _check_hash(expected, path, digest.hexdigest())
    return digest.hexdigest()


def _check_hash(item: Carried, path: Path, found: str) -> None:
    if found != item.sha256:
        raise WeightsError(
            f"{path}: the content does not match the manifest (SHA-256 {found[:12]}... instead of "
            f"{item.sha256[:12]}...). It was changed or damaged on its way; carry it again. Nothing was added."
        )


def _checked_path(folder: Path, item: Carried) -> Path:
    """The file of an item, which must be a plain file inside the folder."""
    path = folder / item.file
    root = folder.resolve()
    if not path.resolve().is_relative_to(root) or path.is_symlink():
        raise WeightsError(f"{folder / MANIFEST}: {item.file!r} leads out of the folder. Nothing was added.")
    if not path.is_file():
        raise WeightsError(f"{path}: named in the manifest, but missing. Carry the whole folder. Nothing was added.")
    return path


def read_weights_manifest(folder: Path) -> list[Carried]:
    """Weights that the manifest of a folder lists; the files themselves are not looked at.

    Raises
    ------
    InputError
        When the folder has no manifest.
    WeightsError
        When the manifest is damaged, from a newer version, or names a path outside the folder.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            f"{folder} holds no {MANIFEST}. Give a folder made by `headstart backbones fetch NAME --to DIR`."
        )
    content = _read_json(path)
    if not isinstance(content.get("format"), int) or content["format"] > _FORMAT:
        raise WeightsError(f"{path}: made by headstart {content.get('headstart')}; this is {__version__}. Update it.")
    listed = content.get("weights")
    if not isinstance(listed, list):
        raise WeightsError(f"{path}: names no list of weights. Fetch them again.")
    items = [_parse(value, path) for value in listed]
    _check_distinct(items, path)
    return items


def _check_distinct(items: Sequence[Carried], path: Path) -> None:
    for what, values in (("name", [folder_name(item.name) for item in items]), ("file", [item.file for item in items])):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise WeightsError(f"{path}: the {what} {twice[0]!r} stands in it twice. Fetch them again.")


def _parse(value: Any, path: Path) -> Carried:
    """One item, every field of it checked."""
    kinds = {field.name: int if field.name == "n_bytes" else str for field in fields(Carried)}
    if not isinstance(value, dict) or {name: type(item) for name, item in value.items()} != kinds:
        raise WeightsError(f"{path}: damaged; every item needs {', '.join(kinds)}. Fetch the weights again.")
    item = Carried(**value)
    if not _NAME.fullmatch(item.name) or not _HASH.fullmatch(item.sha256):
        raise WeightsError(
            f"{path}: damaged name or hash {item.name!r}, {item.sha256[:64]!r}. Fetch the weights again."
        )
    parts = item.file.split("/")
    if not _FILE.fullmatch(parts[-1]) or any(part in {"", ".", ".."} or "\\" in part or ":" in part for part in parts):
        raise WeightsError(
            f"{path}: {item.file!r} leads out of the folder or is no file of weights. Nothing was added."
        )
    return item


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MANIFEST_LIMIT:
            raise WeightsError(f"{path}: too large to be a list of weights. Fetch them again.")
        content = parsed_json(file_bytes(path).decode())
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}). Fetch the weights again.") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: is not an object. Fetch the weights again.")
    return content
