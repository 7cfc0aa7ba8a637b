"""BMP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile


def open_bmp(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a BMP file."""
    from PIL import BmpImagePlugin

    return BmpImagePlugin.BmpImageFile(handle)


register_format(
    ImageFormat(
        "BMP",
        order=40,
        suffixes=(".bmp", ".dib"),
        declared_by=lambda encoded: encoded.startswith(b"BM"),
        open=open_bmp,
    )
)
