"""Facts that the audit gathers from one image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.data.audit.file_facts import FileFacts, file_facts
from headstart.data.audit.perceptual_hash import thumbnail
from headstart.data.dataset import ImageDataset
from headstart.data.images.bounds import decoding_turn
from headstart.data.images.files import EncodedImage
from headstart.data.images.pictures import Decoded, Header
from headstart.data.images.source import ImageSource
from headstart.data.images.strips import row_strips
from headstart.errors import ImageError

_STRIP_PIXELS = 1 << 17
"""Pixels that are copied out of a picture at a time: a copy of a photograph, which no cache holds, costs more than its
hash."""


@dataclass(frozen=True)
class ImageFacts:
    """Facts from one look at an image.

    Attributes
    ----------
    content_hash : str
        SHA-256 of the file, or of the array; empty when it could not be read at all.
    pixel_hash : str
        SHA-256 of the decoded pixels and their size; empty for an unreadable image.
    header : Header or None
    peak : int or None
        Largest 16-bit colour sample.
    thumbnail : bytes
        See `headstart.data.audit.perceptual_hash.thumbnail`; empty for an unreadable image.
    failure : str or None
        Reason why the image cannot be used.
    damage : str or None
        Reason why a part of the picture is missing, where that was accepted.
    file : FileFacts or None
        Facts about its file; None where it lies in none.
    """

    content_hash: str
    pixel_hash: str = ""
    header: Header | None = None
    peak: int | None = None
    thumbnail: bytes = b""
    failure: str | None = None
    damage: str | None = None
    file: FileFacts | None = None


def examine(dataset: ImageDataset, row: int, max_pixels: int, channels: Sequence[str] | None = None) -> ImageFacts:
    """Read, hash and decode one image of a data set; a failure is a finding, not an error."""
    return examine_image(dataset.pixels, row, dataset.names[row], max_pixels, channels)


def examine_image(
    source: ImageSource, row: int, name: str, max_pixels: int, channels: Sequence[str] | None = None
) -> ImageFacts:
    """As `examine`, of the image of a row of a source."""
    with decoding_turn():
        return _examined(source, row, name, max_pixels, channels)


def _examined(source: ImageSource, row: int, name: str, max_pixels: int, channels: Sequence[str] | None) -> ImageFacts:
    """See `examine`; the picture is gone when this function ends, so that its memory can be given to the next one."""
    content_hash = ""
    try:
        stored = source.open(row, name)
        content_hash = stored.content_hash()
        decoded = stored.decoded(max_pixels=max_pixels, keep_grey=True, channels=channels)
    except ImageError as error:
        return ImageFacts(content_hash, failure=error.reason)
    image = decoded.image
    pixels = np.asarray(image) if image.width * image.height <= _STRIP_PIXELS else None
    return ImageFacts(
        content_hash,
        pixel_hash=_pixel_hash(decoded, pixels),
        header=decoded.header,
        peak=decoded.peak,
        thumbnail=thumbnail(image).tobytes(),
        damage=decoded.damage,
        file=file_facts(stored.encoded, image, pixels) if isinstance(stored, EncodedImage) else None,
    )


def _pixel_hash(decoded: Decoded, pixels: NDArray[np.uint8] | None) -> str:
    """SHA-256 of size and pixels: of all channels, where they are not three of 8 bits."""
    if decoded.samples is None:
        return _rgb_hash(decoded.image, pixels)
    digest = hashlib.sha256(f"{decoded.samples.shape}".encode())
    for rows in decoded.samples:
        digest.update(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _rgb_hash(image: Image.Image, pixels: NDArray[np.uint8] | None) -> str:
    """SHA-256 of size and RGB pixels; of a picture whose pixels are not given, strip by strip."""
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode())
    if pixels is not None:
        digest.update(_rgb(pixels).data)
        return digest.hexdigest()
    for _, box in row_strips(image.size, n_pixels=_STRIP_PIXELS):
        digest.update(_rgb(np.asarray(image.crop(box))).data)
    return digest.hexdigest()


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (height, width, 3) of those of a picture in colour or grey."""
    if pixels.ndim == 3:
        return pixels
    colours = np.empty((*pixels.shape, 3), dtype=np.uint8)
    for channel in range(3):  # repeating them takes twice the time
        colours[..., channel] = pixels
    return colours
