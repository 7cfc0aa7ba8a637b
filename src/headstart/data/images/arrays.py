"""Images in arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.decode import (
    MAX_PIXELS,
    MODES,
    WHITE_LEVEL,
    Decoded,
    Header,
    Reduce,
    pixels_to_rgb,
)
from headstart.data.images.source import ImageSource
from headstart.errors import DataError


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """Image from an array of shape (height, width[, channels]), uint8 or uint16; `name` stands in errors."""

    name: str
    pixels: NDArray[Any]

    @property
    def changed(self) -> str:
        """See `StoredImage.changed`."""
        return (
            "its pixels are not those that were read at first; do not change an array that is in use, and let a source "
            "give the same pixels each time it is asked"
        )

    def content_hash(self) -> str:
        """SHA-256 of type, shape and pixels."""
        pixels = np.ascontiguousarray(self.pixels)
        digest = hashlib.sha256(f"{pixels.dtype.newbyteorder('<').str}{pixels.shape}".encode())
        digest.update(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes())
        return digest.hexdigest()

    def decoded(
        self,
        *,
        max_pixels: int = MAX_PIXELS,
        white_level: int = WHITE_LEVEL,
        keep_grey: bool = False,
        reduce: Reduce | None = None,
    ) -> Decoded:
        """Picture of the array, always in colour and whole; an array of any size is in memory already."""
        image = pixels_to_rgb(self.pixels, self.name, white_level=white_level)
        channels = self.pixels.shape[2] if self.pixels.ndim == 3 else 1
        deep = self.pixels.dtype == np.uint16
        mode = MODES[channels] + (";16" if deep else "")
        header = Header("array", image.width, image.height, mode, 16 if deep else 8, 1)
        return Decoded(image, header, int(self.pixels.max()) if deep else None)


@dataclass(frozen=True, eq=False)
class ArrayPixels(ImageSource):
    """Images in one array of shape (n_images, height, width[, channels]), uint8 or uint16; `rows` selects."""

    images: NDArray[Any]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, images: NDArray[Any]) -> ArrayPixels:
        """Every image of the array.

        Raises
        ------
        DataError
            When shape or type is another.
        """
        channels = images.shape[3] if images.ndim == 4 else 1
        if images.ndim not in (3, 4) or channels not in (1, 2, 3, 4) or 0 in images.shape[1:]:
            raise DataError(
                f"The images have shape {images.shape}; expected (n_images, height, width) or "
                "(n_images, height, width, channels) with 1 to 4 channels, alpha last."
            )
        if images.dtype not in (np.uint8, np.uint16):
            raise DataError(f"The images are of type {images.dtype}; expected uint8 (0..255) or uint16 (0..65535).")
        return cls(images, np.arange(len(images)))

    def open(self, row: int, name: str) -> ArrayImage:
        """Image of one row, not copied."""
        return ArrayImage(name, self.images[self.rows[row]])

    def take(self, rows: NDArray[np.int64]) -> ArrayPixels:
        """See `ImageSource.take`; the pixels are shared, not copied."""
        return ArrayPixels(self.images, self.rows[rows])
