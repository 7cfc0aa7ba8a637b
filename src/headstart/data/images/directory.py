"""Directories of tags, in TIFF files and in EXIF (TIFF 6.0, section 2): pages counted, sizes summed, nothing read."""

from __future__ import annotations

import struct
from typing import Final

_MAX_PAGES: Final = 10_000_000
_SLACK: Final = 1 << 20
_TYPE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}


def count_tiff_pages(encoded: bytes) -> int:
    """Number of pages in the chain of a TIFF file, counted without reading any of them; at least 1.

    >>> count_tiff_pages(bytes.fromhex("49492a00 08000000 0000 0e000000 0000 00000000"))
    2
    """
    order, place, count, entry, pointer = _layout(encoded)
    n_count, n_pointer = struct.calcsize(order + count), struct.calcsize(order + pointer)
    visited: set[int] = set()
    while place + n_pointer <= len(encoded) and len(visited) < _MAX_PAGES:
        (page,) = struct.unpack_from(order + pointer, encoded, place)
        if page == 0 or page in visited or page + n_count > len(encoded):
            break
        visited.add(page)
        (n_entries,) = struct.unpack_from(order + count, encoded, page)
        place = page + n_count + n_entries * entry
    return max(1, len(visited))


def check_directory(encoded: bytes) -> None:
    """Refuse a first directory whose values are far larger than the file, so that they overlap.

    Readers copy every value, so that a small file could ask for any amount of memory.

    Raises
    ------
    OSError
    """
    order, place, count, entry, pointer = _layout(encoded)
    if len(encoded) < place + struct.calcsize(order + pointer):
        return
    (start,) = struct.unpack_from(order + pointer, encoded, place)
    n_count = struct.calcsize(order + count)
    if start + n_count > len(encoded):
        return
    (n_entries,) = struct.unpack_from(order + count, encoded, start)
    total = 0
    for number in range(n_entries):
        at = start + n_count + number * entry
        if at + entry > len(encoded):
            break
        _, kind, n_values = struct.unpack_from(f"{order}HH{pointer}", encoded, at)
        size = n_values * _TYPE_BYTES.get(kind, 0)
        total += size if size <= len(encoded) else 0  # what does not fit is not read
        if total > 2 * len(encoded) + _SLACK:
            raise OSError("its tags hold more than the file does")


def _layout(encoded: bytes) -> tuple[str, int, str, int, str]:
    """Byte order, place of the first pointer, kind of a count, bytes of an entry, kind of a pointer."""
    order = "<" if encoded[:2] == b"II" else ">"
    is_big = encoded[2:4] in (b"+\0", b"\0+")
    return (order, 8, "Q", 20, "Q") if is_big else (order, 4, "H", 12, "I")
