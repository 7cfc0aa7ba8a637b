"""Cells cut out of a micrograph by a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.cells.crops.recipe import CropRecipe
    from headstart.cells.micrographs.read import Micrograph
    from headstart.cells.micrographs.segmented import SegmentedMicrograph


def cut_crops(segmented: SegmentedMicrograph, recipe: CropRecipe) -> NDArray[np.uint8]:
    """Pictures of all cells of a micrograph, in the order of their labels.

    A cell stands in the middle of its picture; beyond the border of the micrograph a picture is black.

    Returns
    -------
    crops : ndarray of shape (n_cells, side, side) for one channel, else (n_cells, side, side, 3), uint8

    Raises
    ------
    InputError
        When a channel is missing, or the size of a pixel where the recipe is in micrometres.
    """
    micrograph, table = segmented.micrograph, segmented.table
    side = _pixels_across(micrograph, recipe)
    planes = _shown(micrograph, recipe)
    n_shown = planes.shape[2]
    half = side // 2
    padded = np.pad(planes, ((side, side), (side, side), (0, 0)))
    labels = np.pad(segmented.segmentation.labels, side)
    crops = np.zeros((len(table), recipe.side, recipe.side, n_shown), dtype=np.uint8)
    tops = np.rint(table.y).astype(np.int64) - half + side
    lefts = np.rint(table.x).astype(np.int64) - half + side
    for row, (top, left) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
        window = padded[top : top + side, left : left + side]
        if recipe.masked:
            window = window * (labels[top : top + side, left : left + side] == table.label[row])[..., None]
        crops[row] = window if side == recipe.side else _resized(window, recipe.side)
    return crops[..., 0] if n_shown == 1 else crops


def _pixels_across(micrograph: Micrograph, recipe: CropRecipe) -> int:
    if recipe.side_um is None:
        return recipe.side
    if micrograph.pixel_um is None:
        raise InputError(
            f"{micrograph.name} does not say how large a pixel is, and crops are {recipe.side_um:.3g} micrometres "
            "wide; give --pixel-um."
        )
    return max(2, round(recipe.side_um / micrograph.pixel_um))


def _shown(micrograph: Micrograph, recipe: CropRecipe) -> NDArray[np.uint8]:
    """Channels as they are shown, (height, width, 1 or 3); a third one is black where there are two."""
    planes = [
        _bytes(micrograph.channel(name), white) for name, white in zip(recipe.channels, recipe.white, strict=True)
    ]
    if len(planes) == 2:
        planes.append(np.zeros_like(planes[0]))
    return np.stack(planes, axis=2)


def _bytes(plane: NDArray[Any], white: float) -> NDArray[np.uint8]:
    if plane.dtype == np.uint8 and white == 255:
        return plane
    return np.asarray(np.clip(plane.astype(np.float32) * (255 / white) + 0.5, 0, 255), dtype=np.uint8)


def _resized(window: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    shown = [Image.fromarray(np.ascontiguousarray(window[..., place])) for place in range(window.shape[2])]
    return np.stack([np.asarray(one.resize((side, side), Image.Resampling.BILINEAR)) for one in shown], axis=2)
