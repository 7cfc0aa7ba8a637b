"""Extractors of features, from prepared pixels to one row per image: a frozen network, or handcrafted descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headstart.augment import View
    from headstart.data.preparation import Preparation
    from headstart.engines.engine import Engine


class FeatureExtractor(Protocol):
    """An extractor as reading ahead, caching and counting see it; `Extractor` is the usual one."""

    preparation: Preparation
    engine: Engine
    view: View | None

    @property
    def label(self) -> str:
        """Name for people."""
        ...

    @property
    def n_streams(self) -> int:
        """Calls of `compute` that run side by side."""
        ...

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of the row of one image."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a row's numbers."""
        ...

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its row."""
        ...

    def compute(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Rows of at most one batch of prepared images, (n_images, *row_shape)."""
        ...
