"""Decoding of a file's bytes to an upright 8-bit RGB image, by fixed and bounded rules.

`docs/data.md` states the rules for the user; `DECODER_VERSION` changes whenever one of them does.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image, ImageFile

from headstart.data.images.bit_depth import (
    UnchosenChannelsError,
    UnsupportedPixelsError,
    read_deep,
    read_plain_tiff,
)
from headstart.data.images.formats import ImageFormat, find_format, format_names
from headstart.data.images.orientation import ON_SIDE, Box, turned, turned_box, turned_samples
from headstart.data.images.pictures import Decoded, Header, byte_samples, deep_picture, mode_name, opaque, picture_of
from headstart.data.images.samples import Samples
from headstart.data.images.tiff_channels import read_channels
from headstart.errors import ChannelError, ImageError
from headstart.runtime.warnings import QUIET_PILLOW

Reduce = Callable[[int, int], tuple[int, int]]  # from width and height to the least ones that are enough

DECODER_VERSION: Final = 1
MAX_PIXELS: Final = 200_000_000
MAX_FILE_BYTES: Final = 1 << 30
WHITE_LEVEL: Final = 65_535

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
    channels: Sequence[str] | None = None,
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
    channels : sequence of str, optional
        Names or numbers of the channels that make up the image, ``none`` for a black one; each stays as it is stored,
        alpha too. Default: a picture in colour or grey.

    Raises
    ------
    ChannelError
        When a channel is missing, or there are more than a picture has and none are chosen.
    ImageError
        As for `decode`.
    """
    if not 1 <= white_level <= 65_535:
        raise ValueError(f"white_level is {white_level}; expected a 16-bit sample value from 1 to 65535.")
    image_format = find_format(encoded)
    if image_format is None:
        reason = f"not an image headstart reads ({format_names()})" if encoded else "the file is empty"
        raise ImageError(name, reason)
    try:
        with QUIET_PILLOW:
            return _decode(encoded, image_format, name, _Rules(max_pixels, white_level, keep_grey, reduce, channels))
    except ImageError:
        raise
    except UnchosenChannelsError as error:
        raise ChannelError(name, str(error)) from error
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
    channels: Sequence[str] | None


def _decode(encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules) -> Decoded:
    if image_format.size_before_opening is not None:
        _check_size(name, image_format.size_before_opening(encoded), rules.max_pixels)
    if rules.channels is not None:
        return _decode_channels(encoded, image_format, name, rules, rules.channels)
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
        return Decoded(turned(opaque(image, rules.keep_grey), orientation), header, None, whole)
    samples = read_deep(image, lambda: image_format.open(io.BytesIO(encoded)))
    if samples is None:
        return _decode_plain_tiff(encoded, name, rules)
    picture, peak = deep_picture(samples, rules.white_level, rules.keep_grey)
    return Decoded(turned(picture, _orientation_of(image)), header, peak)


def _decode_plain_tiff(encoded: bytes, name: str, rules: _Rules) -> Decoded:
    page = read_plain_tiff(encoded, lambda width, height: _check_size(name, (width, height), rules.max_pixels))
    picture, peak = deep_picture(page.samples, rules.white_level, rules.keep_grey)
    header = _samples_header(Samples(page.samples), page.n_pages)
    return Decoded(turned(picture, page.orientation), header, peak)


def _decode_channels(
    encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules, channels: Sequence[str]
) -> Decoded:
    samples, header, orientation = _stored_samples(encoded, image_format, name, rules)
    chosen = samples.chosen(channels, name)
    upright = replace(chosen, values=turned_samples(chosen.values, orientation))
    return picture_of(upright, header, rules.white_level, name)


def _stored_samples(encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules) -> tuple[Samples, Header, int]:
    """Samples of every channel as they are stored, the header, and the EXIF orientation they are stored under."""

    def check_size(width: int, height: int) -> None:
        _check_size(name, (width, height), rules.max_pixels)

    stack = read_channels(encoded, check_size) if image_format.has_plain_layouts else None
    if stack is not None:
        return stack.samples, _samples_header(stack.samples, stack.n_pages), stack.orientation
    try:
        image = image_format.open(io.BytesIO(encoded))
    except SyntaxError:
        if not image_format.has_plain_layouts:
            raise
        page = read_plain_tiff(encoded, check_size)
        return Samples(page.samples), _samples_header(Samples(page.samples), page.n_pages), page.orientation
    header = _header(image, image_format)
    check_size(header.width, header.height)
    if header.bits <= 8 and image.mode not in ("I", "F"):
        image.load()
        return Samples(byte_samples(image)), header, _orientation_of(image)
    deep = read_deep(image, lambda: image_format.open(io.BytesIO(encoded)))
    values = read_plain_tiff(encoded, check_size).samples if deep is None else deep
    return Samples(values), header, _orientation_of(image)


def _samples_header(samples: Samples, n_pages: int) -> Header:
    height, width, n_channels = samples.values.shape
    bits = 8 * samples.values.dtype.itemsize
    return Header("TIFF", width, height, mode_name(n_channels, bits), bits, n_pages)


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


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
