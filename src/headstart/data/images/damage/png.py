"""PNG files whose compressed pixels end before the last row, or are not those that were written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from PIL import ImageFile

from headstart.data.images.damage import HalfPictureError

_SIGNATURE: Final = 8
_MAX_CHUNKS: Final = 100_000
_PIECE: Final = 1 << 20
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type (PNG 3rd edition, table 9)
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Left, top and steps across and down of Adam7's passes (PNG 3rd edition, section 8.1)."""


def check_chunks(encoded: bytes) -> None:
    """Refuse a file of so many chunks that going through them would take long.

    Raises
    ------
    OSError
    """
    place, n_chunks = _SIGNATURE, 0
    while place + 12 <= len(encoded):
        n_chunks += 1
        if n_chunks > _MAX_CHUNKS:
            raise OSError(f"more than the {_MAX_CHUNKS:,} chunks allowed")
        place += 12 + int.from_bytes(encoded[place : place + 4], "big")


def guard_png(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """Refuse pixels whose checksum is wrong.

    Raises
    ------
    HalfPictureError
    """
    for body, checksum in _pixel_chunks(encoded):
        if zlib.crc32(body, zlib.crc32(b"IDAT")) != checksum:
            raise HalfPictureError("the checksum of its pixels is wrong")


def confirm_png(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """Refuse a loaded picture whose last row was never decoded.

    Pillow leaves such rows black. So only a picture whose last row is black, or that is interlaced, is inflated again.

    Raises
    ------
    HalfPictureError
    """
    is_interlaced = encoded[28] == 1
    width, height = image.size
    if not is_interlaced and any(image.crop((0, height - 1, width, height)).tobytes()):
        return
    n_expected = _n_bytes(encoded)
    n_found, inflate = 0, zlib.decompressobj()
    for body, _ in _pixel_chunks(encoded):
        data: bytes | memoryview = body
        while data and n_found < n_expected and not inflate.eof:
            n_found += len(inflate.decompress(data, _PIECE))
            data = inflate.unconsumed_tail
    if n_found < n_expected:
        raise HalfPictureError("its picture breaks off before the last row")


def _pixel_chunks(encoded: bytes) -> Iterator[tuple[memoryview, int]]:
    """Body and checksum of the first run of chunks that hold pixels."""
    view, place = memoryview(encoded), _SIGNATURE
    found = False
    while place + 12 <= len(encoded):
        length = int.from_bytes(view[place : place + 4], "big")
        is_pixels = encoded[place + 4 : place + 8] == b"IDAT"
        if found and not is_pixels:
            return
        end = place + 8 + length
        if is_pixels and end + 4 <= len(encoded):
            found = True
            yield view[place + 8 : end], int.from_bytes(view[end : end + 4], "big")
        place = end + 4


def _n_bytes(encoded: bytes) -> int:
    """Size of the pixels once inflated, a byte before each row included."""
    width, height = int.from_bytes(encoded[16:20], "big"), int.from_bytes(encoded[20:24], "big")
    bits = encoded[24] * _SAMPLES.get(encoded[25], 1)
    if encoded[28] != 1:
        return height * (1 + (width * bits + 7) // 8)
    n_bytes = 0
    for left, top, across, down in _PASSES:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            n_bytes += rows * (1 + (columns * bits + 7) // 8)
    return n_bytes
