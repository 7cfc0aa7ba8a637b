"""From samples to pictures: 8-bit RGB for the eye, and all channels for the network where these are others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.data.images.bit_depth import UnsupportedPixelsError, scale_to_8_bit
from headstart.data.images.orientation import Box
from headstart.data.images.samples import Samples, preview
from headstart.data.images.strips import row_strips

MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's name of the colour mode for each number of channels, alpha last."""
_ALPHA_WHITE: Final = 65_535
_TRANSPARENT: Final = ("LA", "PA", "RGBA", "RGBa", "La")


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
    samples : ndarray of shape (height, width, n_channels), uint8 or float32, or None
        All channels from 0, black, to 255, white, where they are not three of 8 bits; `image` then shows them.
    damage : str or None
        Reason why a part of the picture is missing, where that was accepted.
    """

    image: Image.Image
    header: Header
    peak: int | None
    box: Box | None = None
    samples: NDArray[Any] | None = None
    damage: str | None = None


def mode_name(n_channels: int, bits: int) -> str:
    """Name of a colour mode, Pillow's where it has one; deeper samples are marked.

    >>> mode_name(3, 16), mode_name(5, 8), mode_name(1, 32)
    ('RGB;16', '5 channels', 'L;32F')
    """
    depth = {16: ";16", 32: ";32F", 64: ";64F"}.get(bits, "")
    return MODES.get(n_channels, f"{n_channels} channels") + depth


def byte_samples(image: Image.Image) -> NDArray[np.uint8]:
    """Samples (height, width, channels) of a loaded 8-bit image; palettes and print colours become RGB."""
    modes = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "RGBX": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}
    modes["P"] = "RGBA" if "transparency" in image.info else "RGB"
    if image.mode not in (*modes, *MODES.values()):
        raise UnsupportedPixelsError(f"colour mode {image.mode} is not supported; save it as RGB or grey")
    mode = modes.get(image.mode, image.mode)
    n_channels = Image.getmodebands(mode)
    values = np.empty((image.height, image.width, n_channels), np.uint8)
    for rows, box in row_strips(image.size):
        values[rows] = np.asarray(image.crop(box).convert(mode)).reshape(-1, image.width, n_channels)
    return values


def opaque(image: Image.Image, keep_grey: bool = False) -> Image.Image:
    """8-bit RGB (or grey) without transparency: what shines through is white, as on paper."""
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        made = Image.new("RGB", image.size, "white")
        for _, box in row_strips(image.size):
            clear = image.crop(box).convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
            made.paste(clear.convert("RGB"), box, clear)
        return made
    if image.mode == "RGB" or (keep_grey and image.mode == "L"):
        return image  # converting would copy it, which for a photograph takes as long as decoding
    if image.mode in ("1", "L", "P", "RGBX", "CMYK", "YCbCr"):
        return image.convert("RGB")
    raise UnsupportedPixelsError(f"colour mode {image.mode} is not supported; save it as RGB or grey")


def array_strips(samples: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Samples of shape (height, width, channels) in strips of rows."""
    height, width, _ = samples.shape
    for rows, _ in row_strips((width, height)):
        yield samples[rows]


def deep_picture(
    strips: Iterable[NDArray[Any]], size: tuple[int, int], white_level: int, keep_grey: bool = False
) -> tuple[Image.Image, int | None]:
    """Picture and 16-bit peak from samples in strips of shape (rows, width, 1 to 4 channels), uint8 or uint16.

    Parameters
    ----------
    strips : iterable of ndarray
        From the first row to the last.
    size : (int, int)
        Width and height of all of them together.
    white_level, keep_grey
        As for `headstart.data.images.decode.decode_details`.
    """
    whole: Image.Image | None = None
    peak, top = None, 0
    for samples in strips:
        strip = _deep_strip(samples, white_level, keep_grey)
        if samples.dtype == np.uint16:
            colours = samples[..., : _n_colours(samples.shape[2])]
            peak = max(peak or 0, int(colours.max()))
        if strip.size == size:
            return strip, peak
        whole = whole or Image.new(strip.mode, size)
        whole.paste(strip, (0, top))
        top += len(samples)
    assert whole is not None  # there is a row
    return whole, peak


def _n_colours(n_channels: int) -> int:
    return n_channels - (n_channels in (2, 4))


def _deep_strip(samples: NDArray[Any], white_level: int, keep_grey: bool) -> Image.Image:
    n_colours = _n_colours(samples.shape[2])
    if samples.dtype == np.uint16:
        colours = scale_to_8_bit(samples[..., :n_colours], white_level)
        has_alpha = n_colours < samples.shape[2]
        alpha = scale_to_8_bit(samples[..., n_colours:], _ALPHA_WHITE) if has_alpha else None
        samples = colours if alpha is None else np.concatenate([colours, alpha], axis=2)
    if keep_grey and samples.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(samples[..., 0]))
    if n_colours == 1:
        samples = np.concatenate([np.repeat(samples[..., :1], 3, axis=2), samples[..., 1:]], axis=2)
    return opaque(Image.fromarray(np.ascontiguousarray(samples)))


def picture_of(samples: Samples, header: Header, white_level: int, name: str) -> Decoded:
    """Decoded image of samples whose channels are the network's.

    Raises
    ------
    ImageError
        See `Samples.on_byte_scale`.
    """
    peak = int(samples.values.max()) if samples.values.dtype == np.uint16 else None
    values = samples.on_byte_scale(white_level, name)
    image = preview(values)
    is_picture = values.dtype == np.uint8 and values.shape[2] == 3
    return Decoded(image, header, peak, samples=None if is_picture else values)
