"""`WindowPictures`: windows of recordings as the pictures of a data set, drawn when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.images.arrays import ArrayImage
from headstart.data.images.decode import MAX_PIXELS, WHITE_LEVEL, Reduce
from headstart.data.images.source import GroupProposal, ImageSource
from headstart.signals.standardise import reference_scale, scaled, standardised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.images.pictures import Decoded
    from headstart.signals.recipe import SignalRecipe
    from headstart.signals.windows import Windows


@dataclass(frozen=True, eq=False)
class WindowImage:
    """The picture of one window, drawn from its values.

    Attributes
    ----------
    name : str
        Name in errors.
    values : ndarray of shape (length, n_channels), float32
        Standardised values; those of the file where they are to be standardised by the training windows.
    recipe : SignalRecipe
    """

    name: str
    values: NDArray[np.float32]
    recipe: SignalRecipe

    @property
    def changed(self) -> str:
        """See `headstart.data.images.source.StoredImage.changed`."""
        return "its window is not the one that was read at first; read the recordings again"

    def content_hash(self) -> str:
        """SHA-256 of the values and of the way they are drawn."""
        drawn = f"{self.recipe.image} {self.recipe.period_s!r} {self.recipe.standardise} {self.values.shape}"
        digest = hashlib.sha256(drawn.encode())
        digest.update(np.ascontiguousarray(self.values).astype("<f4", copy=False).tobytes())
        return digest.hexdigest()

    def picture(self, standardised: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        """Pixels (height, width, 3).

        Parameters
        ----------
        standardised : ndarray of shape (length, n_channels), float32, optional
            Values to be drawn. Default: its own, brought to the window's own mean and spread where they are none yet.
        """
        values = self.values if standardised is None else standardised
        if standardised is None and self.recipe.standardise == "training":
            values = scaled(values, values.mean(axis=0), values.std(axis=0))
        return np.asarray(self.recipe.pictures(values[None])[0])

    def decoded(
        self,
        *,
        max_pixels: int = MAX_PIXELS,
        white_level: int = WHITE_LEVEL,
        keep_grey: bool = False,
        reduce: Reduce | None = None,
        channels: Sequence[str] | None = None,
    ) -> Decoded:
        """Picture of the window; see `headstart.data.images.source.StoredImage.decoded`."""
        return ArrayImage(self.name, self.picture()).decoded(
            max_pixels=max_pixels, white_level=white_level, keep_grey=keep_grey, reduce=reduce, channels=channels
        )


@dataclass(frozen=True, eq=False)
class WindowPictures(ImageSource):
    """Pictures of windows.

    Attributes
    ----------
    windows : Windows
    recipe : SignalRecipe
    """

    windows: Windows
    recipe: SignalRecipe

    def open(self, row: int, name: str) -> WindowImage:
        """Picture of the window of a row."""
        return WindowImage(name, self.values(np.array([row]))[0], self.recipe)

    def values(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Values of windows as `WindowImage` holds them, shape (n_rows, length, n_channels)."""
        return standardised(self.windows, self.recipe.standardise, rows, scale=self._scale)

    @cached_property
    def _scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Centre and spread of every recording's reference stretch, computed once."""
        how = self.recipe.standardise
        return reference_scale(self.windows, robust=how == "robust") if how in ("reference", "robust") else None

    def pictures(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        """Pictures of many windows at once, (n_rows, height, width, 3), the same as one by one."""
        values = self.values(rows)
        if self.recipe.standardise == "training":
            values = scaled(values, values.mean(axis=1, keepdims=True), values.std(axis=1, keepdims=True))
        return self.recipe.pictures(values)

    def take(self, rows: NDArray[np.int64]) -> WindowPictures:
        """See `ImageSource.take`; recordings are shared, not copied."""
        return replace(self, windows=self.windows.take(rows))

    def proposed_groups(self) -> GroupProposal:
        """The recording of every window, or its part of one."""
        return GroupProposal(self.windows.groups, "recording")
