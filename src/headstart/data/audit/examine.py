"""One image as the audit sees it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from headstart.data.audit.perceptual_hash import perceptual_hash
from headstart.data.dataset import ImageDataset
from headstart.data.images.decode import Decoded, Header, decode_details
from headstart.data.images.pixels import ArrayPixels, FilePixels
from headstart.errors import ImageError
from headstart.storage import hash_bytes

_STRIP_BYTES = 1 << 18


@dataclass(frozen=True)
class ImageFacts:
    """What one look at an image found.

    Attributes
    ----------
    content_hash : str
        SHA-256 of the file, or of the array; empty when it could not be read at all.
    pixel_hash : str
        SHA-256 of the decoded RGB pixels and their size; empty for an unreadable image.
    header : Header or None
    peak : int or None
        Largest 16-bit colour sample.
    perceptual_hash : int
        See `headstart.data.audit.perceptual_hash.perceptual_hash`.
    failure : str or None
        Why the image cannot be used.
    """

    content_hash: str
    pixel_hash: str = ""
    header: Header | None = None
    peak: int | None = None
    perceptual_hash: int = 0
    failure: str | None = None


def examine(dataset: ImageDataset, row: int, max_pixels: int) -> ImageFacts:
    """Read, hash and decode one image; a failure is a finding, not an error."""
    content_hash = ""
    try:
        if isinstance(dataset.pixels, FilePixels):
            encoded = dataset.encoded(row)
            content_hash = hash_bytes(encoded)
            decoded = decode_details(encoded, dataset.names[row], max_pixels=max_pixels)
        else:
            content_hash = dataset.content_hash(row)
            decoded = _array_details(dataset, row, max_pixels)
    except ImageError as error:
        return ImageFacts(content_hash, failure=error.reason)
    return ImageFacts(
        content_hash,
        pixel_hash=_pixel_hash(decoded.image),
        header=decoded.header,
        peak=decoded.peak,
        perceptual_hash=perceptual_hash(decoded.image),
    )


def _array_details(dataset: ImageDataset, row: int, max_pixels: int) -> Decoded:
    image = dataset.load(row, max_pixels=max_pixels)
    if not isinstance(dataset.pixels, ArrayPixels):
        return Decoded(image, Header("array", image.width, image.height, "RGB", 8, 1), None)
    pixels = dataset.pixels.pixels(row)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    deep = pixels.dtype == np.uint16
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels] + (";16" if deep else "")
    header = Header("array", image.width, image.height, mode, 16 if deep else 8, 1)
    return Decoded(image, header, int(pixels.max()) if deep else None)


def _pixel_hash(image: Image.Image) -> str:
    """SHA-256 of size and RGB pixels, strip by strip: copying a photograph costs more than hashing it."""
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode())
    n_rows = max(1, _STRIP_BYTES // (3 * image.width))
    for top in range(0, image.height, n_rows):
        strip = image.crop((0, top, image.width, min(top + n_rows, image.height)))
        digest.update(strip.tobytes())
    return digest.hexdigest()
