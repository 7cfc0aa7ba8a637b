"""Content-addressed cache of features: safe under `kill -9`, two processes at once, and damaged files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import StorageError
from headstart.progress import Progress, Silent
from headstart.storage import hash_bytes, hash_json, storage_error, write_bytes, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUFFIX = ".safetensors"
_NAME_LENGTH = 40


@dataclass(frozen=True)
class CacheInfo:
    """What a cache folder holds.

    Attributes
    ----------
    folder : str
    n_settings : int
        Distinct combinations of backbone, preparation and engine.
    n_images : int
        Rows of features, over all settings.
    n_bytes : int
        Size on disk in bytes.
    """

    folder: str
    n_settings: int
    n_images: int
    n_bytes: int


class FeatureCache:
    """Features on disk, by the content of the image and everything that shapes them.

    Each file (a *shard*) holds the rows of some images and is named by the hash of its own bytes. It is written to a
    temporary name and renamed, so a shard is whole or absent, and two processes never write to one file. A shard whose
    bytes do not match its name is set aside and its rows are computed again.

    Parameters
    ----------
    folder : Path or None
        Root of the cache; None keeps nothing.
    progress : Progress, optional
        Told once when the folder cannot be written: the work then goes on without keeping anything.
    """

    def __init__(self, folder: Path | None, *, progress: Progress | None = None) -> None:
        self.folder = folder
        self._progress = progress or Silent()
        self._writable = folder is not None

    def load(self, settings: dict[str, Any], wanted: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Rows that are kept for these settings.

        Parameters
        ----------
        settings : dict
            Everything beside the image that shapes its features.
        wanted : iterable of str
            Content hashes (hexadecimal SHA-256).

        Returns
        -------
        dict of str to ndarray of shape (n_features,), float32
            Only the hashes that are kept.
        """
        missing = set(wanted)
        found: dict[str, NDArray[np.float32]] = {}
        for path in self._shards(settings):
            if not missing:
                break
            shard = _read_shard(path)
            if shard is None:
                self._set_aside(path)
                continue
            for digest, row in zip(*shard, strict=True):
                if digest in missing:
                    found[digest] = row
                    missing.discard(digest)
        return found

    def store(self, settings: dict[str, Any], digests: Sequence[str], features: NDArray[np.float32]) -> None:
        """Keep the rows of some images.

        Parameters
        ----------
        settings : dict
            As in `load`.
        digests : sequence of str
            Content hashes, one per row.
        features : ndarray of shape (n_images, n_features), float32
        """
        if self.folder is None or not self._writable or not digests:
            return
        place = _place(self.folder, settings)
        try:
            if not (place / "settings.json").is_file():
                write_json(place / "settings.json", settings)
            content = _encode_shard(digests, features)
            write_bytes(place / f"{hash_bytes(content)[:_NAME_LENGTH]}{_SUFFIX}", content)
        except (StorageError, OSError) as error:  # OSError: a folder that may not even be looked into
            self._writable = False
            self._progress.note(f"Features are not kept: {error} The work goes on without the cache.")

    def info(self) -> CacheInfo:
        """Count what the cache holds."""
        shards = self._all_shards()
        n_images = sum(_n_rows(path) for path in shards)
        n_bytes = sum(path.stat().st_size for path in shards)
        return CacheInfo(str(self.folder), len({path.parent for path in shards}), n_images, n_bytes)

    def verify(self) -> list[Path]:
        """Check every shard against its name; damaged ones are removed and returned."""
        damaged = [path for path in self._all_shards() if _read_shard(path) is None]
        for path in damaged:
            self._set_aside(path)
        return damaged

    def clear(self) -> int:
        """Remove everything; returns the number of bytes freed.

        Raises
        ------
        StorageError
            When the folder may not be changed.
        """
        freed = self.info().n_bytes
        root = self._features_folder()
        if root is not None and root.is_dir():
            try:
                shutil.rmtree(root)
            except OSError as error:
                raise storage_error(root, error) from error
        return freed

    def _features_folder(self) -> Path | None:
        return None if self.folder is None else self.folder / "features"

    def _shards(self, settings: dict[str, Any]) -> list[Path]:
        return [] if self.folder is None else _listed(_place(self.folder, settings), f"*{_SUFFIX}")

    def _all_shards(self) -> list[Path]:
        root = self._features_folder()
        return [] if root is None else _listed(root, f"*/*{_SUFFIX}")

    def _set_aside(self, path: Path) -> None:
        self._progress.note(f"A damaged file of the cache is dropped and its features are computed again: {path}")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._progress.note(str(storage_error(path, error)))


def _place(folder: Path, settings: dict[str, Any]) -> Path:
    """Folder of the shards of these settings."""
    return folder / "features" / hash_json(settings)[:_NAME_LENGTH]


def _listed(folder: Path, pattern: str) -> list[Path]:
    """Files that match, sorted; none where the folder may not be read. A leading dot marks one still being written."""
    try:
        return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    except OSError:
        return []


def _encode_shard(digests: Sequence[str], features: NDArray[np.float32]) -> bytes:
    from safetensors.numpy import save

    keys = np.frombuffer(bytes.fromhex("".join(digests)), dtype=np.uint8).reshape(len(digests), 32)
    return bytes(save({"keys": keys.copy(), "features": np.ascontiguousarray(features, dtype=np.float32)}))


def _read_shard(path: Path) -> tuple[list[str], NDArray[np.float32]] | None:
    """Content hashes and rows of a shard; None when it is damaged or gone."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
        if hash_bytes(content)[:_NAME_LENGTH] != path.name.removesuffix(_SUFFIX):
            return None
        tensors = load(content)
        return [row.tobytes().hex() for row in tensors["keys"]], tensors["features"]
    except (OSError, SafetensorError, KeyError):
        return None


def _n_rows(path: Path) -> int:
    """Rows that a shard's header states."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as shard:
            return int(shard.get_slice("keys").get_shape()[0])
    except (OSError, SafetensorError):
        return 0
