"""Maps of a stage brought to the grid of the network's input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from headstart.backbones.stage_outputs import patches
from headstart.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def on_input_grid(maps: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Maps (n, h, w) interpolated between the middles of their cells to (n, *size), bilinearly."""
    given = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float64))[:, None]
    found = nn.functional.interpolate(given, size=size, mode="bilinear", align_corners=False)
    return np.asarray(found[:, 0].numpy(), dtype=np.float32)


def as_maps(output: torch.Tensor, network: Any, size: tuple[int, int]) -> torch.Tensor:
    """Output of a stage as (n, channels, h, w), patches of a transformer laid out as they lie in the image.

    Parameters
    ----------
    output : Tensor
    network : torch.nn.Module
        Says how the output is laid out.
    size : (int, int)
        Height and width of the network's input.

    Raises
    ------
    InputError
        For flat rows, and for tokens that make no grid.
    """
    if output.ndim < 3:
        raise InputError("The stage gives one row of numbers an image, not a map. Choose an earlier stage.")
    places = patches(output, network)
    if places.ndim == 4:
        return places
    n_rows = max(round(math.sqrt(places.shape[2] * size[0] / size[1])), 1)
    if places.shape[2] % n_rows:
        raise InputError(f"The stage gives {places.shape[2]} tokens an image, which make no grid. Choose another one.")
    return places.reshape(*places.shape[:2], n_rows, -1)
