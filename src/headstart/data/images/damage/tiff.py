"""TIFF files of whose first page strips or tiles are missing."""

from __future__ import annotations

import zlib
from typing import Any, Final

from PIL import ImageFile

from headstart.data.images.damage import HalfPictureError
from headstart.data.images.damage.jpeg_stream import read_stream

_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _PLANAR, _BITS = 256, 257, 259, 277, 284, 258
_STRIPS, _STRIP_BYTES, _STRIP_ROWS = 273, 279, 278
_TILES, _TILE_BYTES, _TILE_WIDTH, _TILE_HEIGHT = 324, 325, 322, 323
_NONE, _JPEG = 1, 7
_DEFLATE: Final = (8, 32_946)
_ZEROS: Final = bytes(64)


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
    for offset, count in zip(offsets[:n_needed], counts, strict=False):
        if offset + count > len(encoded) and compression != _NONE:
            raise HalfPictureError(f"the file ends before its {kind} do")
        _check_piece(encoded[offset : offset + count] if compression in (_JPEG, *_DEFLATE) else b"", compression)


def _check_piece(piece: bytes, compression: int) -> None:
    """Refuse a compressed strip that libtiff would decode to the end although its middle or end is gone."""
    if compression == _JPEG:
        stream = read_stream(piece)
        if stream is not None and stream.end is None:
            raise HalfPictureError("a strip or tile of its picture breaks off")
    elif compression in _DEFLATE and _ZEROS in piece:  # a checksum costs an inflation, so only where there is a doubt
        try:
            inflate = zlib.decompressobj()
            inflate.decompress(piece)
        except zlib.error as error:
            raise HalfPictureError("the checksum of its pixels is wrong") from error


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
