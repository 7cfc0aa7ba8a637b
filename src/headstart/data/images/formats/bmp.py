"""BMP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile


def open_bmp(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a BMP file, whose runs are decoded by `headstart.data.images.bmp_runs`."""
    from PIL import BmpImagePlugin

    from headstart.data.images.bmp_runs import with_fast_runs

    return with_fast_runs(BmpImagePlugin.BmpImageFile(handle))


register_format(
    ImageFormat(
        "BMP",
        order=40,
        suffixes=(".bmp", ".dib"),
        declared_by=lambda encoded: encoded.startswith(b"BM"),
        open=open_bmp,
    )
)
