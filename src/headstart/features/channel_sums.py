"""Sums of the channels of all images of a data set, read, computed and cached as features of a network are.

From them a normalisation by the training images is fitted in every fold without another look at an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import PIL

from headstart.data.channel_normalisation import ChannelNormalisation, channel_sums
from headstart.data.image_resize import ImageResize
from headstart.data.preparation import cache_settings
from headstart.engines.engine import Engine
from headstart.features.extract import extract_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.augment import View
    from headstart.data.dataset import ImageDataset
    from headstart.data.preparation import Preparation
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor
    from headstart.progress import Progress

VERSION: Final = 1


class ChannelSums:
    """Sums of the channels of prepared images; takes an extractor's place in `extract_features`.

    Parameters
    ----------
    preparation : Preparation
    n_threads : int
        Images read side by side; never changes a number.
    """

    label = "means of the channels"

    def __init__(self, preparation: Preparation, *, n_threads: int) -> None:
        self.preparation = preparation
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
            "decoder": f"pillow {PIL.__version__}",
        }

    def compute(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """Sums (n_images, 2 n) of prepared images (n_images, height, width, n)."""
        return channel_sums(pixels)


def channel_normalisation(
    extractor: Extractor,
    dataset: ImageDataset,
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> ChannelNormalisation:
    """Normalisation of the channels that an extractor shows its network, to be fitted on rows of a data set.

    Parameters
    ----------
    extractor : Extractor
        Its preparation is an `ImageResize`.
    dataset : ImageDataset
        Its sums are computed now, each image read once.
    cache : FeatureCache, optional
    progress : Progress, optional

    Raises
    ------
    ImageError
        The first image that cannot be read.
    """
    base, backbone = extractor.preparation, extractor.backbone
    if not isinstance(base, ImageResize):
        raise TypeError(f"channels are normalised after images are resized, not after {type(base).__name__}")
    summed = ChannelSums(base, n_threads=extractor.engine.n_threads)
    sums = extract_features(dataset, summed, cache=cache, progress=progress)
    return ChannelNormalisation(base, backbone.mean, backbone.std, sums)
