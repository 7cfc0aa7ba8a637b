"""`WindowImage`: the picture of one window, drawn from its values when it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.images.arrays import ArrayImage
from headstart.data.images.bounds import MAX_PIXELS
from headstart.data.images.decode import WHITE_LEVEL, Reduce
from headstart.signals.imaging import VERSION
from headstart.signals.standardise import scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.images.pictures import Decoded
    from headstart.signals.recipe import SignalRecipe


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
        drawn = f"{VERSION} {self.recipe.image} {self.recipe.period_s!r} {self.recipe.standardise} {self.values.shape}"
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
