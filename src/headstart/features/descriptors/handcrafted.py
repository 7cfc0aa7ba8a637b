"""Extractors of the handcrafted blocks by their names."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.backbones.feature_block import LESION, FeatureBlock
from headstart.data.images.samples import on_scale
from headstart.engines.engine import Engine
from headstart.errors import InputError
from headstart.features.descriptors.descriptors import descriptor_names
from headstart.features.descriptors.extractor import DescriptorExtractor
from headstart.lesions.masks import find, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.augment import View
    from headstart.data import Preparation


def handcrafted_extractor(
    block: FeatureBlock, preparation: Preparation, *, n_threads: int
) -> DescriptorExtractor | LesionExtractor:
    """What computes a handcrafted block from prepared pixels.

    Raises
    ------
    InputError
        When the pixels do not suit it.
    """
    kind = LesionExtractor if block == LESION else DescriptorExtractor
    return kind(preparation, n_threads=n_threads)


def handcrafted_names(block: FeatureBlock) -> list[str]:
    """Names of the numbers of a handcrafted block."""
    return measure.measure_names() if block == LESION else descriptor_names()


class LesionExtractor:
    """Turns the pixels that the network sees into numbers of the lesion in them.

    Shapes are measured as they lie in the pixels: ``resize="pad"`` keeps their proportions, a crop loses their size.

    Parameters
    ----------
    preparation : Preparation
    n_threads : int
        Images measured side by side; never changes a number.

    Raises
    ------
    InputError
        When the pixels are no colour pictures.
    """

    label = "lesion"

    def __init__(self, preparation: Preparation, *, n_threads: int) -> None:
        if preparation.n_channels != 3:
            raise InputError(
                f"Features lesion are measured in colour pictures of skin; these have {preparation.n_channels} "
                "channels. Leave --channels out, or lesion."
            )
        self.preparation = preparation
        self.engine = Engine(n_threads=n_threads, batch_size=8, n_streams=n_threads)
        self.view: View | None = None

    @property
    def n_streams(self) -> int:
        """Batches measured side by side."""
        return self.engine.n_streams

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(n_measures,)."""
        return (len(measure.measure_names()),)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its numbers, for the cache key."""
        return {
            "backbone": "none (handcrafted)",
            "stage": f"lesion {measure.VERSION}, mask {find.VERSION}",
            "preparation": self.preparation.settings(),
            "view": "identity",
            "engine": {"name": "scipy", "precision": "fp64"},
            "scipy": importlib.metadata.version("scipy"),
            "scikit-image": importlib.metadata.version("scikit-image"),
        }

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Numbers (n_images, n_measures) of prepared images (n_images, height, width, 3)."""
        shown = on_scale(pixels, np.dtype(np.uint8))
        return np.stack([measure.measure_lesion(image) for image in shown])
