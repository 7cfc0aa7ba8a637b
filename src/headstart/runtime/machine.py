"""Memory, processors and folders of the machine, found out without changing anything."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_THREADS: Final = 256


@dataclass(frozen=True)
class FolderState:
    """A folder as it is found.

    Attributes
    ----------
    path : str
        Empty where it is not known.
    exists : bool
    writable : bool
        A file could be made in it; where it does not exist, in the folder that it would be made in.
    free_bytes : int or None
        Room on its disk.
    problem : str
        Why it cannot be written to; empty where it can.
    """

    path: str
    exists: bool
    writable: bool
    free_bytes: int | None
    problem: str


def folder_state(path: Path) -> FolderState:
    """Whether a folder can be written to, tried with a file that is gone at once."""
    problem, exists, free = "", False, None
    try:
        exists = path.exists()
        place = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
        if not place.is_dir():
            raise NotADirectoryError(20, f"{place} is a file, not a folder")
        free = shutil.disk_usage(place).free
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
    return FolderState(str(path), exists, not problem, free, problem)


def memory_bytes() -> tuple[int | None, int | None]:
    """Memory of the machine and how much of it is free; None where the system does not say.

    A limit that is set on the process's group (a container's) counts as all there is.
    """
    total = _by_sysconf("SC_PHYS_PAGES")
    limit = _number_in(Path("/sys/fs/cgroup/memory.max"))
    free = _available()
    return _least(total, limit), _least(free, limit)


def _by_sysconf(name: str) -> int | None:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # another system
        return None


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError, StopIteration, IndexError):
        return _by_sysconf("SC_AVPHYS_PAGES")


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there, or ``max``: no limit
        return None


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def available_processors() -> int:
    """Number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_THREADS)
    return min(os.cpu_count() or 1, MAX_THREADS)
