"""Descriptors of all images of a data set, read, computed and cached as features of a network are."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import PIL

from headstart.data.images.samples import on_scale
from headstart.engines.engine import Engine
from headstart.features.descriptors.descriptors import SIDE, VERSION, describe, descriptor_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.augment import View
    from headstart.data import Preparation

SECONDS_PER_IMAGE: Final = 0.015
"""Seconds that one thread takes for the descriptors of an image, on one core of 2023."""


class DescriptorExtractor:
    """Turns the pixels that the network sees into descriptors; takes an extractor's place in `extract_features`.

    Parameters
    ----------
    preparation : Preparation
        Preparation of the run, so that baselines and network look at the same pixels. Channels that are not three are
        described three at a time, as red, green and blue, the last ones beside black.
    n_threads : int
        Images described side by side; never changes a number.
    """

    label = "descriptors"

    def __init__(self, preparation: Preparation, *, n_threads: int) -> None:
        self.preparation = preparation
        self._n_pictures = -(-preparation.n_channels // 3)
        self.engine = Engine(n_threads=n_threads, batch_size=8, n_streams=n_threads)
        self.view: View | None = None

    @property
    def n_streams(self) -> int:
        """Batches described side by side."""
        return self.engine.n_streams

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(n_descriptors,), of every three channels one after another."""
        return (self._n_pictures * len(descriptor_names()),)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its descriptors, for the cache key."""
        return {
            "backbone": "none (handcrafted)",
            "stage": f"descriptors {VERSION} at {SIDE} px",
            "preparation": self.preparation.settings(),
            "view": "identity",
            "engine": {"name": "scikit-image", "precision": "fp64"},
            "decoder": f"pillow {PIL.__version__}",
            "scikit-image": importlib.metadata.version("scikit-image"),
        }

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Descriptors (n_images, n_descriptors) of prepared images (n_images, height, width, channels)."""
        shown = on_scale(pixels, np.dtype(np.uint8))
        missing = 3 * self._n_pictures - shown.shape[3]
        whole = np.pad(shown, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else shown
        pictures = np.split(whole, self._n_pictures, axis=3)
        return np.concatenate([np.stack([describe(image) for image in part]) for part in pictures], axis=1)
