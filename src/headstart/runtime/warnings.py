"""Libraries without their warnings, also where threads work side by side, and without their logs."""

from __future__ import annotations

import logging
import threading
import warnings
from types import TracebackType
from typing import ClassVar, Final


class MutedWarnings:
    """Context that mutes warnings that code of some modules gives, nested and in threads alike.

    ``warnings.catch_warnings`` is not safe in threads: two that overlap leave the filters changed. All `MutedWarnings`
    together save the filters once, when the first is entered, and restore them when the last is left; what one of them
    mutes stays muted until then.

    Parameters
    ----------
    module : str
        Pattern that the name of the warning module begins with; empty for all.
    """

    _lock: ClassVar = threading.Lock()
    _depth: ClassVar[int] = 0
    _filters: ClassVar[warnings.catch_warnings[None] | None] = None

    def __init__(self, module: str) -> None:
        self._module = module

    def __enter__(self) -> None:
        with MutedWarnings._lock:
            if MutedWarnings._depth == 0:
                MutedWarnings._filters = warnings.catch_warnings()
                MutedWarnings._filters.__enter__()
            MutedWarnings._depth += 1
            warnings.filterwarnings("ignore", module=self._module)  # moved to the front where it stands already

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with MutedWarnings._lock:
            MutedWarnings._depth -= 1
            if MutedWarnings._depth == 0 and MutedWarnings._filters is not None:
                MutedWarnings._filters.__exit__(kind, error, trace)
                MutedWarnings._filters = None


QUIET_PILLOW: Final = MutedWarnings(r"PIL\.")
QUIET: Final = MutedWarnings("")

# Both report damage by log as well as by exception; without a handler Python would print it on stderr.
for _library in ("tifffile", "PIL"):
    logging.getLogger(_library).addHandler(logging.NullHandler())
