"""Images in arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.bounds import MAX_PIXELS, claim_working
from headstart.data.images.decode import WHITE_LEVEL, Reduce
from headstart.data.images.pictures import Decoded, Header, array_strips, deep_picture, mode_name, picture_of
from headstart.data.images.samples import (
    MAX_CHANNELS,
    SAMPLE_TYPES,
    Samples,
    Scale,
    are_floats,
    checked_names,
    checked_scale,
)
from headstart.data.images.source import ImageSource
from headstart.errors import DataError, ImageError


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """Image from an array of shape (height, width[, channels]).

    Attributes
    ----------
    name : str
        Name in errors.
    pixels : ndarray
        uint8, uint16, or float32 or float64 with their scale.
    channels : tuple of str or None
        Names of the channels. None: grey, or red, green and blue, and alpha last; of more than four their numbers.
    scale : (float, float) or None
        Values of floating-point pixels shown as black and as white.
    """

    name: str
    pixels: NDArray[Any]
    channels: tuple[str, ...] | None = None
    scale: Scale | None = None

    @property
    def changed(self) -> str:
        """See `StoredImage.changed`."""
        return (
            "its pixels are not those that were read at first; do not change an array that is in use, and let a source "
            "give the same pixels each time it is asked"
        )

    def content_hash(self) -> str:
        """SHA-256 of type, shape and pixels, and of the scale and names of channels where there are such."""
        pixels = np.ascontiguousarray(self.pixels)
        scale = "" if self.scale is None else f" from {self.scale[0]!r} to {self.scale[1]!r}"
        named = "" if self.channels is None else f" {self.channels!r}"
        digest = hashlib.sha256(f"{pixels.dtype.newbyteorder('<').str}{pixels.shape}{scale}{named}".encode())
        digest.update(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def decoded(
        self,
        *,
        max_pixels: int = MAX_PIXELS,
        white_level: int = WHITE_LEVEL,
        keep_grey: bool = False,
        reduce: Reduce | None = None,
        channels: Sequence[str] | None = None,
    ) -> Decoded:
        """Picture of the array, always whole; an array of any size is in memory already."""
        samples = self._samples()
        height, width, n_channels = samples.values.shape
        bits = 8 * samples.values.dtype.itemsize
        header = Header("array", width, height, mode_name(n_channels, bits), bits, 1)
        if channels is not None:
            return picture_of(samples.chosen(channels, self.name), header, white_level, self.name)
        samples.check_is_picture(self.name)
        if are_floats(samples.values.dtype):
            return picture_of(samples.opaque(), header, white_level, self.name)
        claim_working(5 * width * height)
        picture, _ = deep_picture(array_strips(samples.values), (width, height), white_level)
        return Decoded(picture, header, _peak(self.pixels))

    def _samples(self) -> Samples:
        values = self.pixels[..., None] if self.pixels.ndim == 2 else self.pixels
        if values.ndim != 3 or not 1 <= values.shape[2] <= MAX_CHANNELS or values.size == 0:
            raise ImageError(
                self.name,
                f"array of shape {self.pixels.shape}; expected (height, width) or (height, width, channels) with 1 to "
                f"{MAX_CHANNELS} channels",
            )
        if values.dtype not in SAMPLE_TYPES:
            raise ImageError(self.name, f"array of type {values.dtype}; expected uint8, uint16, float32 or float64")
        if are_floats(values.dtype) and self.scale is None:
            raise ImageError(self.name, f"array of type {values.dtype} without a scale; state black and white")
        return Samples(values, self.channels, self.scale)


def _peak(pixels: NDArray[Any]) -> int | None:
    return int(pixels.max()) if pixels.dtype == np.uint16 else None


def is_one_colour_image(images: NDArray[Any]) -> bool:
    """Whether an array of three axes is one picture of three or four channels, not many grey ones 3 or 4 pixels wide.

    >>> is_one_colour_image(np.zeros((576, 768, 3))), is_one_colour_image(np.zeros((576, 768, 768)))
    (True, False)
    """
    return images.ndim == 3 and images.shape[2] in (3, 4) and min(images.shape[:2]) > 4


@dataclass(frozen=True, eq=False)
class ArrayPixels(ImageSource):
    """Images in one array of shape (n_images, height, width[, channels]); `rows` selects.

    Attributes
    ----------
    images : ndarray
        uint8, uint16, float32 or float64.
    rows : ndarray of int64
    channels, scale : optional
        As for `ArrayImage`.
    """

    images: NDArray[Any]
    rows: NDArray[np.int64]
    channels: tuple[str, ...] | None = None
    scale: Scale | None = None

    @classmethod
    def of(
        cls, images: NDArray[Any], *, channels: Sequence[str] | None = None, scale: Sequence[float] | None = None
    ) -> ArrayPixels:
        """Every image of the array.

        Raises
        ------
        DataError
            When shape or type is another, or names of channels or the scale do not fit.
        """
        n_channels = images.shape[3] if images.ndim == 4 else 1
        if images.ndim not in (3, 4) or not 1 <= n_channels <= MAX_CHANNELS or 0 in images.shape[1:]:
            raise DataError(
                f"The images have shape {images.shape}; expected (n_images, height, width) or "
                f"(n_images, height, width, channels) with 1 to {MAX_CHANNELS} channels; of 2 and 4 unnamed ones the "
                "last is alpha."
            )
        if images.dtype not in SAMPLE_TYPES:
            raise DataError(
                f"The images are of type {images.dtype}; expected uint8 (0..255), uint16 (0..65535), or float32 or "
                "float64 with a scale."
            )
        names, limits = checked_names(channels, n_channels), checked_scale(scale, images.dtype)
        return cls(images, np.arange(len(images)), names, limits)

    def open(self, row: int, name: str) -> ArrayImage:
        """Image of one row, not copied."""
        return ArrayImage(name, self.images[self.rows[row]], self.channels, self.scale)

    def take(self, rows: NDArray[np.int64]) -> ArrayPixels:
        """See `ImageSource.take`; the pixels are shared, not copied."""
        return replace(self, rows=self.rows[rows])
