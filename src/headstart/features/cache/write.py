"""Rows into a shard, beside the description of what shapes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import StorageError
from headstart.features.cache import cache_files as files
from headstart.features.cache.shard import write_shard
from headstart.storage import write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_rows(
    place: Path, settings: dict[str, Any], keys: NDArray[np.uint8], rows: Sequence[NDArray[Any]]
) -> tuple[Path, int]:
    """Write a shard, once more where another process cleared the place meanwhile; its file and size in bytes.

    Parameters
    ----------
    place : Path
        Folder of the settings.
    settings : dict
        Written beside the shards, the first time.
    keys, rows
        As for `headstart.features.cache.shard.write_shard`.

    Raises
    ------
    StorageError
        When the disk refuses.
    OSError
        When the folder may not even be looked into.
    """
    try:
        return _write(place, settings, keys, rows)
    except StorageError as error:
        if not isinstance(error.__cause__, FileNotFoundError | FileExistsError):
            raise
    return _write(place, settings, keys, rows)


def _write(
    place: Path, settings: dict[str, Any], keys: NDArray[np.uint8], rows: Sequence[NDArray[Any]]
) -> tuple[Path, int]:
    if not (place / files.SETTINGS_FILE).is_file():
        write_json(place / files.SETTINGS_FILE, settings)
    return write_shard(place, keys, rows)
