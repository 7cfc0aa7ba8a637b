"""Memory that a fit takes at the least, from its sizes alone, held against what the machine has."""

from __future__ import annotations

from typing import Final

from headstart.errors import InputError
from headstart.runtime.machine import memory_bytes

_COPIES: Final = 8
"""Tables of a probability in double precision, for every image and class, that a fit holds at once: before and after
calibration, of the candidate compared, filled up, and of a baseline."""
_MATRICES: Final = 4
_CELL_BYTES: Final = 72
"""Bytes of a cell of a confusion matrix: as a number, and as one of a document."""


def least_bytes(n_images: int, n_classes: int, *, repeats: int = 1) -> int:
    """Bytes that the probabilities of all images and the tables of classes by classes take, whatever the network."""
    tables = 8 * n_images * n_classes * (_COPIES - 1 + repeats)
    return tables + _MATRICES * _CELL_BYTES * n_classes**2


def check_machine(n_images: int, n_classes: int, *, repeats: int = 1) -> None:
    """Refuse a fit whose results alone take more memory than the machine has, before any image is read.

    Raises
    ------
    InputError
        With what it would take, what there is, and the remedy.
    """
    needed, (there, _) = least_bytes(n_images, n_classes, repeats=repeats), memory_bytes()
    if there is None or needed <= there:
        return
    raise InputError(
        f"{n_images:,} images of {n_classes:,} classes take at least {_shown(needed)} of memory, for a probability of "
        f"every class for every image and for tables of classes by classes. This machine has {_shown(there)}. Put rare "
        "classes together, take fewer images, or a machine with more memory. No image was read."
    )


def memory_note(needed: int) -> str:
    """Note where a fit takes more memory than is free now, though not more than there is; empty where it does not."""
    _, free = memory_bytes()
    if free is None or needed <= free:
        return ""
    return (
        f"About {_shown(needed)} of memory are needed and {_shown(free)} are free now: close other programs, or it may "
        "become slow or be stopped by the system."
    )


def _shown(n_bytes: float) -> str:
    """Bytes in words.

    >>> _shown(25.4e9), _shown(3.2e6)
    ('25 GB', '3 MB')
    """
    return f"{n_bytes / 1e9:,.0f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.0f} MB"
