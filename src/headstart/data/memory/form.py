"""`PictureForm`: how pictures in memory are to be read, and the words for what is expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from headstart.data.images.samples import MAX_CHANNELS, Scale, checked_scale

UNIT_SCALE: Scale = (0.0, 1.0)
"""Black and white of floating-point pictures whose scale nobody states, as torchvision and scikit-image make them."""


@dataclass(frozen=True)
class PictureForm:
    """How pictures in memory are to be read.

    Attributes
    ----------
    argument : str
        What the caller calls them; begins messages.
    scale : (float, float) or None
        Values of floating-point pixels shown as black and as white. None: 0 and 1, and nothing may lie beyond.
    channels : tuple of str or None
        Names of the channels of arrays.
    max_channels : int
        Largest number of channels of an array.
    damage : dict of str to str or None
        As for `headstart.data.images.files.EncodedImage`.
    """

    argument: str = "images"
    scale: Scale | None = None
    channels: tuple[str, ...] | None = None
    max_channels: int = MAX_CHANNELS
    damage: dict[str, str] | None = None

    @classmethod
    def of(cls, channels: Sequence[str] | None, scale: Sequence[float] | None) -> Self:
        """The form of images whose channels and scale a caller states.

        Raises
        ------
        DataError
            When the scale is none.
        """
        limits = None if scale is None else checked_scale(scale, np.dtype(np.float32))
        return cls(scale=limits, channels=None if channels is None else tuple(map(str, channels)))

    @property
    def expected(self) -> str:
        """Kinds of pictures that are expected, in a sentence without its full stop."""
        return (
            "Expected paths, Pillow images, an ImageDataset, a data set of torch or Hugging Face, a table of paths, or "
            "images as uint8, uint16 or floats from 0 to 1 in an array of shape (height, width[, channels]) or "
            f"(n_images, height, width[, channels]) with 1 to {self.max_channels} channels"
        )
