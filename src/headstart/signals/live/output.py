"""Lines of a watched stream, written so that what a kept state does not know of is cut off."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.storage import storage_error


class LineOutput:
    """Lines of JSON to a file or to standard output.

    Parameters
    ----------
    path : Path or None
    known : int or None
        Bytes of the file that the state knows of: what was written behind them is cut off, and comes again.
    """

    def __init__(self, path: Path | None, known: int | None) -> None:
        self._path, self._known = path, known
        self.length: int | None = None

    def __enter__(self) -> LineOutput:
        if self._path is None:
            self._handle = sys.stdout.buffer
            return self
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = open(self._path, "ab")
            if self._known is not None and os.fstat(self._handle.fileno()).st_size > self._known:
                self._handle.truncate(self._known)
            self.length = self._handle.seek(0, os.SEEK_END)
        except OSError as error:
            raise storage_error(self._path, error) from error
        return self

    def __exit__(self, *about: object) -> None:
        if self._path is not None:
            self._handle.close()

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        """Add one line for each record."""
        lines = b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)
        try:
            self._handle.write(lines)
        except OSError as error:
            self._refuse(error)
        self.length = None if self.length is None else self.length + len(lines)

    def flush(self) -> None:
        """Hand everything over to the system."""
        try:
            self._handle.flush()
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError) or self._path is None:
            raise error
        raise storage_error(self._path, error) from error
