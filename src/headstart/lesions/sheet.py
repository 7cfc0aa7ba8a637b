"""A sheet of lesions before and after their clean-up, with the outline that was found."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from headstart.lesions.cleaning.clean_up import CleanUp
from headstart.lesions.masks.find import FoundLesion, find_lesion

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE: Final = 180
_GAP: Final = 6
_LINE: Final = 14
_OUTLINE: Final = (0, 255, 120)
_COLUMNS: Final = ("as it is", "lesion found", "cleaned")


def draw_sheet(pictures: Sequence[tuple[str, Image.Image]], clean_up: CleanUp) -> tuple[bytes, int]:
    """Sheet as PNG, three pictures side by side for every image, and the number of images without a lesion found.

    Parameters
    ----------
    pictures : sequence of (str, PIL.Image.Image)
        Names and pictures.
    clean_up : CleanUp
    """
    width = len(_COLUMNS) * (TILE + _GAP) + _GAP
    height = _LINE + len(pictures) * (TILE + _LINE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, words in enumerate((*_COLUMNS[:2], f"{_COLUMNS[2]}: {clean_up.name}")):
        draw.text((_GAP + place * (TILE + _GAP), 1), words, fill="black")
    n_missed = 0
    for number, (name, picture) in enumerate(pictures):
        pixels = np.asarray(picture.convert("RGB"))
        lesion = find_lesion(pixels)
        n_missed += not lesion.is_found
        top = _LINE + number * (TILE + _LINE + _GAP)
        said = f"{name}: {lesion.share:.0%} of the picture" if lesion.is_found else f"{name}: no lesion found"
        draw.text((_GAP, top), said, fill="black")
        shown = (pixels, outlined(pixels, lesion), clean_up.cleaned(pixels))
        for place, one in enumerate(shown):
            tile = Image.fromarray(one)
            tile.thumbnail((TILE, TILE))
            sheet.paste(tile, (_GAP + place * (TILE + _GAP), top + _LINE))
    found = io.BytesIO()
    sheet.save(found, "PNG")
    return found.getvalue(), n_missed


def outlined(pixels: NDArray[np.uint8], lesion: FoundLesion) -> NDArray[np.uint8]:
    """The picture with the outline of its lesion drawn in; as it is where none was found."""
    from scipy import ndimage

    if not lesion.is_found:
        return pixels
    height, width = pixels.shape[:2]
    mask = lesion.at(height, width)
    thickness = max(2, round(max(height, width) / 150))
    edge = mask & ~ndimage.binary_erosion(mask, iterations=thickness)
    found = pixels.copy()
    found[edge] = _OUTLINE
    return found
