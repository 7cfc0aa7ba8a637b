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
    DeepSamples,
    SizeCheck,
    UnchosenChannelsError,
    UnsupportedPixelsError,
    keyed,
    read_deep,
    read_plain_tiff,
    refuse_signed_bytes,
)
from headstart.data.images.bounds import MAX_PIXELS, check_size, check_working_bytes, claim_working, decoding_turn
from headstart.data.images.damage import HalfPictureError
from headstart.data.images.directory import check_directory, count_tiff_pages
from headstart.data.images.formats import ImageFormat, find_format, format_names
from headstart.data.images.header import read_header, samples_bytes, working_bytes
from headstart.data.images.orientation import ON_SIDE, Box, turned_box, turned_samples
from headstart.data.images.pictures import (
    Decoded,
    Header,
    array_strips,
    byte_samples,
    deep_picture,
    mode_name,
    opaque,
    picture_of,
)
from headstart.data.images.plain_strips import plain_strips
from headstart.data.images.samples import Samples
from headstart.data.images.strips import upright
from headstart.data.images.tiff_channels import read_channels
from headstart.errors import ChannelError, ImageError
from headstart.runtime.warnings import QUIET_PILLOW

Reduce = Callable[[int, int], tuple[int, int]]  # from width and height to the least ones that are enough

DECODER_VERSION: Final = 1
WHITE_LEVEL: Final = 65_535

