"""Converted networks kept between runs: converting takes seconds, reading back a fiftieth of that."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from headstart.errors import StorageError
from headstart.storage import hash_bytes, hash_json, write_bytes

MAX_NETWORKS = 24
_LENGTH = 40
_SUFFIX = ".safetensors"


class NetworkCache:
    """Networks on disk by what they were made from; a file is named by that and by the hash of its own bytes.

    Where the folder cannot be read or written nothing is kept, and a damaged file is as good as none: networks can
    always be made again. The `MAX_NETWORKS` last used stay.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / "networks"

    def load(self, made_from: dict[str, Any]) -> bytes | None:
        """The network made from these settings; None when none is kept whole."""
        for path in self._files(f"{_key(made_from)}.*{_SUFFIX}"):
            try:
                content = path.read_bytes()
                if hash_bytes(content)[:_LENGTH] == path.name.split(".")[1]:
                    with contextlib.suppress(OSError):  # a cache that is only read cannot keep count, and need not
                        path.touch()
                    return content
                path.unlink()
            except OSError:  # unreadable, or another process was faster: it is made again
                continue
        return None

    def store(self, made_from: dict[str, Any], content: bytes) -> None:
        """Store a network, and drop those not used for longest."""
        if self.folder is None:
            return
        try:
            write_bytes(self.folder / f"{_key(made_from)}.{hash_bytes(content)[:_LENGTH]}{_SUFFIX}", content)
            newest = sorted(self._files(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
            for path in newest[MAX_NETWORKS:]:
                path.unlink(missing_ok=True)
        except (StorageError, OSError):
            return  # nothing depends on its being kept; the cache of features says what is wrong with the folder

    def _files(self, pattern: str) -> list[Path]:
        if self.folder is None:
            return []
        try:
            return sorted(path for path in self.folder.glob(pattern) if not path.name.startswith("."))
        except OSError:
            return []


def _key(made_from: dict[str, Any]) -> str:
    return hash_json(made_from)[:_LENGTH]
