"""JPEG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile


def open_jpeg(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's JPEG class itself, not its factory: a phone's multi-picture file yields its first, main picture."""
    from PIL import JpegImagePlugin

    return JpegImagePlugin.JpegImageFile(handle)


def coefficient_bytes(image: ImageFile.ImageFile, n_encoded: int) -> int:
    """Memory of all coefficients, which libjpeg keeps of a picture in several scans: two bytes of each sample."""
    assert image.fp is not None  # of an image that was opened, whose first scan comes next
    layers: list[tuple[int, int, int, int]] = image.layer  # type: ignore[attr-defined]  # of Pillow's JPEG images
    place = image.fp.tell()
    scan = image.fp.read(3)
    image.fp.seek(place)
    if "progressive" not in image.info and (len(scan) < 3 or scan[2] >= len(layers)):
        return 0
    across, down = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    samples = sum(layer[1] * layer[2] for layer in layers) / max(1, across * down)
    return int(2 * samples * image.width * image.height)


def guard_jpeg(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """See `headstart.data.images.damage.jpeg.guard_jpeg`."""
    from headstart.data.images.damage import jpeg

    jpeg.guard_jpeg(image, encoded)


def without_bulk(encoded: bytes) -> bytes:
    """See `headstart.data.images.damage.jpeg_stream.without_bulk`."""
    from headstart.data.images.damage import jpeg_stream

    return jpeg_stream.without_bulk(encoded)


register_format(
    ImageFormat(
        "JPEG",
        order=10,
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp"),
        declared_by=lambda encoded: encoded.startswith(b"\xff\xd8\xff"),
        open=open_jpeg,
        decoder_bytes=coefficient_bytes,
        reducible=True,
        before_opening=without_bulk,
        with_end=lambda encoded: encoded + b"\xff\xd9",
        guard=guard_jpeg,
    )
)