# A decoder fed hostile bytes fails in any of these ways; each means that the file is damaged.
DAMAGE = (
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
    accept_damaged: bool = False,
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
    accept_damaged : bool
        Take a picture of which a part is missing as its decoder fills it, and say so in `Decoded.damage`.

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
    if image_format.install is not None:
        raise ImageError(name, f"{image_format.name}, which needs a package that is not here: {image_format.install}")
    rules = _Rules(max_pixels, white_level, keep_grey, reduce, channels)
    try:
        with QUIET_PILLOW, decoding_turn():
            return _decode_whole(encoded, image_format, name, rules, accept_damaged)
    except ImageError:
        raise
    except UnchosenChannelsError as error:
        raise ChannelError(name, str(error)) from error
    except UnsupportedPixelsError as error:
        raise ImageError(name, str(error)) from error
    except MemoryError as error:
        raise ImageError(name, "decoding needs more memory than is free; make the image smaller") from error
    except DAMAGE as error:
        raise ImageError(name, f"damaged or truncated ({_first_line(error)})") from error


@dataclass(frozen=True)
class _Rules:
    """Options of decoding; see `decode_details`."""

    max_pixels: int
    white_level: int
    keep_grey: bool
    reduce: Reduce | None
    channels: Sequence[str] | None
    must_be_whole: bool = True


def _decode_whole(encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules, accept_damaged: bool) -> Decoded:
    """Decoded image of a file of which no part is missing, or where that is accepted, with a word on it."""
    if image_format.before_opening is not None:
        encoded = image_format.before_opening(encoded)
    try:
        return _decode(encoded, image_format, name, rules)
    except HalfPictureError as error:
        if not accept_damaged:
            raise
        missing = str(error)  # decoded anew once the error is gone, which holds the pixels so far
    if image_format.with_end is not None:
        encoded = image_format.with_end(encoded)
    return replace(_decode(encoded, image_format, name, replace(rules, must_be_whole=False)), damage=missing)


def _decode(encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules) -> Decoded:
    if image_format.size_before_opening is not None:
        _admit_unopened(encoded, image_format, name, rules, image_format.size_before_opening(encoded))
    if rules.channels is not None:
        return _decode_channels(encoded, image_format, name, rules, rules.channels)
    try:
        image = image_format.open(io.BytesIO(encoded))
    except SyntaxError:
        if not image_format.has_plain_layouts:
            raise
        return _decode_plain_tiff(encoded, name, rules)
    header = _admitted(image, encoded, image_format, name, rules)
    if header.bits <= 8 and image.mode not in ("I", "F"):
        return _decode_bytes(image, encoded, image_format, header, rules)
    deep = _deep_samples(image, encoded, image_format)
    if deep is None:
        return _decode_plain_tiff(encoded, name, rules)
    strips = keyed(deep.strips(), image.info.get("transparency"))
    picture, peak = deep_picture(strips, deep.size, rules.white_level, rules.keep_grey)
    _confirm(image, encoded, image_format, rules)
    orientation = _orientation_of(image)
    image.close()  # as large as the picture that is turned now
    return Decoded(upright(picture, orientation), header, peak)


def _admit_unopened(encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules, size: tuple[int, int]) -> None:
    """Refuse a picture by its declared size, and wait for room for it, before opening makes room for its pixels."""
    check_size(name, size, rules.max_pixels)
    if image_format.expected_bytes is not None:
        n_expected = image_format.expected_bytes(encoded, len(encoded))
        check_working_bytes(name, n_expected, rules.max_pixels)
        claim_working(n_expected)


def _decode_bytes(
    image: ImageFile.ImageFile, encoded: bytes, image_format: ImageFormat, header: Header, rules: _Rules
) -> Decoded:
    """Picture of an opened image of 8 bits."""
    box = None if rules.reduce is None or not image_format.reducible else _reduced(image, rules.reduce)
    image.load()
    _confirm(image, encoded, image_format, rules)
    orientation, size = _orientation_of(image), image.size
    picture = opaque(image, rules.keep_grey)
    if picture is not image:
        image.close()
    whole = None if box is None else turned_box(box, size, orientation)
    return Decoded(upright(picture, orientation), header, None, whole)


def _deep_samples(image: ImageFile.ImageFile, encoded: bytes, image_format: ImageFormat) -> DeepSamples | None:
    plain = plain_strips(image, encoded)
    return read_deep(image, lambda: image_format.open(io.BytesIO(encoded))) if plain is None else plain


def _admitted(
    image: ImageFile.ImageFile, encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules
) -> Header:
    """Header of an opened image that is within bounds, for which there is room, and whose pixels are guarded."""
    refuse_signed_bytes(image)
    header = read_header(image, image_format, encoded)
    n_bytes = 2 if header.bits > 8 else 1
    size = (header.width, header.height)
    check_size(name, size, rules.max_pixels, n_samples=len(image.getbands()), n_bytes=n_bytes)
    if rules.must_be_whole and image_format.guard is not None:
        image_format.guard(image, encoded)
    n_working = working_bytes(image, image_format, len(encoded), keep_grey=rules.keep_grey, channels=rules.channels)
    check_working_bytes(name, n_working, rules.max_pixels)
    claim_working(n_working)
    return header


def _confirm(image: ImageFile.ImageFile, encoded: bytes, image_format: ImageFormat, rules: _Rules) -> None:
    if rules.must_be_whole and image_format.confirm is not None:
        image_format.confirm(image, encoded)


def _decode_plain_tiff(encoded: bytes, name: str, rules: _Rules) -> Decoded:
    page = read_plain_tiff(encoded, _size_check(name, len(encoded), rules))
    height, width, _ = page.samples.shape
    picture, peak = deep_picture(array_strips(page.samples), (width, height), rules.white_level, rules.keep_grey)
    header = _samples_header(Samples(page.samples), count_tiff_pages(encoded))
    return Decoded(upright(picture, page.orientation), header, peak)


def _decode_channels(
    encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules, channels: Sequence[str]
) -> Decoded:
    samples, header, orientation = _stored_samples(encoded, image_format, name, rules)
    chosen = samples.chosen(channels, name)
    upright = replace(chosen, values=turned_samples(chosen.values, orientation))
    return picture_of(upright, header, rules.white_level, name)


def _stored_samples(encoded: bytes, image_format: ImageFormat, name: str, rules: _Rules) -> tuple[Samples, Header, int]:
    """Samples of every channel as they are stored, the header, and the EXIF orientation they are stored under."""
    within_bounds = _size_check(name, len(encoded), rules)
    stack = read_channels(encoded, within_bounds) if image_format.has_plain_layouts else None
    if stack is not None:
        return stack.samples, _samples_header(stack.samples, stack.n_pages), stack.orientation
    try:
        image = image_format.open(io.BytesIO(encoded))
    except SyntaxError:
        if not image_format.has_plain_layouts:
            raise
        page = read_plain_tiff(encoded, within_bounds)
        plain = Samples(page.samples)
        return plain, _samples_header(plain, count_tiff_pages(encoded)), page.orientation
    header = _admitted(image, encoded, image_format, name, rules)
    if header.bits <= 8 and image.mode not in ("I", "F"):
        image.load()
        _confirm(image, encoded, image_format, rules)
        return Samples(byte_samples(image)), header, _orientation_of(image)
    deep = _deep_samples(image, encoded, image_format)
    if deep is None:
        return Samples(read_plain_tiff(encoded, within_bounds).samples), header, _orientation_of(image)
    values = deep.whole()
    _confirm(image, encoded, image_format, rules)
    return Samples(values), header, _orientation_of(image)


def _size_check(name: str, n_encoded: int, rules: _Rules) -> SizeCheck:
    """Check of a page's size, given width, height, samples of a pixel and bytes of a sample; it claims memory too."""

    def within_bounds(width: int, height: int, n_samples: int, n_bytes: int) -> None:
        check_size(name, (width, height), rules.max_pixels, n_samples=n_samples, n_bytes=n_bytes)
        n_working = n_encoded + samples_bytes(width * height, n_samples, n_bytes, rules.channels)
        check_working_bytes(name, n_working, rules.max_pixels)
        claim_working(n_working)

    return within_bounds


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
        check_directory(image.info.get("exif", b"").removeprefix(b"Exif\0\0"))
        orientation = image.getexif().get(0x0112, 1)
    except DAMAGE:  # damaged metadata around sound pixels: nothing to turn by
        return 1
    return orientation if isinstance(orientation, int) else 1


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    if text.startswith("decoder error"):  # a number of Pillow's own
        return "its compressed pixels cannot be decoded"
    return text.splitlines()[0][:160]
