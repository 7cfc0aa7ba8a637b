"""Pictures of windows: one file a family, each found from this folder by its registration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headstart.runtime.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Imaging:
    """A way to show windows as pictures.

    Attributes
    ----------
    name, help : str
    render : callable
        From standardised windows (n, length, n_channels), float32, and the sampling period in seconds, to pictures
        (n, height, width, 3), uint8.
    rows_are_channels : bool
        Whether every channel is a band of rows of the picture, in their order, and time runs to the right.
    """

    name: str
    help: str
    render: Callable[[NDArray[np.float32], float], NDArray[np.uint8]]
    rows_are_channels: bool = False


VERSION: Final = 1
"""Changes whenever a picture changes for the same values."""
Render = Callable[["NDArray[np.float32]", float], "NDArray[np.uint8]"]

IMAGINGS: Registry[Imaging] = Registry("imaging", __name__)
"""Every way to show a window, by its name."""


def register_imaging(name: str, help: str, *, rows_are_channels: bool = False) -> Callable[[Render], Render]:
    """Decorator: make a function a way to show windows; see `Imaging`."""

    def register(render: Render) -> Render:
        IMAGINGS.add(name, Imaging(name, help, render, rows_are_channels))
        return render

    return register
