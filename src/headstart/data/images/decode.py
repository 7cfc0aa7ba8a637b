"""Decoding of a file's bytes to an upright 8-bit RGB image, by fixed and bounded rules.

`docs/data.md` states the rules for the user; `DECODER_VERSION` changes whenever one of them does.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from headstart.data.images.bit_depth import UnsupportedPixelsError, read_deep, read_plain_tiff, scale_to_8_bit
from headstart.data.images.formats import ImageFormat, find_format, format_names
from headstart.data.images.orientation import ON_SIDE, Box, turned, turned_box
from headstart.errors import ImageError
from headstart.runtime.warnings import QUIET_PILLOW

Reduce = Callable[[int, int], tuple[int, int]]  # from width and height to the least ones that are enough

DECODER_VERSION: Final = 1
MAX_PIXELS: Final = 200_000_000
MAX_FILE_BYTES: Final = 1 << 30
WHITE_LEVEL: Final = 65_535
MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's name of the colour mode for each number of channels, alpha last."""

# A decoder fed hostile bytes fails in any of these ways; each means that the file is damaged.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class Header:
    """Header of an image file, known before any pixel is read.

    Attributes
    ----------
    format : str
        Name of the format, such as ``"JPEG"``; ``"array"`` for an array in memory.
    width, height : int
        Pixels, as stored.
    mode : str
        Pillow's name of the stored colour mode, such as ``"L"`` or ``"RGB"``; 16-bit modes end with ``;16``.
    bits : int
        Bits per sample.
    n_pages : int
        Pages or frames; only the first is used.
    """

    format: str
    width: int
    height: int
    mode: str
    bits: int
    n_pages: int


@dataclass(frozen=True)
class Decoded:
    """Decoded image with its header.

    Attributes
    ----------
    image : PIL.Image.Image
    header : Header
    peak : int or None
        Largest colour sample of a 16-bit image.
    box : (float, float, float, float) or None
        Left, top, right and bottom of what the picture fills of a reduced image, whose last row and column may lie
        half outside; None for the whole.
    """

    image: Image.Image
    header: Header
    peak: int | None
    box: Box | None = None


def decode(encoded: bytes, name: str, *, max_pixels: int = MAX_PIXELS, white_level: int = WHITE_LEVEL) -> Image.Image:
    """Upright 8-bit RGB image from the bytes of a file in one of the formats of `headstart.data.images.formats`.

    Parameters
    ----------
    encoded : bytes
        Content of the file.
    name : str
        Name of the image in errors.
    max_pixels : int
        Larger images are refused from their header, before any pixel is read.
    white_level : int in 1..65535
        The 16-bit value shown as white: ``value * 255 / white_level``, clipped. Fixed for a data set, because a
        scale chosen image by image would erase brightness as a sign. 4095 suits 12-bit cameras.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, EXIF orientation applied, transparency laid over white, first page of several.

    Raises
    ------
    ImageError
        For anything else: no image, damaged, truncated, too large, floating-point or signed pixels.
    """
    return decode_details(encoded, name, max_pixels=max_pixels, white_level=white_level).image


def decode_details(
    encoded: bytes,
    name: str,
    *,
    max_pixels: int = MAX_PIXELS,
    white_level: int = WHITE_LEVEL,
    keep_grey: bool = False,
    reduce: Reduce | None = None,
) -> Decoded:
    """Decoded image with its header and 16-bit peak; see `decode`.

    Parameters
    ----------
    encoded, name, max_pixels, white_level
        As for `decode`.
    keep_grey : bool
        Leave a grey picture in mode L, a third of the work for whoever resizes it.
    reduce : callable, optional
        Given the upright width and height, answers how many pixels across and down are enough. The JPEG decoder then
        leaves out the finest detail, by halves, quarters or eighths. Other formats are decoded whole.
    """
    if not 1 <= white_level <= 65_535:
        raise ValueError(f"white_level is {white_level}; expected a 16-bit sample value from 1 to 65535.")
    image_format = find_format(encoded)
    if image_format is None:
        reason = f"not an image headstart reads ({format_names()})" if encoded else "the file is empty"
        raise ImageError(name, reason)
    try:
        with QUIET_PILLOW:
            return _decode(encoded, image_format, name, _Rules(max_pixels, white_level, keep_grey, reduce))
    except ImageError:
        raise
    except UnsupportedPixelsError as error:
        raise ImageError(name, str(error)) from error
    except MemoryError as error:
        raise ImageError(name, "decoding needs more memory than is free; make the image smaller") from error
    except _DAMAGE as error:
        raise ImageError(name, f"damaged or truncated ({_first_line(error)})") from error


@dataclass(frozen=True)
class _Rules:
    """Options of decoding; see `decode_details`."""

    max_pixels: int
    white_level: int
    keep_grey: bool
    reduce: Reduce | None


