"""Reading of samples of more than eight bits, where Pillow alone would keep only the upper byte."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin

from headstart.data.images.strips import STRIP_PIXELS, row_strips

SizeCheck = Callable[[int, int, int, int], None]
_FLOAT: Final = "floating-point pixels, whose black and white nobody states; save it as 8- or 16-bit unsigned integers"
_SIGNED: Final = "signed or 32-bit pixels; save it as 8- or 16-bit unsigned integers on a scale you choose"
_LAYOUT: Final = (
    "a pixel layout headstart does not read; save it as interleaved grey or RGB without premultiplied alpha"
)
_PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 262, 284, 339
_SIGNED_FORMAT: Final = 2


class UnsupportedPixelsError(Exception):
    """Pixels of a sound file that have no fixed meaning as a picture; the text is the reason and the remedy."""


class UnchosenChannelsError(UnsupportedPixelsError):
    """More channels than a picture has, of which none are chosen."""

    def __init__(self, n_channels: int) -> None:
        super().__init__(
            f"{n_channels} channels, and nobody says which of them to show; choose with --channels, as in "
            "--channels 1,2,3"
        )


@dataclass(frozen=True)
class PlainPage:
    """First page of an uncompressed TIFF; samples of shape (height, width, channels), uint8 or uint16."""

    samples: NDArray[Any]
    bits: int
    orientation: int


@functools.lru_cache(maxsize=4)
def _scale_table(white_level: int) -> NDArray[np.uint8]:
    values = np.arange(65_536, dtype=np.int64)
    table = np.minimum(255, (values * 255 + white_level // 2) // white_level).astype(np.uint8)
    table.setflags(write=False)
    return table


def scale_to_8_bit(samples: NDArray[np.uint16], white_level: int) -> NDArray[np.uint8]:
    """``samples * 255 / white_level``, rounded and clipped to 0..255, of the same shape.

    >>> scale_to_8_bit(np.array([0, 2048, 4095, 65535], dtype=np.uint16), 4095).tolist()
    [0, 128, 255, 255]
    """
    table = _scale_table(white_level)
    if samples.size <= 4 * STRIP_PIXELS:
        return np.take(table, samples)
    scaled = np.empty(samples.shape, np.uint8)  # row by row: NumPy makes eight bytes of each index
    for row, values in enumerate(samples):
        scaled[row] = np.take(table, values)
    return scaled


@dataclass(frozen=True, eq=False)
class DeepSamples:
    """Samples of more than eight bits of an opened image.

    Attributes
    ----------
    size : (int, int)
        Width and height.
    n_channels : int
        1 to 4, alpha last.
    strips : callable
        Loads the pixels and gives them from the first row to the last: uint16 of shape (rows, width, n_channels).
    """

    size: tuple[int, int]
    n_channels: int
    strips: Callable[[], Iterator[NDArray[np.uint16]]]

    def whole(self) -> NDArray[np.uint16]:
        """All samples, of shape (height, width, n_channels)."""
        width, height = self.size
        samples, top = np.empty((height, width, self.n_channels), np.uint16), 0
        for strip in self.strips():
            samples[top : top + len(strip)] = strip
            top += len(strip)
        return samples


def read_deep(image: ImageFile.ImageFile, reopen: Callable[[], ImageFile.ImageFile]) -> DeepSamples | None:
    """All sixteen bits of an opened PNG or TIFF, or None for a layout that only `read_plain_tiff` may know.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        Opened, not yet loaded.
    reopen : callable
        Gives the same file opened afresh.

    Raises
    ------
    UnsupportedPixelsError
        For floating-point, signed or 32-bit samples.
    """
    _refuse_unscaled(image)
    raw_mode = _raw_mode(image)
    if image.mode.startswith("I"):
        return DeepSamples(stored_size(image), 1, lambda: _grey_strips(image))
    if raw_mode == "LA;16B":  # one grey-alpha pixel has the four bytes of an RGBA pixel
        return DeepSamples(stored_size(image), 2, lambda: _grey_alpha_strips(image, reopen()))
    if raw_mode.split(";")[0] in ("RGB", "RGBA", "RGBX") and not _is_planar(image):
        return DeepSamples(stored_size(image), len(image.getbands()), lambda: _colour_strips(image, reopen()))
    return None


def keyed(strips: Iterable[NDArray[np.uint16]], key: int | tuple[int, ...] | None) -> Iterator[NDArray[np.uint16]]:
    """Samples with alpha where a PNG names one grey or colour that is transparent; the same where it names none.

    >>> [strip.tolist() for strip in keyed([np.array([[[7], [300]]], dtype=np.uint16)], 300)]
    [[[[7, 65535], [300, 0]]]]
    """
    for strip in strips:
        if key is None or strip.shape[2] not in (1, 3):
            yield strip
        else:
            seen = (strip != np.asarray(key, np.uint16)).any(axis=2, keepdims=True)
            yield np.concatenate([strip, seen.astype(np.uint16) * np.uint16(65_535)], axis=2)


def stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Width and height as stored of an opened image; Pillow gives those of an upright TIFF until it is loaded."""
    width, height = getattr(image, "_tile_size", image.size)
    return width, height


def _grey_strips(image: ImageFile.ImageFile) -> Iterator[NDArray[np.uint16]]:
    image.load()
    for _, box in row_strips(image.size):
        grey = np.clip(np.asarray(image.crop(box)), 0, 65_535).astype(np.uint16)
        yield _white_is_low(image, grey)[..., None]


def _grey_alpha_strips(image: ImageFile.ImageFile, second: ImageFile.ImageFile) -> Iterator[NDArray[np.uint16]]:
    second.tile = [tile._replace(args="RGBA") for tile in second.tile]
    image.load()
    second.load()
    for _, box in row_strips(image.size):
        strip = np.asarray(second.crop(box))
        yield _joined(strip[..., 0::2], strip[..., 1::2])


