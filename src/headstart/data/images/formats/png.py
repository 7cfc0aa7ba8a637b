"""PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile

_SCALES: Final = {"L;2": 85, "L;4": 17}
"""Step between greys of fewer than 8 bits once Pillow has brought them to 8."""


def open_png(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Pillow's image of a PNG file, its transparent grey on the scale of the pixels, which have 8 bits."""
    from PIL import PngImagePlugin

    image = PngImagePlugin.PngImageFile(handle)
    key, scale = image.info.get("transparency"), _SCALES.get(str(image.tile[0].args) if image.tile else "")
    if isinstance(key, int) and scale is not None:
        image.info["transparency"] = key % (255 // scale + 1) * scale
    return image


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
