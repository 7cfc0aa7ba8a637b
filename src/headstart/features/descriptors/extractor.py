"""Numbers measured in images, read, computed and cached as features of a network are."""

from __future__ import annotations

import importlib.metadata
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import PIL

from headstart.data.images.samples import on_scale
from headstart.engines.engine import Engine
from headstart.features.descriptors.descriptors import SIDE, VERSION, describe, descriptor_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.augment import View
    from headstart.data import Preparation


class HandcraftedExtractor(ABC):
    """Turns the pixels that the network sees into numbers; takes an extractor's place in `extract_features`.

    Parameters
    ----------
    preparation : Preparation
        Preparation of the run, so that baselines and network look at the same pixels.
    n_threads : int
        Images measured side by side; never changes a number.

    Attributes
    ----------
    label : str
    stage : str
        What is measured and by which version of it, for the cache key.
    packages : tuple of str
        Libraries that compute the numbers, the one named as engine first.
    precision : str
        Of the numbers that are measured pixel by pixel.
    """

    label: ClassVar[str]
    stage: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    precision: ClassVar[str] = "fp64"

    def __init__(self, preparation: Preparation, *, n_threads: int) -> None:
        self.preparation = preparation
        self.engine = Engine(n_threads=n_threads, batch_size=8, n_streams=n_threads)
        self.view: View | None = None

    @property
    def n_streams(self) -> int:
        """Batches measured side by side."""
        return self.engine.n_streams

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    @property
    @abstractmethod
    def row_shape(self) -> tuple[int, ...]:
        """Shape of the numbers of an image."""

    @abstractmethod
    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Numbers (n_images, *row_shape) of prepared images (n_images, height, width, channels)."""

    def seconds_per_image(self) -> float:
        """Seconds that an image takes with all threads at work, from a trial on noise (the first batch not counted)."""
        shape = (self.engine.batch_size, *self.preparation.size, self.preparation.n_channels)
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(self.preparation.dtype)
        self.compute(pixels[:1])
        n_trials = 2 * self.n_streams
        with ThreadPoolExecutor(self.n_streams) as streams:
            start = time.perf_counter()
            list(streams.map(self.compute, [pixels] * n_trials))
            return (time.perf_counter() - start) / (n_trials * len(pixels))

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its numbers, for the cache key."""
        return {
            "backbone": "none (handcrafted)",
            "stage": self.stage,
            "preparation": self.preparation.settings(),
            "view": "identity",
            "engine": {"name": self.packages[0], "precision": self.precision},
            "decoder": f"pillow {PIL.__version__}",
            **{package: importlib.metadata.version(package) for package in self.packages},
        }


class DescriptorExtractor(HandcraftedExtractor):
    """Descriptors of images.

    Channels that are not three are described three at a time, as red, green and blue, the last ones beside black. For
    the parameters see `HandcraftedExtractor`.
    """

    label = "descriptors"
    stage = f"descriptors {VERSION} at {SIDE} px"
    packages = ("numpy",)
    precision = "fp32"

    def __init__(self, preparation: Preparation, *, n_threads: int) -> None:
        super().__init__(preparation, n_threads=n_threads)
        self._n_pictures = -(-preparation.n_channels // 3)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(n_descriptors,), of every three channels one after another."""
        return (self._n_pictures * len(descriptor_names()),)

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Descriptors (n_images, n_descriptors) of prepared images (n_images, height, width, channels)."""
        shown = on_scale(pixels, np.dtype(np.uint8))
        missing = 3 * self._n_pictures - shown.shape[3]
        whole = np.pad(shown, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else shown
        pictures = np.split(whole, self._n_pictures, axis=3)
        return np.concatenate([describe(part) for part in pictures], axis=1)
