"""Memory of pictures that are done with: kept for the next one, or given back to the system."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable
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


def give_back_freed() -> None:
    """Give freed memory back to the system, of Pillow's pool and of the C library's, which keep it for later."""
    _CORE.clear_cache()
    trim = _trim()
    if trim is not None:
        trim(0)


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """``malloc_trim`` of the GNU C library; None where there is another."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return trim
