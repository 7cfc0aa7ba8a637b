"""Pillow without its warnings, also where threads decode side by side."""

from __future__ import annotations

import threading
import warnings
from types import TracebackType
from typing import Final


class QuietPillow:
    """Context that mutes Pillow's warnings, nested and in threads alike.

    ``warnings.catch_warnings`` alone is not safe in threads: two that overlap leave the filters changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._filters: warnings.catch_warnings[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0 and self._filters is not None:
                self._filters.__exit__(kind, error, trace)
                self._filters = None


QUIET_PILLOW: Final = QuietPillow()
