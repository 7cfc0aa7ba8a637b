"""Pictures laid out beside one another with a few words: quick to draw, and the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

INK: Final = (31, 41, 51)
GREY: Final = (107, 119, 133)
WHITE: Final = (255, 255, 255)
TEXT_PIXELS: Final = 13
GAP: Final = 8
LINE: Final = TEXT_PIXELS + 5


@cache
def font(pixels: int = TEXT_PIXELS) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), pixels)


@cache
def _table(name: str) -> NDArray[np.uint8]:
    """256 colours of one of matplotlib's scales."""
    from matplotlib import colormaps

    return np.round(colormaps[name](np.arange(256))[:, :3] * 255).astype(np.uint8)


def coloured(values: NDArray[Any], low: float, high: float, *, scale: str = "viridis") -> Image.Image:
    """A map in the colours of a scale of matplotlib, one pixel for each value.

    Parameters
    ----------
    values : ndarray of shape (height, width)
    low, high : float
        Values at the ends of the scale; where they are equal everything has the colour of the lower end.
    scale : str
    """
    span = high - low
    shares = np.clip((values - low) / span, 0, 1) if span > 0 else np.zeros_like(values)
    return Image.fromarray(_table(scale)[np.round(shares * 255).astype(np.int64)])


def fitted(picture: Image.Image, width: int, height: int, *, smooth: bool = True) -> Image.Image:
    """The picture as large as the box lets it be, its proportions kept."""
    share = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST)


def words_that_fit(text: str, width: int, pixels: int = TEXT_PIXELS) -> str:
    """The text on one line, cut in its middle where it is wider than so many pixels.

    >>> shown = words_that_fit("a name that is far too long for its tile", 120)
    >>> shown.startswith("a name"), "…" in shown, shown.endswith("tile")
    (True, True, True)
    """
    flat = " ".join(text.split())
    shown = flat
    for n_kept in range(len(flat) - 1, 1, -1):
        if font(pixels).getlength(shown) <= width:
            break
        shown = f"{flat[: (n_kept - 1) // 2]}…{flat[len(flat) - n_kept // 2 :]}"
    return shown


def write_words(canvas: Image.Image, place: tuple[int, int], text: str, width: int, *, quiet: bool = False) -> None:
    """Write one line at its upper left corner, cut to its width."""
    ImageDraw.Draw(canvas).text(place, words_that_fit(text, width), fill=GREY if quiet else INK, font=font())


def words_as_tile(lines: Sequence[str], *, width: int, height: int) -> Image.Image:
    """A tile of words alone, the first line the darker."""
    canvas = Image.new("RGB", (width, height), WHITE)
    for number, words in enumerate(lines):
        write_words(canvas, (0, number * LINE), words, width, quiet=number > 0)
    return canvas


def sheet(rows: Sequence[Sequence[Image.Image]], captions: Sequence[Sequence[str]], *, tile: int) -> Image.Image:
    """Tiles in rows, each with a line of words below it.

    Parameters
    ----------
    rows : sequence of sequence of PIL.Image.Image
        Each at most `tile` pixels wide and high.
    captions : sequence of sequence of str
        One for each tile; empty for none.
    tile : int
        Side of the box of a tile in pixels.
    """
    pairs = list(zip(rows, captions, strict=True))
    heights = [max(one.height for one in row) + (LINE if any(texts) else 0) + GAP for row, texts in pairs]
    width = max(len(row) for row in rows) * (tile + GAP) - GAP
    canvas, top = Image.new("RGB", (width, sum(heights)), WHITE), 0
    for (row, texts), height in zip(pairs, heights, strict=True):
        for column, (picture, words) in enumerate(zip(row, texts, strict=True)):
            left = column * (tile + GAP)
            canvas.paste(picture, (left + (tile - picture.width) // 2, top))
            write_words(canvas, (left, top + height - LINE - GAP + 2), words, tile, quiet=True)
        top += height
    return canvas


def page(parts: Sequence[Image.Image], words: Sequence[str]) -> Image.Image:
    """Pictures side by side below some lines of words, of which the first stands out."""
    top = GAP + len(words) * LINE + GAP
    width = GAP + sum(part.width + GAP for part in parts)
    canvas = Image.new("RGB", (width, top + max(part.height for part in parts) + GAP), WHITE)
    for number, text in enumerate(words):
        write_words(canvas, (GAP, GAP + number * LINE), text, width - 2 * GAP, quiet=number > 0)
    left = GAP
    for part in parts:
        canvas.paste(part, (left, top))
        left += part.width + GAP
    return canvas


def stacked(parts: Sequence[Image.Image]) -> Image.Image:
    """Pictures below one another, flush left."""
    canvas = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), WHITE)
    top = 0
    for part in parts:
        canvas.paste(part, (0, top))
        top += part.height
    return canvas


def png(picture: Image.Image) -> bytes:
    """The picture as PNG, without metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