def _decode(encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules) -> Decoded:
    if image_format.size_before_opening is not None:
        _check_size(name, image_format.size_before_opening(encoded), rules.max_pixels)
    try:
        image = image_format.open(io.BytesIO(encoded))
    except SyntaxError:
        if not image_format.has_plain_layouts:
            raise
        return _decode_plain_tiff(encoded, name, rules)
    header = _header(image, image_format)
    _check_size(name, (header.width, header.height), rules.max_pixels)
    if header.bits <= 8 and image.mode not in ("I", "F"):
        box = None if rules.reduce is None or not image_format.reducible else _reduced(image, rules.reduce)
        image.load()
        orientation = _orientation_of(image)
        whole = None if box is None else turned_box(box, image.size, orientation)
        return Decoded(turned(_opaque(image, rules.keep_grey), orientation), header, None, whole)
    samples = read_deep(image, lambda: image_format.open(io.BytesIO(encoded)))
    if samples is None:
        return _decode_plain_tiff(encoded, name, rules)
    picture, peak = _deep(samples, rules.white_level, rules.keep_grey)
    return Decoded(turned(picture, _orientation_of(image)), header, peak)


def _decode_plain_tiff(encoded: bytes, name: str, rules: _Rules) -> Decoded:
    page = read_plain_tiff(encoded, lambda width, height: _check_size(name, (width, height), rules.max_pixels))
    picture, peak = _deep(page.samples, rules.white_level, rules.keep_grey)
    mode = MODES[page.samples.shape[2]] + (";16" if page.bits == 16 else "")
    header = Header("TIFF", page.samples.shape[1], page.samples.shape[0], mode, page.bits, page.n_pages)
    return Decoded(turned(picture, page.orientation), header, peak)


def _reduced(image: ImageFile.ImageFile, reduce: Reduce) -> Box | None:
    """Tell the JPEG decoder, before it loads, to scale down; what the picture will fill of its grid."""
    on_side = _orientation_of(image) in ON_SIDE
    width, height = image.size[::-1] if on_side else image.size
    enough = reduce(width, height)
    drafted = image.draft(None, enough[::-1] if on_side else enough)
    return None if drafted is None else drafted[1]


def _orientation_of(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; Pillow turns a TIFF, and drops the tag, on loading."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except _DAMAGE:  # damaged metadata around sound pixels: nothing to turn by
        return 1
    return orientation if isinstance(orientation, int) else 1


def _check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(name, "damaged or truncated (its header declares no pixels)")
    if width * height > max_pixels:
        reason = f"{width:,} x {height:,} pixels, more than the {max_pixels:,} allowed; make it smaller or crop it"
        raise ImageError(name, reason)


def _header(image: ImageFile.ImageFile, image_format: ImageFormat) -> Header:
    width, height = image.size
    bits = _bits(image) if image_format.bits is None else image_format.bits(image)
    mode = f"{image.mode};16" if bits == 16 and ";16" not in image.mode else image.mode
    return Header(image_format.name, width, height, mode, bits, int(getattr(image, "n_frames", 1)))


def _bits(image: ImageFile.ImageFile) -> int:
    """Bits per stored sample; Pillow's mode hides the depth of 16-bit colour images."""
    if image.mode == "1":
        return 1
    return 16 if image.mode.startswith("I") or any(";16" in str(tile.args) for tile in image.tile) else 8


def _opaque(image: Image.Image, keep_grey: bool = False) -> Image.Image:
    """8-bit RGB (or grey) without transparency: what shines through is white, as on paper."""
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        clear = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    if image.mode == "RGB" or (keep_grey and image.mode == "L"):
        return image  # converting would copy it, which for a photograph takes as long as decoding
    if image.mode in ("1", "L", "P", "RGBX", "CMYK", "YCbCr"):
        return image.convert("RGB")
    raise UnsupportedPixelsError(f"colour mode {image.mode} is not supported; save it as RGB or grey")


def _deep(samples: NDArray[Any], white_level: int, keep_grey: bool = False) -> tuple[Image.Image, int | None]:
    """Picture and 16-bit peak from samples of shape (height, width, 1 to 4 channels), uint8 or uint16."""
    n_colours = samples.shape[2] - (samples.shape[2] in (2, 4))
    colours, peak = samples[..., :n_colours], None
    if samples.dtype == np.uint16:
        peak = int(colours.max())
        colours = scale_to_8_bit(colours, white_level)
        samples = np.concatenate([colours, scale_to_8_bit(samples[..., n_colours:], WHITE_LEVEL)], axis=2)
    if keep_grey and samples.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(samples[..., 0])), peak
    if n_colours == 1:
        samples = np.concatenate([np.repeat(samples[..., :1], 3, axis=2), samples[..., 1:]], axis=2)
    return _opaque(Image.fromarray(np.ascontiguousarray(samples))), peak


def pixels_to_rgb(pixels: NDArray[Any], name: str, *, white_level: int = WHITE_LEVEL) -> Image.Image:
    """8-bit RGB image from an array, by the rules for files.

    Parameters
    ----------
    pixels : ndarray of shape (height, width) or (height, width, 1 to 4 channels), uint8 or uint16
        Two and four channels hold alpha last.
    name : str
        Name of the image in errors.
    white_level : int
        See `decode`.

    Raises
    ------
    ImageError
        When shape or type is another.
    """
    samples = pixels[..., None] if pixels.ndim == 2 else pixels
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or samples.size == 0:
        raise ImageError(name, f"array of shape {pixels.shape}; expected (height, width) or (height, width, 1 to 4)")
    if samples.dtype not in (np.uint8, np.uint16):
        raise ImageError(name, f"array of type {pixels.dtype}; expected uint8 or uint16")
    return _deep(samples, white_level)[0]


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
