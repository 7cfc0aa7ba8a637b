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


def guard_png(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """See `headstart.data.images.damage.png.guard_png`."""
    from headstart.data.images.damage import png

    png.guard_png(image, encoded)


def confirm_png(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """See `headstart.data.images.damage.png.confirm_png`."""
    from headstart.data.images.damage import png

    png.confirm_png(image, encoded)


def check_chunks(encoded: bytes) -> bytes:
    """The file; see `headstart.data.images.damage.png.check_chunks`."""
    from headstart.data.images.damage import png

    png.check_chunks(encoded)
    return encoded


register_format(
    ImageFormat(
        "PNG",
        order=20,
        suffixes=(".png",),
        declared_by=lambda encoded: encoded.startswith(b"\x89PNG\r\n\x1a\n"),
        open=open_png,
        before_opening=check_chunks,
        guard=guard_png,
        confirm=confirm_png,
    )
)
