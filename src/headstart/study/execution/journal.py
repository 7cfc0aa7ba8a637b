"""Finished work items, kept so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.storage import file_bytes, hash_bytes, write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGEST_LENGTH = 32


class Journal:
    """A folder with one file for each finished work item: named arrays, whole or absent.

    Parameters
    ----------
    folder : Path or None
        None keeps the items in memory, a folder on the disk alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, dict[str, NDArray[Any]]] = {}

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Arrays kept under a key; None when there are none or their file is damaged."""
        if self._folder is None:
            return self._memory.get(key)
        return _read(self._folder / f"{key}.safetensors")

    def put(self, key: str, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under a key.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        from safetensors.numpy import save

        if self._folder is None:
            self._memory[key] = dict(tensors)
            return
        # the library writes memory as it lies; ascontiguousarray would make vectors of scalars
        content = bytes(save({name: np.asarray(array, order="C") for name, array in tensors.items()}))
        digest = bytes.fromhex(hash_bytes(content))
        write_bytes(self._folder / f"{key}.safetensors", digest + content)

    def drop(self, *keys: str) -> None:
        """Forget what is kept under some keys, if anything: it is of no use any more."""
        for key in keys:
            self._memory.pop(key, None)
            if self._folder is not None:
                (self._folder / f"{key}.safetensors").unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder: the run is complete."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = file_bytes(path)
        if content[:_DIGEST_LENGTH] != bytes.fromhex(hash_bytes(content[_DIGEST_LENGTH:])):
            return None
        return dict(load(content[_DIGEST_LENGTH:]))
    except (OSError, SafetensorError):
        return None
