"""Reuse of Pillow's memory from one picture to the next while many are read."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final

from PIL import Image

_CORE: Final = Image.core  # type: ignore[attr-defined]
N_BLOCKS: Final = 16
"""Pieces of at most 16 MiB that are kept; a 12-megapixel picture takes three."""


class PillowBlocks:
    """Context in which Pillow keeps freed memory for its next picture, nested and in threads alike.

    Otherwise each picture's memory is given back to the system and asked for again, page by page, which for
    photographs takes as long as decoding them. Pillow documents the setting as PILLOW_BLOCKS_MAX; a larger number that
    the user set there stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._before = _CORE.get_blocks_max()
                _CORE.set_blocks_max(max(self._before, N_BLOCKS))
            self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                _CORE.set_blocks_max(self._before)


PILLOW_BLOCKS: Final = PillowBlocks()
