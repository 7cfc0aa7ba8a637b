"""Figures of explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from headstart.data.images.samples import preview

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COLOURS = "PuOr_r"
"""Orange speaks for a class, violet against it: told apart with any colour vision."""
_STRONGEST = 0.85  # opacity of a full colour: the image stays to be seen
_INCHES = 3.2


def overlay(pixels: NDArray[Any], values: NDArray[np.float32], limit: float) -> NDArray[np.float64]:
    """Image (height, width, 3), 0..1, with a map laid over it; where the map is 0 the image shows as it is, in grey.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, channels)
    values : ndarray of shape (height, width)
    limit : float
        Value in full colour; larger ones look the same.
    """
    grey = np.asarray(preview(pixels).convert("L"), dtype=np.float64)[..., None] / 255
    relative = np.clip(values / limit, -1.0, 1.0) if limit > 0 else np.zeros(values.shape)
    colours = colormaps[COLOURS](0.5 + relative / 2)[..., :3]
    opacity = _STRONGEST * np.abs(relative)[..., None]
    return np.asarray((1 - opacity) * grey + opacity * colours)


def map_figure(pixels: NDArray[Any], values: NDArray[np.float32], limit: float, titles: tuple[str, str]) -> Figure:
    """An image beside its map, each under its title; arguments as for `overlay`."""
    figure = Figure(figsize=(2 * _INCHES + 0.9, _INCHES + 0.8), layout="constrained")
    image, overlaid = figure.subplots(1, 2)
    image.imshow(np.asarray(preview(pixels)))
    draw_map(overlaid, pixels, values, limit)
    scale = ScalarMappable(Normalize(-(limit or 1.0), limit or 1.0), colormaps[COLOURS])
    bar = figure.colorbar(scale, ax=overlaid, shrink=0.8)
    bar.set_label("share of the score per unit of area", fontsize=8)
    for axes, title in zip((image, overlaid), titles, strict=True):
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure


def draw_map(axes: Axes, pixels: NDArray[Any], values: NDArray[np.float32], limit: float) -> None:
    """A map laid over its image; arguments as for `overlay`."""
    axes.imshow(overlay(pixels, values, limit), interpolation="nearest")
