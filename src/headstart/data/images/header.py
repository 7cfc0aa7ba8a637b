"""Header of an opened image file: size, mode, depth, pages, and the memory that decoding it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageFile

from headstart.data.images.directory import count_tiff_pages
from headstart.data.images.formats import ImageFormat
from headstart.data.images.pictures import Header
from headstart.data.images.plain_strips import plain_strips
from headstart.data.images.strips import STRIP_PIXELS, turning_bytes

_ONE_BYTE: Final = ("1", "L", "P")
_SHOWN: Final = 11
"""Bytes of a pixel while a picture of chosen channels is made to be looked at."""
_STRIP: Final = 64
"""Bytes of a pixel of a strip of 16-bit colour while it is brought to 8 bits."""


def read_header(image: ImageFile.ImageFile, image_format: ImageFormat, encoded: bytes) -> Header:
    """Header of an opened image whose pixels are not loaded yet."""
    width, height = image.size
    bits = stored_bits(image, image_format)
    mode = f"{image.mode};16" if bits == 16 and ";16" not in image.mode else image.mode
    n_pages = count_tiff_pages(encoded) if image_format.name == "TIFF" else int(getattr(image, "n_frames", 1))
    return Header(image_format.name, width, height, mode, bits, n_pages)


def stored_bits(image: ImageFile.ImageFile, image_format: ImageFormat) -> int:
    """Bits of a stored sample; Pillow's mode hides the depth of 16-bit colour images."""
    if image_format.bits is not None:
        return image_format.bits(image)
    if image.mode == "1":
        return 1
    return 16 if image.mode.startswith("I") or any(";16" in str(tile.args) for tile in image.tile) else 8


def working_bytes(
    image: ImageFile.ImageFile,
    image_format: ImageFormat,
    n_encoded: int,
    *,
    keep_grey: bool,
    channels: Sequence[str] | None,
) -> int:
    """Memory that an opened picture takes, at most, while it is decoded, brought to 8 bits and turned upright.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        Its pixels not loaded yet.
    image_format : ImageFormat
    n_encoded : int
        Size of the file.
    keep_grey, channels
        As for `headstart.data.images.decode.decode_details`.
    """
    n_pixels = image.width * image.height
    n_decoder = 0 if image_format.decoder_bytes is None else image_format.decoder_bytes(image, n_encoded)
    is_deep = stored_bits(image, image_format) > 8 or image.mode in ("I", "F")
    n_held = n_pixels * (_deep_bytes(image) if is_deep else pillow_bytes(image.mode))
    if channels is not None:
        n_samples = len(image.getbands())
        made = samples_bytes(n_pixels, n_samples, 2 if is_deep else 1, channels)
        return n_encoded + n_held + max(n_decoder, made)
    is_clear = "transparency" in image.info
    stays_grey = keep_grey and not is_clear and image.mode in ("L", "I", "I;16", "I;16B")
    made = n_pixels * (1 if stays_grey else 4)
    is_made_anew = is_deep or is_clear or not (image.mode == "RGB" or stays_grey)
    n_upright = made + turning_bytes(n_pixels, made) if _may_be_turned(image) else made
    n_strip = _STRIP * min(n_pixels, STRIP_PIXELS)
    return n_encoded + n_strip + max(n_held + (made if is_made_anew else 0), n_upright, n_held + n_decoder)


def samples_bytes(n_pixels: int, n_samples: int, n_bytes: int, channels: Sequence[str] | None) -> int:
    """Memory that samples of all channels take, with the picture that is made of them, or of those that are chosen."""
    if channels is None:
        return n_pixels * (n_samples * n_bytes + 8)
    return n_pixels * (2 * (n_samples + len(channels)) * n_bytes + len(channels) + _SHOWN)


def pillow_bytes(mode: str) -> int:
    """Bytes of a pixel in Pillow's memory."""
    return 1 if mode in _ONE_BYTE else 2 if mode.startswith("I;16") else 4


def _deep_bytes(image: ImageFile.ImageFile) -> int:
    """Bytes of a pixel of more than 8 bits as it is loaded: none where it stays in the file, twice those of colours."""
    if plain_strips(image, b"II") is not None:
        return 0
    return (1 if image.mode.startswith("I") else 2) * pillow_bytes(image.mode)


def _may_be_turned(image: Image.Image) -> bool:
    """Whether metadata read so far may ask for a turn; those behind the pixels of a PNG are not known yet."""
    return bool({"exif", "xmp"} & image.info.keys()) or 274 in getattr(image, "tag_v2", ())
