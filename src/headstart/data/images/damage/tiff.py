"""TIFF files of whose first page strips or tiles are missing."""

from __future__ import annotations

import re
import zlib
from typing import Any, Final

from PIL import ImageFile

from headstart.data.images.damage import HalfPictureError
from headstart.data.images.damage.jpeg_stream import JpegStream, read_stream
from headstart.data.images.damage.jpeg_zeros import has_zeroed_stretch

_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _PLANAR, _BITS = 256, 257, 259, 277, 284, 258
_STRIPS, _STRIP_BYTES, _STRIP_ROWS = 273, 279, 278
_TILES, _TILE_BYTES, _TILE_WIDTH, _TILE_HEIGHT = 324, 325, 322, 323
_NONE, _JPEG = 1, 7
_JPEG_TABLES: Final = 347
_DEFLATE: Final = (8, 32_946)
_WITHOUT_ZEROS: Final = (2, 3, 4, 32_773)
"""Codings of CCITT and PackBits, which never hold long runs of zeros but at the end of a strip, to fill it."""
_ZEROS, _ONES = bytes(64), b"\xff" * 64
_ZEROS_INSIDE: Final = re.compile(rb"\0{64,}[^\0]")
_MAX_INFLATED: Final = 32 << 20  # a checksum costs an inflation, so of large files only where there is a doubt
_PORTION: Final = 1 << 20
_DAMAGED: Final = "data in the middle of its picture are damaged"


def guard_tiff(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """Refuse a page whose strips or tiles are fewer than its size needs, empty, cut short or outside the file.

    Raises
    ------
    HalfPictureError
    """
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of Pillow's TIFF images
    is_tiled = _TILES in tags
    offsets = _numbers(tags, _TILES if is_tiled else _STRIPS)
    counts = _numbers(tags, _TILE_BYTES if is_tiled else _STRIP_BYTES)
    n_needed = _n_pieces(tags, is_tiled)
    kind = "tiles" if is_tiled else "strips"
    if len(offsets) < n_needed:
        raise HalfPictureError(f"{n_needed - len(offsets):,} of its {n_needed:,} {kind} are missing")
    compression = int(tags.get(_COMPRESSION, _NONE))
    n_empty = sum(offset == 0 or offset >= len(encoded) for offset in offsets[:n_needed])
    if len(counts) >= n_needed:
        n_empty = max(n_empty, sum(count == 0 for count in counts[:n_needed]))
    if n_empty:
        raise HalfPictureError(f"{n_empty:,} of its {n_needed:,} {kind} are empty")
    tables = _jpeg_tables(tags) if compression == _JPEG else None
    n_encoded = sum(counts[:n_needed])
    for offset, count in zip(offsets[:n_needed], counts, strict=False):
        if offset + count > len(encoded) and (is_tiled or compression != _NONE):
            raise HalfPictureError(f"the file ends before its {kind} do")
        if compression == _NONE:
            continue
        piece = encoded[offset : offset + count]
        if compression == _JPEG:
            _check_jpeg(piece, tables)
        elif compression in _DEFLATE and (n_encoded <= _MAX_INFLATED or _ZEROS in piece or _ONES in piece):
            _check_deflated(piece)
        elif compression in _WITHOUT_ZEROS and _ZEROS_INSIDE.search(piece):
            raise HalfPictureError(_DAMAGED)


def _check_jpeg(piece: bytes, tables: tuple[bytes, JpegStream] | None) -> None:
    """Refuse a strip or tile that libtiff would decode although its middle or end is gone."""
    stream = read_stream(piece)
    if stream is not None and stream.end is None:
        raise HalfPictureError("a strip or tile of its picture breaks off")
    if stream is not None and has_zeroed_stretch(piece, stream, tables):
        raise HalfPictureError(_DAMAGED)


def _check_deflated(piece: bytes) -> None:
    """Refuse a strip or tile whose checksum is wrong, which libtiff does not look at."""
    inflate, data = zlib.decompressobj(), piece
    try:
        while data and not inflate.eof:
            inflate.decompress(data, _PORTION)
            data = inflate.unconsumed_tail
    except zlib.error as error:
        raise HalfPictureError("the checksum of its pixels is wrong") from error
    if not inflate.eof:
        raise HalfPictureError("a strip or tile of its picture breaks off")


def _jpeg_tables(tags: Any) -> tuple[bytes, JpegStream] | None:
    tables = tags.get(_JPEG_TABLES, b"")
    stream = read_stream(tables) if isinstance(tables, bytes) else None
    return None if stream is None else (tables, stream)


def _n_pieces(tags: Any, is_tiled: bool) -> int:
    width, height = int(tags.get(_WIDTH, 0)), int(tags.get(_HEIGHT, 0))
    n_planes = int(tags.get(_SAMPLES, 1)) if int(tags.get(_PLANAR, 1)) == 2 else 1
    if is_tiled:
        across, down = max(1, int(tags.get(_TILE_WIDTH, width))), max(1, int(tags.get(_TILE_HEIGHT, height)))
        return -(-width // across) * -(-height // down) * n_planes
    rows = max(1, min(height, int(tags.get(_STRIP_ROWS, height))))
    return -(-height // rows) * n_planes


def _numbers(tags: Any, tag: int) -> tuple[int, ...]:
    found = tags.get(tag, ())
    return tuple(int(number) for number in found) if isinstance(found, tuple) else (int(found),)
