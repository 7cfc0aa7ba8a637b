"""PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile


def open_png(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a PNG file."""
    from PIL import PngImagePlugin

    return PngImagePlugin.PngImageFile(handle)


register_format(
    ImageFormat(
        "PNG",
        order=20,
        suffixes=(".png",),
        declared_by=lambda encoded: encoded.startswith(b"\x89PNG\r\n\x1a\n"),
        open=open_png,
    )
)
