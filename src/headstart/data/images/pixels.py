"""Sources of a data set's pixels: files, or an array in memory."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.decode import (
    MAX_FILE_BYTES,
    MAX_PIXELS,
    MODES,
    WHITE_LEVEL,
    Decoded,
    Header,
    Reduce,
    decode_details,
    pixels_to_rgb,
)
from headstart.errors import DataError, ImageError
from headstart.storage import hash_bytes


class StoredImage(Protocol):
    """One image as it is stored, read once, before it is decoded."""

    @property
    def encoded(self) -> bytes | None:
        """Bytes of its file; None for an array in memory."""
        ...

    def content_hash(self) -> str:
        """SHA-256 of what is stored, in hexadecimal."""
        ...

    def decoded(
        self,
        *,
        max_pixels: int = MAX_PIXELS,
        white_level: int = WHITE_LEVEL,
        keep_grey: bool = False,
        reduce: Reduce | None = None,
    ) -> Decoded:
        """Upright picture with its header; see `headstart.data.images.decode.decode_details`."""
        ...


class PixelSource(Protocol):
    """Lazy pixels of rows; small and picklable, so that worker processes may have it."""

    def open(self, row: int, name: str) -> StoredImage:
        """Image of the row, read from where it lies."""
        ...

    def path(self, name: str) -> Path | None:
        """File of the image called `name`; None for an array in memory."""
        ...

    def location(self) -> dict[str, Any] | None:
        """Arguments of `FilePixels` as plain JSON, by which a later process finds the images; None without files."""
        ...

    def take(self, rows: NDArray[np.int64]) -> PixelSource:
        """Source of a subset; row i of it is row ``rows[i]`` of this one."""
        ...


@dataclass(frozen=True)
class EncodedImage:
    """Image from the bytes of a file; `name` stands in errors."""

    name: str
    encoded: bytes

    def content_hash(self) -> str:
        """SHA-256 of the bytes."""
        return hash_bytes(self.encoded)

    def decoded(
        self,
        *,
        max_pixels: int = MAX_PIXELS,
        white_level: int = WHITE_LEVEL,
        keep_grey: bool = False,
        reduce: Reduce | None = None,
    ) -> Decoded:
        """See `StoredImage.decoded`."""
        return decode_details(
            self.encoded, self.name, max_pixels=max_pixels, white_level=white_level, keep_grey=keep_grey, reduce=reduce
        )


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """Image from an array of shape (height, width[, channels]), uint8 or uint16; `name` stands in errors."""

    name: str
    pixels: NDArray[Any]

    @property
    def encoded(self) -> None:
        """No bytes: the image is not a file."""
        return

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


@dataclass(frozen=True)
class FilePixels:
    """Images in files named by the data set's own names, relative to `root`.

    Attributes
    ----------
    root : Path
        Absolute folder.
    confined : bool
        Whether a file outside `root`, reached through a link, is refused.
    """

    root: Path
    confined: bool = True

    def path(self, name: str) -> Path:
        """Path of the image called `name`."""
        return self.root / name

    def location(self) -> dict[str, Any]:
        """See `PixelSource.location`."""
        return {"root": str(self.root), "confined": self.confined}

    def open(self, row: int, name: str) -> EncodedImage:
        """Image of the file called `name`, whatever the row.

        Raises
        ------
        ImageError
            When the file is missing, unreadable, no regular file, larger than 1 GiB or outside the root.
        """
        path = self.path(name)
        try:
            if self.confined and not Path(os.path.realpath(path, strict=True)).is_relative_to(self.root):
                raise ImageError(name, f"a link that leads outside {self.root}; copy the file there")
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(descriptor, "rb") as handle:
                _check_regular(name, os.fstat(descriptor))
                return EncodedImage(name, handle.read())
        except (OSError, ValueError) as error:
            raise ImageError(name, _refusal(error)) from error

    def take(self, rows: NDArray[np.int64]) -> FilePixels:
        """See `PixelSource.take`."""
        return self


def _check_regular(name: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(name, "not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(name, f"{status.st_size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")


def _refusal(error: OSError | ValueError) -> str:
    reasons = {
        errno.ENOENT: "no such file",
        errno.EACCES: "permission denied; make the file readable",
        errno.EPERM: "permission denied; make the file readable",
        errno.EISDIR: "a folder, not an image",
        errno.ELOOP: "a symbolic link that leads back to itself; remove it",
        errno.ENAMETOOLONG: "the path is longer than the file system allows",
        errno.ENOTDIR: "a part of this path is a file, not a folder",
    }
    number = error.errno if isinstance(error, OSError) else None
    return reasons.get(number or 0, f"cannot be read ({error})")


@dataclass(frozen=True, eq=False)
class ArrayPixels:
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

    def path(self, name: str) -> None:
        """No file: the images are in memory."""
        return

    def location(self) -> None:
        """No location: the images are in memory."""
        return

    def open(self, row: int, name: str) -> ArrayImage:
        """Image of one row, not copied."""
        return ArrayImage(name, self.images[self.rows[row]])

    def take(self, rows: NDArray[np.int64]) -> ArrayPixels:
        """See `PixelSource.take`; the pixels are shared, not copied."""
        return ArrayPixels(self.images, self.rows[rows])
