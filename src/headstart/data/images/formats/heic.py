"""HEIC and HEIF, by pillow-heif."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile

_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def open_heic(handle: io.BytesIO) -> ImageFile.ImageFile:
    """Main picture of a HEIC file, turned upright by its decoder."""
    from pillow_heif import HeifImageFile

    image: ImageFile.ImageFile = HeifImageFile(handle)  # type: ignore[no-untyped-call]  # its annotations end there
    return image


register_format(
    ImageFormat(
        "HEIC",
        order=60,
        suffixes=(".heic", ".heif", ".hif", ".heics", ".heifs"),
        declared_by=lambda encoded: encoded[4:8] == b"ftyp" and encoded[8:12] in _BRANDS,
        open=open_heic,
        library="pillow_heif",
        extra="heic",
    )
)
