"""Bytes of image files that tests of decoding, reading and the audit share."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tifffile
from PIL import Image, PpmImagePlugin

from headstart.data.images import formats
from headstart.data.images.formats import ImageFormat, register_format


def encode(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def encode_tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def encode_deep_png(pixels: np.ndarray) -> bytes:
    """16-bit PNG written by hand: Pillow cannot write one in colour."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    return png_of_rows(raw, (width, height), 16, kind)


def png_of_rows(rows: bytes, size: tuple[int, int], bits: int, kind: int, *, before: bytes = b"") -> bytes:
    """PNG of rows, each behind its filter byte; `before` holds chunks that come before the pixels."""
    header = struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before + pixels + png_chunk(b"IEND", b"")


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def scaled(samples: np.ndarray, white_level: int = 65_535) -> np.ndarray:
    """The documented rule, in plain rationals."""
    return np.minimum(255, np.floor(samples.astype(float) * 255 / white_level + 0.5)).astype(np.uint8)


DEEP_LAYOUTS = {
    "grey TIFF": lambda a: encode_tiff(a[..., 0]),
    "big-endian grey TIFF": lambda a: encode_tiff(a[..., 0], byteorder=">"),
    "zipped grey TIFF": lambda a: encode_tiff(a[..., 0], compression="zlib"),
    "white-is-zero TIFF": lambda a: encode_tiff(65_535 - a[..., 0], photometric="miniswhite"),
    "colour TIFF": lambda a: encode_tiff(a, photometric="rgb"),
    "big-endian colour TIFF": lambda a: encode_tiff(a, photometric="rgb", byteorder=">"),
    "zipped colour TIFF": lambda a: encode_tiff(a, photometric="rgb", compression="zlib", predictor=True),
    "planar colour TIFF": lambda a: encode_tiff(
        np.moveaxis(a, 2, 0).copy(), photometric="rgb", planarconfig="separate"
    ),
    "grey PNG": lambda a: encode_deep_png(a[..., :1]),
    "colour PNG": encode_deep_png,
    "opaque colour PNG": lambda a: encode_deep_png(np.dstack([a, np.full(a.shape[:2], 65_535, np.uint16)])),
    "opaque grey PNG": lambda a: encode_deep_png(np.dstack([a[..., :1], np.full(a.shape[:2], 65_535, np.uint16)])),
}


def huge_png() -> bytes:
    """30,000 x 30,000 declared in 60 bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, idat, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@contextmanager
def portable_pixmaps() -> Iterator[ImageFormat]:
    """A format that headstart does not read by itself, known as long as the context lasts."""
    try:
        yield register_format(
            ImageFormat(
                "PPM",
                order=55,
                suffixes=(".ppm",),
                declared_by=lambda encoded: encoded.startswith(b"P6"),
                open=PpmImagePlugin.PpmImageFile,
            )
        )
    finally:
        formats._FORMATS.discard("PPM")
