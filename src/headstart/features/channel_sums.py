"""Sums of the channels of all images of a data set, read, computed and cached as features of a network are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.data.channel_normalisation import channel_sums
from headstart.data.preparation import cache_settings
from headstart.engines.engine import Engine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.augment import View
    from headstart.data.image_resize import ImageResize
    from headstart.data.preparation import Preparation

VERSION: Final = 1


class ChannelSums:
    """Sums of the channels of prepared images; takes an extractor's place in `extract_features`.

    With them a normalisation by the training images is fitted in every fold without another look at an image.

    Parameters
    ----------
    preparation : ImageResize
    n_threads : int
        Images read side by side; never changes a number.
    """

    label = "means of the channels"

    def __init__(self, preparation: ImageResize, *, n_threads: int) -> None:
        self.preparation: Preparation = preparation
        self._n_sums = 2 * preparation.n_channels
        self.engine = Engine(n_threads=n_threads, batch_size=8)
        self.view: View | None = None

    @property
    def n_streams(self) -> int:
        """Batches summed side by side."""
        return self.engine.n_streams

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(2 * n_channels,)."""
        return (self._n_sums,)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64, in which sums of bytes are exact."""
        return np.dtype(np.float64)

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its sums, for the cache key."""
        return {
            "backbone": "none (sums of the channels)",
            "stage": f"sums {VERSION}",
            "preparation": cache_settings(self.preparation),
            "view": "identity",
            "engine": {"name": "numpy", "precision": "fp64"},
        }

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """Sums (n_images, 2 n) of prepared images (n_images, height, width, n)."""
        return channel_sums(pixels)