def _colour_strips(image: ImageFile.ImageFile, second: ImageFile.ImageFile) -> Iterator[NDArray[np.uint16]]:
    """16-bit colour from two passes: Pillow's unpacker for the other byte order returns the lower byte."""
    second.tile = [tile._replace(args=_swapped(tile.args)) for tile in second.tile]
    image.load()
    second.load()
    for _, box in row_strips(image.size):
        yield _joined(np.asarray(image.crop(box)), np.asarray(second.crop(box)))


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    samples: NDArray[np.uint16] = high.astype(np.uint16)
    samples <<= 8
    samples |= low
    return samples


def _swapped(arguments: Any) -> Any:
    """Decoder arguments with the byte order of the raw mode (little, big, native) reversed."""
    if not isinstance(arguments, str):
        return (_swapped(arguments[0]), *arguments[1:])
    order = arguments[-1]
    native_is_little = np.little_endian
    little = order == "L" or (order == "N" and native_is_little)
    return arguments[:-1] + ("B" if little else "L")


def _raw_mode(image: ImageFile.ImageFile) -> str:
    raw_modes = {tile.args if isinstance(tile.args, str) else str((tile.args or ("",))[0]) for tile in image.tile}
    raw_mode = raw_modes.pop() if len(raw_modes) == 1 else ""
    return raw_mode if raw_mode.startswith("I") or ";16" in raw_mode else ""


def _is_planar(image: ImageFile.ImageFile) -> bool:
    return isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PLANAR, 1) == 2


def refuse_signed_bytes(image: ImageFile.ImageFile) -> None:
    """Refuse a TIFF of signed samples of 8 bits, which Pillow takes for unsigned ones.

    Raises
    ------
    UnsupportedPixelsError
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile) and _SIGNED_FORMAT in image.tag_v2.get(_SAMPLE_FORMAT, ()):
        raise UnsupportedPixelsError(_SIGNED)


def _refuse_unscaled(image: ImageFile.ImageFile) -> None:
    if image.mode == "F":
        raise UnsupportedPixelsError(_FLOAT)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode == "I":
        raise UnsupportedPixelsError(_SIGNED)


def _white_is_low(image: ImageFile.ImageFile, grey: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Grey values with 0 as black; TIFF may store 0 as white, which Pillow honours for 8-bit images alone."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0:
        return np.uint16(65_535) - grey
    return grey


def read_plain_tiff(encoded: bytes, check_size: SizeCheck) -> PlainPage:
    """First page of an uncompressed TIFF in a layout that Pillow cannot read, such as planar 16-bit colour.

    Compressed pages are left to Pillow, whose decoders are bounded by the declared size.

    Parameters
    ----------
    encoded : bytes
        Content of the file.
    check_size : callable
        Called with width, height, samples of a pixel and bytes of a sample before any pixel is read; raises when they
        are refused.

    Raises
    ------
    UnsupportedPixelsError
        For compressed, floating-point, signed or otherwise foreign layouts.
    """
    import tifffile

    with tifffile.TiffFile(io.BytesIO(encoded)) as tiff:
        page = tiff.pages.first
        check_size(int(page.imagewidth), int(page.imagelength), *sample_size(page))
        _check_plain(page, len(encoded))
        samples = page.asarray().reshape(_plain_shape(page))
        if int(page.planarconfig) == 2:
            samples = np.moveaxis(samples, 0, 2)
        orientation = page.tags.get(274)
        turned = int(orientation.value) if orientation is not None else 1
        return PlainPage(samples, int(page.bitspersample), turned)


def sample_size(page: Any) -> tuple[int, int]:
    """Samples of a pixel and bytes of a sample of a page of tifffile; damaged pages count as one byte."""
    return int(page.samplesperpixel), 1 if page.dtype is None else int(page.dtype.itemsize)


def _check_plain(page: Any, n_bytes: int) -> None:
    extra = [int(sample) for sample in page.extrasamples]
    if int(page.compression) == 1 and int(page.photometric) == 1 and len(extra) > 1:
        raise UnchosenChannelsError(int(page.samplesperpixel))
    check_samples(page, n_bytes)
    if extra not in ([], [2]):
        raise UnsupportedPixelsError(_LAYOUT)


def check_samples(page: Any, n_bytes: int) -> None:
    """Refuse a page of tifffile that is not uncompressed, whole and of unsigned samples of 8 or 16 bits.

    Parameters
    ----------
    page : tifffile.TiffPage
    n_bytes : int
        Size of the file.

    Raises
    ------
    UnsupportedPixelsError
    OSError
        When the file ends too early.
    """
    kind = page.dtype.kind if page.dtype is not None else ""
    if kind in ("f", "c"):
        raise UnsupportedPixelsError(_FLOAT)
    if kind == "i" or (kind == "u" and page.dtype.itemsize > 2):
        raise UnsupportedPixelsError(_SIGNED)
    photometric, extra = int(page.photometric), [int(sample) for sample in page.extrasamples]
    n_colours = {1: 1, 2: 3}.get(photometric, 0)
    known = int(page.compression) == 1 and kind == "u" and int(page.bitspersample) == 8 * page.dtype.itemsize
    if not known or int(page.samplesperpixel) != n_colours + len(extra) or page.imagedepth > 1:
        raise UnsupportedPixelsError(_LAYOUT)
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if sum(page.databytecounts) < page.nbytes or max(ends) > n_bytes:
        raise OSError("the file ends before its pixels do")


def _plain_shape(page: Any) -> tuple[int, int, int]:
    height, width, channels = int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel)
    return (channels, height, width) if int(page.planarconfig) == 2 else (height, width, channels)
