"""HEIC and HEIF, by pillow-heif."""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import ImageFormat, register_format

if TYPE_CHECKING:
    from PIL import ImageFile

_BYTES: Final = 12
_HEAD_BYTES: Final = 1 << 16
_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def expected_bytes(encoded: bytes, n_encoded: int) -> int:
    """Memory of file and picture, by the largest size among the properties that begin the file (ISO/IEC 23008-12)."""
    places = [match.end() + 4 for match in re.finditer(b"ispe", encoded[:_HEAD_BYTES])]
    sizes = [struct.unpack_from(">II", encoded, place) for place in places if place + 8 <= len(encoded)]
    return n_encoded + _BYTES * max((width * height for width, height in sizes), default=0)


def decoder_bytes(image: ImageFile.ImageFile, n_encoded: int) -> int:
    """Memory of what libheif decodes, and of the copy that Pillow is given."""
    return (_BYTES - 4) * image.width * image.height


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
        decoder_bytes=decoder_bytes,
        expected_bytes=expected_bytes,
        library="pillow_heif",
        extra="heic",
    )
)
