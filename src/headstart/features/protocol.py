"""Extractors of features, from prepared pixels to one row per image: a frozen network, or handcrafted descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

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


@dataclass(frozen=True, eq=False)
class RowPart:
    """Part of the rows of a forward pass, which the cache keeps under settings of its own.

    Attributes
    ----------
    settings : dict
        Everything beside the image and its view that shapes the part.
    columns : ndarray of int64
        Columns of the pass that the part is made of.
    taken : ndarray of int64
        Columns of the part that the features are made of; empty where the part is merely kept for later.
    placed : ndarray of int64
        Columns of the features that these become.
    """

    settings: dict[str, Any]
    columns: NDArray[np.int64]
    taken: NDArray[np.int64]
    placed: NDArray[np.int64]


@runtime_checkable
class PassExtractor(FeatureExtractor, Protocol):
    """An extractor whose forward pass may give more than its features, and whose features may be means over views."""

    averaged: tuple[View, ...]

    @property
    def columns(self) -> NDArray[np.int64] | None:
        """Columns of the pass that are the features; None where they are the whole row."""
        ...

    def parts(self) -> tuple[RowPart, ...]:
        """Parts of the rows of the pass; none where the features are the whole row."""
        ...

    def whole(self) -> FeatureExtractor:
        """An extractor of all that the pass gives."""
        ...
