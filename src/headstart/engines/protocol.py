"""Protocol of the runners: batches of pixels in, rows of features out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Runner(Protocol):
    """The frozen part of a backbone, made ready for one engine and one input size."""

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Rows of at most one batch of pixels of shape (n_images, height, width, 3), uint8 or float32.

        Both are on the scale 0..255; floats may leave that range, and those that equal bytes give the same rows.

        May be called from several threads at once; as many calls as the engine has streams run side by side. A row
        does not depend on the other images of the call, nor on the stream that computed it.
        """
        ...


def fill_up(pixels: NDArray[Any], batch_size: int) -> NDArray[Any]:
    """A batch of exactly `batch_size` images, the last of them blank, so that every image meets the same shapes."""
    missing = batch_size - len(pixels)
    if missing == 0:
        return np.ascontiguousarray(pixels)
    return np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), dtype=pixels.dtype)])
