"""Image formats: suffixes of their files, and the first bytes that declare them."""

from __future__ import annotations

from typing import Final

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".dib", ".webp"})


def sniff_format(encoded: bytes) -> str | None:
    """Name of the image format that the first bytes declare, or None; file names are not trusted.

    >>> sniff_format(b"BM....") , sniff_format(b"PK.zip")
    ('BMP', None)
    """
    if encoded.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if encoded.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if encoded[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if encoded.startswith(b"RIFF") and encoded[8:12] == b"WEBP":
        return "WebP"
    return "BMP" if encoded.startswith(b"BM") else None


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
