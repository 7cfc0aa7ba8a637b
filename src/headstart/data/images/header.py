"""Header of an opened image file: size, mode, depth, pages."""

from __future__ import annotations

from PIL import ImageFile

from headstart.data.images.directory import count_tiff_pages
from headstart.data.images.formats import ImageFormat
from headstart.data.images.pictures import Header


def read_header(image: ImageFile.ImageFile, image_format: ImageFormat, encoded: bytes) -> Header:
    """Header of an opened image whose pixels are not loaded yet."""
    width, height = image.size
    bits = _bits(image) if image_format.bits is None else image_format.bits(image)
    mode = f"{image.mode};16" if bits == 16 and ";16" not in image.mode else image.mode
    n_pages = count_tiff_pages(encoded) if image_format.name == "TIFF" else int(getattr(image, "n_frames", 1))
    return Header(image_format.name, width, height, mode, bits, n_pages)


def working_bytes(image: ImageFile.ImageFile, header: Header) -> int:
    """Memory that the picture takes while it is decoded and brought to 8-bit RGB.

    Pillow holds grey in one byte a pixel and everything else in four; another copy is made of what is turned or brought
    to another mode, and two of 16 bits.
    """
    n_pixels = header.width * header.height
    if header.bits > 8:
        return n_pixels * (8 + 2 * len(image.getbands()))
    is_grey = image.mode in ("1", "L", "P")
    return n_pixels * (5 if is_grey else 4 if image.mode == "RGB" else 8)


def _bits(image: ImageFile.ImageFile) -> int:
    """Bits per stored sample; Pillow's mode hides the depth of 16-bit colour images."""
    if image.mode == "1":
        return 1
    return 16 if image.mode.startswith("I") or any(";16" in str(tile.args) for tile in image.tile) else 8
