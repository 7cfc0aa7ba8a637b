"""`Stack`: channels of a file, each with its planes in depth, from an array whose axes are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.errors import ImageError

MICROMETRES: Final = {
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "\\u00B5m": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
}
"""Micrometres in the units that files name."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Channels of a file, each of shape (depth, height, width).

    Attributes
    ----------
    channels : dict of str to ndarray
    pixel_um : float or None
        Side of a pixel in micrometres.
    """

    channels: dict[str, NDArray[Any]]
    pixel_um: float | None = None


def by_channel(values: NDArray[Any], axes: str, names: Sequence[str], name: str) -> dict[str, NDArray[Any]]:
    """Channels of an array whose axes tifffile names; unnamed pages count as planes in depth."""
    known = {"Y": "Y", "X": "X", "C": "C", "S": "C", "Z": "Z", "I": "Z", "Q": "Z"}
    for place in reversed(range(values.ndim)):
        if axes[place] in known:
            continue
        if values.shape[place] > 1:
            raise ImageError(name, f"a series of {values.shape[place]} moments or views; save one of them as a file")
        values, axes = values.take(0, axis=place), axes[:place] + axes[place + 1 :]
    roles = [known[axis] for axis in axes]
    channel_axes = [place for place, role in enumerate(roles) if role == "C"]
    depth_axes = [place for place, role in enumerate(roles) if role == "Z"]
    order = [*channel_axes, *depth_axes, roles.index("Y"), roles.index("X")]
    height, width = values.shape[roles.index("Y")], values.shape[roles.index("X")]
    n_channels = int(np.prod([values.shape[place] for place in channel_axes], dtype=int))
    stack = values.transpose(order).reshape(n_channels, -1, height, width)
    usable = len(names) == n_channels == len(set(names))
    return dict(zip(names if usable else _numbered(n_channels), stack, strict=True))


def _numbered(n_channels: int) -> list[str]:
    return [str(number + 1) for number in range(n_channels)]


def positive(side: float) -> float | None:
    """A side of a pixel, or None where it is none."""
    return side if np.isfinite(side) and side > 0 else None
