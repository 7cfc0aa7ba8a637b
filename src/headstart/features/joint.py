"""Several extractors that look at the same pixels, as one: every image is read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.protocol import FeatureExtractor, PassExtractor, RowPart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.augment import View


class JointExtractor:
    """Rows of several extractors side by side, kept in the cache where each would keep its own.

    Numbers are those of the extractors one by one. What is not kept of one of them is computed of all.

    Parameters
    ----------
    members : sequence of FeatureExtractor
        With one preparation and rows of single numbers; the first says how many images run side by side.
    """

    def __init__(self, members: Sequence[FeatureExtractor]) -> None:
        self.members = tuple(members)
        self.preparation = members[0].preparation
        self.engine = members[0].engine
        self.view: View | None = None
        self.averaged: tuple[View, ...] = ()

    @property
    def label(self) -> str:
        """Names of all."""
        return ", ".join(one.label for one in self.members)

    @property
    def n_streams(self) -> int:
        """Batches of the first that run side by side."""
        return self.members[0].n_streams

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return self.members[0].dtype

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Number of features of every member."""
        return tuple(one.row_shape[0] for one in self.members)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(n_features,), of one member after another."""
        return (sum(self.widths),)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """Columns of all that is computed which are the features."""
        return np.concatenate([start + _columns(one) for start, one in zip(self._starts, self.members, strict=True)])

    def parts(self) -> tuple[RowPart, ...]:
        """Parts that the rows are kept in: those of every member."""
        placed = accumulate(self.widths, initial=0)
        return tuple(
            replace(part, columns=part.columns + start, placed=part.placed + place)
            for one, start, place in zip(self.members, self._starts, placed, strict=False)
            for part in _parts(one)
        )

    def whole(self) -> JointExtractor:
        """An extractor of all that is computed."""
        return JointExtractor([_whole(one) for one in self.members])

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its row."""
        return {"members": [one.settings() for one in self.members]}

    def compute(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Rows of at most one batch of prepared images."""
        return np.concatenate([one.compute(pixels) for one in self.members], axis=1)

    @property
    def _starts(self) -> list[int]:
        """First column of every member in all that is computed."""
        return [0, *accumulate(_whole(one).row_shape[0] for one in self.members[:-1])]


def _whole(extractor: FeatureExtractor) -> FeatureExtractor:
    return extractor.whole() if isinstance(extractor, PassExtractor) else extractor


def _columns(extractor: FeatureExtractor) -> NDArray[np.int64]:
    """Columns of all that an extractor computes which are its features."""
    found = extractor.columns if isinstance(extractor, PassExtractor) else None
    return np.arange(extractor.row_shape[0]) if found is None else found


def _parts(extractor: FeatureExtractor) -> tuple[RowPart, ...]:
    """Parts that its rows are kept in: one where they are kept whole."""
    every = np.arange(extractor.row_shape[0])
    parts = extractor.parts() if isinstance(extractor, PassExtractor) else ()
    return parts or (RowPart(extractor.settings(), every, every, every),)
