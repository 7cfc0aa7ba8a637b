"""WebP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile

_BYTES: Final = 16


def open_webp(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a WebP file, for which it makes room in memory at once."""
    from PIL import WebPImagePlugin

    return WebPImagePlugin.WebPImageFile(handle)


def webp_size(encoded: bytes) -> tuple[int, int]:
    """Width and height that a WebP header declares (RFC 9649, section 2), or (0, 0) when it is damaged."""
    kind, body = encoded[12:16], encoded[20:30]
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def expected_bytes(encoded: bytes, n_encoded: int) -> int:
    """Memory of file and picture: libwebp's own, its two canvases, Pillow's copy, and the picture."""
    width, height = webp_size(encoded)
    return n_encoded + _BYTES * width * height


register_format(
    ImageFormat(
        "WebP",
        order=50,
        suffixes=(".webp",),
        declared_by=lambda encoded: encoded.startswith(b"RIFF") and encoded[8:12] == b"WEBP",
        open=open_webp,
        size_before_opening=webp_size,
        expected_bytes=expected_bytes,
    )
)
