"""Inputs of training: stage maps on disk, stage maps computed anew, or prepared pixels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from headstart.augment import View
from headstart.data.images.free_memory import PILLOW_BLOCKS
from headstart.errors import StorageError
from headstart.features.cache import FeatureCache
from headstart.features.extract import with_content_hashes
from headstart.features.pipeline import prepared_views
from headstart.features.stage_maps import extract_maps
from headstart.progress import Progress, Silent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headstart.data.dataset import ImageDataset
    from headstart.features.extractor import Extractor


class Maps(Protocol):
    """Input of the unlocked stages, for every image and view."""

    @property
    def n_views(self) -> int:
        """Views of every image."""
        ...

    def take(self, rows: ArrayLike, views: int | ArrayLike) -> NDArray[Any]:
        """One view of each of some images, of shape (n, *row_shape)."""
        ...


class PreparedPixels:
    """Normalised images (3, height, width), decoded anew each time: the input where every stage is unlocked.

    Parameters
    ----------
    dataset : ImageDataset
    extractor : Extractor
        Says how images are prepared and normalised.
    views : sequence of View
    """

    def __init__(self, dataset: ImageDataset, extractor: Extractor, views: Sequence[View]) -> None:
        self._dataset = with_content_hashes(dataset)
        self._extractor = extractor
        self._views = tuple(views)

    @property
    def n_views(self) -> int:
        """Views of every image."""
        return len(self._views)

    def pixels(self, rows: ArrayLike, views: int | ArrayLike) -> NDArray[np.uint8]:
        """Prepared pixels of one view of each of some images, of shape (n, height, width, 3).

        Raises
        ------
        ImageError
            The first image that cannot be read.
        """
        rows = np.asarray(rows)
        chosen = np.broadcast_to(views, rows.shape)

        def one(place: int) -> NDArray[np.uint8]:
            view = self._views[int(chosen[place])]
            return prepared_views(self._dataset, int(rows[place]), self._extractor.preparation, (view,))[0]

        with PILLOW_BLOCKS, ThreadPoolExecutor(self._extractor.engine.n_threads) as readers:
            return np.stack(list(readers.map(one, range(len(rows)))))

    def take(self, rows: ArrayLike, views: int | ArrayLike) -> NDArray[np.float32]:
        """Normalised images, float32."""
        pixels = self.pixels(rows, views)
        return self._extractor.backbone.normalise(pixels, torch.device("cpu")).numpy()


class RecomputedMaps(PreparedPixels):
    """Stage maps computed anew each time they are asked for: slower, and the same numbers as from the disk.

    Parameters
    ----------
    dataset : ImageDataset
    extractor : Extractor
        Made with the stage.
    views : sequence of View
    """

    def take(self, rows: ArrayLike, views: int | ArrayLike) -> NDArray[Any]:
        """Stage maps, float16."""
        pixels = self.pixels(rows, views)
        size = self._extractor.engine.batch_size
        parts = [self._extractor.compute(pixels[start : start + size]) for start in range(0, len(pixels), size)]
        return np.concatenate(parts)


def open_maps(
    dataset: ImageDataset,
    extractor: Extractor,
    views: Sequence[View],
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> Maps:
    """The input of the unlocked stages: from the disk where there is room for it, otherwise computed at every step.

    Parameters
    ----------
    dataset : ImageDataset
    extractor : Extractor
        With the last frozen stage; without a stage everything is unlocked and the input are pixels.
    views : sequence of View
        At least one.
    cache : FeatureCache, optional
    progress : Progress, optional
        Told where the maps do not fit.

    Raises
    ------
    ImageError
        The first image that cannot be read.
    """
    if extractor.stage is None:
        return PreparedPixels(dataset, extractor, views)
    progress = progress or Silent()
    try:
        return extract_maps(dataset, extractor, views=views, cache=cache, progress=progress)
    except (StorageError, MemoryError) as error:
        reason = str(error) or "there is not enough memory"
        progress.note(
            f"Stage maps cannot be kept, so they are computed anew at every step, which gives the same result more "
            f"slowly. {reason}"
        )
        return RecomputedMaps(dataset, extractor, views)
