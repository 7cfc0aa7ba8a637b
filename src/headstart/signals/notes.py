"""Changes made by reading, told once where it is the same of many recordings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headstart.signals.recording import Recording

MAX_ALIKE: Final = 2
"""Most notes that differ in name and numbers alone and are all told."""


def notes_on(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Notes on recordings; of many that differ in name and numbers alone the first, and how many there are.

    Examples
    --------
    >>> import numpy as np
    >>> from headstart.signals.recording import Recording
    >>> noted = [Recording(f"{n}.csv", ("p",), np.zeros((2, 1)), 1.0, notes=(f"{n}.csv: {n} gaps.",)) for n in range(9)]
    >>> notes_on(noted)
    ('0.csv: 0 gaps. The same of 8 other recordings, with numbers of their own.',)
    """
    kinds: dict[str, list[str]] = {}
    for one in recordings:
        for note in one.notes:
            kinds.setdefault(re.sub(r"\d[\d.,]*", "#", note.replace(one.name, "")), []).append(note)
    told: list[str] = []
    for alike in kinds.values():
        if len(alike) <= MAX_ALIKE:
            told += alike
        else:
            told.append(f"{alike[0]} The same of {len(alike) - 1:,} other recordings, with numbers of their own.")
    return tuple(told)
