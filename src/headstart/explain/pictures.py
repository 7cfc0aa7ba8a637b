"""Pictures of explanations: the image, the map laid over it, and the scale of its colours, under a few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from headstart.data.images.samples import preview
from headstart.explain.explanation import SHARE_IN_FULL_COLOUR
from headstart.explain.figures import overlay
from headstart.explain.panels import GAP, LINE, fitted, page, sheet, write_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.explain.explanation import Explanation

Box = tuple[int, int, int, int]
SIDE: Final = 256
_BAR: Final = 14
_SCALE_WIDTH: Final = 118
_STEPS: Final = 101
_DIGITS: Final = 6


@dataclass(frozen=True, eq=False)
class ExplainedPicture:
    """An image beside its map.

    Attributes
    ----------
    page : PIL.Image.Image
    box : tuple of int
        Left, top, right and bottom of image, map and scale in it, in pixels; what lies outside are words.
    """

    page: Image.Image
    box: Box


def explained_picture(explanation: Explanation, row: int, *, limit: float, words: Sequence[str]) -> ExplainedPicture:
    """One explained image: as the network takes it, then in grey with its map over it, then the scale.

    Parameters
    ----------
    explanation : Explanation
    row : int
    limit : float
        Value of the map in full colour, the same for all maps of a class that are to be compared.
    words : sequence of str
        Lines above; the first stands out.
    """
    pixels, values = explanation.pixels[row], explanation.maps[row]
    laid_over = Image.fromarray(np.round(overlay(pixels, values, limit) * 255).astype(np.uint8))
    image, heat = fitted(preview(pixels), SIDE, SIDE), fitted(laid_over, SIDE, SIDE)
    whole = page([image, heat, _scale(image.height, speaks_for=explanation.speaks_for(row))], words)
    top = GAP + len(words) * LINE + GAP
    return ExplainedPicture(whole, (GAP, top, whole.width - GAP, whole.height - GAP))


def neighbour_strip(pictures: Sequence[Image.Image | None], words: Sequence[str], *, width: int) -> Image.Image:
    """The nearest training images in a row, each above its label; an empty tile for one that cannot be read.

    Parameters
    ----------
    pictures : sequence of (PIL.Image.Image or None)
    words : sequence of str
        One line for each.
    width : int
        Pixels that the row may take.
    """
    tile = max(1, (width - 2 * GAP) // len(pictures) - GAP)
    empty = Image.new("RGB", (tile, tile), "white")
    tiles = [empty if one is None else fitted(one, tile, tile) for one in pictures]
    return page([sheet([tiles], [list(words)], tile=tile)], ("It looks like these training images, the nearest first",))


def share_for(values: NDArray[np.float32]) -> float | None:
    """Part of a map's heat that speaks for its class, 0 to 1; None where the map is empty."""
    heat = np.abs(values.astype(np.float64)).sum()
    return round(float(values.clip(min=0).sum(dtype=np.float64) / heat), _DIGITS) if heat > 0 else None


def _scale(height: int, *, speaks_for: bool) -> Image.Image:
    """Colours from all that speaks for a class, on top, to all that speaks against it."""
    grey = np.full((_STEPS, 1, 3), 160, dtype=np.uint8)
    colours = overlay(grey, np.linspace(1, -1, _STEPS, dtype=np.float32)[:, None], 1.0)
    bar = Image.fromarray(np.round(colours * 255).astype(np.uint8)).resize((_BAR, height), Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (_SCALE_WIDTH, height), "white")
    canvas.paste(bar, (0, 0))
    left, width = _BAR + 6, _SCALE_WIDTH - _BAR - 6
    strongest = f"strongest {100 * SHARE_IN_FULL_COLOUR:.0f} %"
    write_words(canvas, (left, 0), "for" if speaks_for else "nothing", width)
    write_words(canvas, (left, LINE), strongest if speaks_for else "is for it", width, quiet=speaks_for)
    write_words(canvas, (left, height // 2 - LINE // 2), "neither", width, quiet=True)
    write_words(canvas, (left, height - LINE), "against", width)
    return canvas
