"""Micrographs with a frame around every cell, in the colour of its class."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from headstart.errors import InputError, unknown_name

Colour = tuple[int, int, int]

PALETTES: Final[Mapping[str, tuple[Colour, Colour]]] = {
    "blue-red": ((70, 130, 255), (255, 50, 50)),
    "colour-blind": ((86, 180, 233), (240, 170, 0)),
}
"""Colours of the other classes and of the class that is counted: blue and red as in the paper, and sky blue and orange
of Okabe and Ito, "Color Universal Design" (2008), told apart with every kind of colour vision."""

_DARK: Final = (17, 20, 24)
_LIGHT: Final = (235, 238, 242)
_LEAST_SIDE: Final = 900
"""Smaller pictures are enlarged by a whole number, so that frames are thin beside the cells and letters can be read."""
_MAX_ENLARGED: Final = 4
_WIDTH_OF: Final = 1200
"""A line is one pixel wide for so many pixels of the picture's longer side."""
_LEVELS: Final = (0.2, 99.8)
"""Per cent of the pixels shown as black and as white."""


def palette(name: str) -> tuple[Colour, Colour]:
    """Colours of the other classes and of the class that is counted.

    Raises
    ------
    InputError
        For an unknown palette.
    """
    if name not in PALETTES:
        raise InputError(unknown_name("palette", name, PALETTES))
    return PALETTES[name]


def display(planes: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Picture to look at: each channel stretched from its dark to its bright pixels.

    Parameters
    ----------
    planes : sequence of ndarray of shape (height, width)
        One is shown grey; of several the first three as red, green and blue.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
    """
    shown = [_stretched(plane) for plane in planes[:3]]
    if len(shown) == 1:
        return np.repeat(shown[0][:, :, None], 3, axis=2)
    blank = np.zeros_like(shown[0])
    return np.stack([*shown, *[blank] * (3 - len(shown))], axis=2)


def framed(
    picture: NDArray[np.uint8],
    boxes: NDArray[np.int64],
    counted: Sequence[bool],
    *,
    colours: tuple[Colour, Colour] = PALETTES["blue-red"],
    legend: Sequence[str] = (),
) -> bytes:
    """PNG of a micrograph with a frame around every cell and a line of words below.

    Frames lie outside of the cells and cover none of their pixels, as far as the picture and the neighbours allow;
    those of the counted class are drawn last.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8
    boxes : ndarray of shape (n_cells, 4), int
        First row, first column, last row + 1 and last column + 1.
    counted : sequence of bool
        Whether a cell is of the class that is counted.
    colours : pair of (int, int, int)
        Of cells of other classes, and of the class that is counted.
    legend : sequence of str
        Words on the other classes, on the counted class, and what else is to be said; none: no line.
    """
    if len(counted) != len(boxes):
        raise InputError(f"There are {len(counted):,} classes for {len(boxes):,} frames; expected one for each.")
    enlarged = int(np.clip(round(_LEAST_SIDE / max(picture.shape[:2])), 1, _MAX_ENLARGED))
    canvas = Image.fromarray(np.repeat(np.repeat(picture, enlarged, axis=0), enlarged, axis=1))
    width = max(2, round(max(canvas.size) / _WIDTH_OF))
    draw = ImageDraw.Draw(canvas)
    for row in np.argsort(np.asarray(counted, dtype=bool), kind="stable").tolist():
        top, left, bottom, right = (int(side) * enlarged for side in boxes[row])
        outside = (left - width, top - width, right + width - 1, bottom + width - 1)
        draw.rectangle(_within(outside, canvas.size), outline=colours[bool(counted[row])], width=width)
    if legend:
        canvas = _with_legend(canvas, legend, colours)
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _stretched(plane: NDArray[Any]) -> NDArray[np.uint8]:
    values = plane.astype(np.float32)
    low, high = (float(level) for level in np.percentile(values, _LEVELS)) if values.size else (0.0, 0.0)
    if high <= low:  # of an even picture, or one with few bright pixels
        low, high = float(values.min(initial=low)), float(values.max(initial=high))
    shares = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.asarray(np.round(255 * shares), dtype=np.uint8)


def _within(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return max(0, left), max(0, top), min(size[0] - 1, right), min(size[1] - 1, bottom)


def _with_legend(picture: Image.Image, legend: Sequence[str], colours: tuple[Colour, Colour]) -> Image.Image:
    """The picture with words below it, so that they cover no cell."""
    size = max(13, round(max(picture.size) / 55))
    font = ImageFont.truetype(str(_font()), size)
    entries = [(text, colours[place] if place < len(colours) else None) for place, text in enumerate(legend)]
    lines = _lines(entries, font, size, picture.width)
    height = round(1.7 * size)
    page = Image.new("RGB", (picture.width, picture.height + height * len(lines) + size // 2), _DARK)
    page.paste(picture)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        x, y = size // 2, picture.height + size // 2 + number * height
        for text, colour in line:
            if colour is not None:
                draw.rectangle((x, y, x + size, y + size), outline=colour, width=max(2, size // 6))
                x += round(1.6 * size)
            draw.text((x, y + size // 2), text, fill=_LIGHT, font=font, anchor="lm")
            x += round(font.getlength(text) + 1.5 * size)
    return page


def _lines(
    entries: Sequence[tuple[str, Colour | None]], font: ImageFont.FreeTypeFont, size: int, width: int
) -> list[list[tuple[str, Colour | None]]]:
    """Entries of the legend in lines that fit the width."""
    lines: list[list[tuple[str, Colour | None]]] = [[]]
    used = 0.0
    for text, colour in entries:
        needed = font.getlength(text) + size * (3.1 if colour is not None else 1.5)
        if lines[-1] and used + needed > width:
            lines.append([])
            used = 0.0
        lines[-1].append((text, colour))
        used += needed
    return lines


def _font() -> Path:
    """The sans serif that comes with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
