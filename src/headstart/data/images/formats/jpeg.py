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


register_format(
    ImageFormat(
        "JPEG",
        order=10,
        suffixes=(".jpg", ".jpeg", ".jpe"),
        declared_by=lambda encoded: encoded.startswith(b"\xff\xd8\xff"),
        open=open_jpeg,
        reducible=True,
    )
)
