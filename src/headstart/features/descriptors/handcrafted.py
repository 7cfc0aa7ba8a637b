"""Extractors of the handcrafted blocks by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.backbones.feature_block import LESION, FeatureBlock
from headstart.data.images.samples import on_scale
from headstart.errors import InputError
from headstart.features.descriptors.descriptors import descriptor_names
from headstart.features.descriptors.extractor import DescriptorExtractor, HandcraftedExtractor
from headstart.lesions.masks import find, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import Preparation


def handcrafted_extractor(block: FeatureBlock, preparation: Preparation, *, n_threads: int) -> HandcraftedExtractor:
    """What computes a handcrafted block from prepared pixels.

    Raises
    ------
    InputError
        When the pixels do not suit it.
    """
    kind = LesionExtractor if block == LESION else DescriptorExtractor
    return kind(preparation, n_threads=n_threads)


def handcrafted_version(block: FeatureBlock) -> str:
    """What is measured for a handcrafted block, and by which version of it."""
    return LesionExtractor.stage if block == LESION else DescriptorExtractor.stage


def handcrafted_names(block: FeatureBlock) -> list[str]:
    """Names of the numbers of a handcrafted block."""
    return measure.measure_names() if block == LESION else descriptor_names()


class LesionExtractor(HandcraftedExtractor):
    """Numbers of the lesion in images.

    Shapes are measured as they lie in the pixels: ``resize="pad"`` keeps their proportions, a crop loses their size.
    For the parameters see `HandcraftedExtractor`.

    Raises
    ------
    InputError
        When the pixels are no colour pictures.
    """

    label = "lesion"
    stage = f"lesion {measure.VERSION}, mask {find.VERSION}"
    packages = ("scipy", "scikit-image")

    def __init__(self, preparation: Preparation, *, n_threads: int) -> None:
        if preparation.n_channels != 3:
            raise InputError(
                f"Features lesion are measured in colour pictures of skin; these have {preparation.n_channels} "
                "channels. Leave --channels out, or lesion."
            )
        super().__init__(preparation, n_threads=n_threads)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(n_measures,)."""
        return (len(measure.measure_names()),)

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Numbers (n_images, n_measures) of prepared images (n_images, height, width, 3)."""
        shown = on_scale(pixels, np.dtype(np.uint8))
        return np.stack([measure.measure_lesion(image) for image in shown])
