"""How large the cache may grow, and which of its files go first."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.errors import InputError

LIMIT_VARIABLE: Final = "HEADSTART_CACHE_LIMIT"
DEFAULT_BYTES: Final = 20 * 10**9
LOW_WATER: Final = 0.9
"""Share of the limit down to which is evicted, so that not every new file evicts another."""
GRACE_S: Final = 600.0
_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS_BINARY: Final = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class CacheLimit:
    """How large the features and stage maps of a cache may grow together.

    Attributes
    ----------
    n_bytes : int
        Least recently used files are removed once they take more.
    grace_s : float
        Seconds after its last use during which another run leaves a file alone.
    """

    n_bytes: int
    grace_s: float = GRACE_S


@dataclass(frozen=True)
class StoredFile:
    """A file of the cache: its size in bytes and when it was last used, in seconds since the epoch."""

    path: Path
    n_bytes: int
    used_at: float


def parse_size(text: str) -> int:
    """A size such as ``20GB`` in bytes.

    Parameters
    ----------
    text : str
        A number with B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024); bytes without a unit.

    Raises
    ------
    InputError
        When it is no size.

    Examples
    --------
    >>> parse_size("20GB"), parse_size("1.5 MiB"), parse_size("0")
    (20000000000, 1572864, 0)
    """
    match = _SIZE.fullmatch(text)
    factor = None if match is None else (_UNITS | _UNITS_BINARY).get(match[2].lower())
    if match is None or factor is None or math.isinf(float(match[1]) * factor):
        raise InputError(f"{text!r} is no size. Expected a number with a unit, such as 20GB, 500MB or 1.5TB.")
    return round(float(match[1]) * factor)


def size_in_words(n_bytes: int) -> str:
    """A size with three figures and its unit.

    >>> [size_in_words(n) for n in (20_000_000_000, 81_920_000, 999_600, 4_096, 12, 3_000 * 10**12)]
    ['20 GB', '81.9 MB', '1 MB', '4.1 kB', '12 B', '3,000 TB']
    """
    for factor, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        size = float(f"{n_bytes / factor:.3g}")
        if size >= 1:
            return f"{size:,.3g} {unit}" if size < 1000 else f"{size:,.0f} {unit}"
    return f"{n_bytes} B"


def default_limit(folder: Path | None, n_stored: int) -> CacheLimit:
    """The limit where none is named: ``$HEADSTART_CACHE_LIMIT``, else 20 GB or half of the room, whichever is less.

    The room is what is free on the disk and what the cache holds already.

    Parameters
    ----------
    folder : Path or None
        The cache.
    n_stored : int
        Bytes that it holds already.

    Raises
    ------
    InputError
        When the environment variable holds no size.
    """
    return named_limit() or CacheLimit(min(DEFAULT_BYTES, (free_bytes(folder) + n_stored) // 2))


def named_limit() -> CacheLimit | None:
    """The limit that ``$HEADSTART_CACHE_LIMIT`` names, if it is set.

    Raises
    ------
    InputError
        When it holds no size.
    """
    named = os.environ.get(LIMIT_VARIABLE)
    if not named:
        return None
    try:
        return CacheLimit(parse_size(named))
    except InputError as error:
        raise InputError(f"The environment variable {LIMIT_VARIABLE}: {error}") from error


def free_bytes(folder: Path | None) -> int:
    """Bytes that may still be written below a folder, which need not exist yet."""
    place = Path("." if folder is None else folder).absolute()
    while not os.path.isdir(place) and place != place.parent:  # noqa: PTH112 (pathlib raises where it may not look)
        place = place.parent
    return shutil.disk_usage(place).free


def to_evict(
    files: Iterable[StoredFile], n_bytes: int, *, in_use: Set[Path] = frozenset(), before: float = float("inf")
) -> list[StoredFile]:
    """Files to remove, least recently used first, until the rest takes at most `n_bytes`.

    Parameters
    ----------
    files : iterable of StoredFile
    n_bytes : int
    in_use : set of Path
        Never removed.
    before : float
        Files used at this time or later are not removed.
    """
    known = list(files)
    excess = sum(file.n_bytes for file in known) - n_bytes
    chosen = []
    for file in sorted(known, key=lambda file: (file.used_at, file.path)):
        if excess <= 0:
            break
        if file.path not in in_use and file.used_at < before:
            chosen.append(file)
            excess -= file.n_bytes
    return chosen
