"""Facts about an image file that are no subject of the picture: bytes, compression, camera, time, border."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, JpegImagePlugin

from headstart.data.images.decode import DAMAGE
from headstart.data.images.directory import check_directory
from headstart.data.images.formats import find_format
from headstart.runtime.warnings import QUIET_PILLOW

Box = tuple[int, int, int, int]
_WITH_EXIF: Final = ("JPEG", "PNG", "WebP")
_BORDER: Final = 2  # pixels


@dataclass(frozen=True)
class FileFacts:
    """Facts about one image file.

    Attributes
    ----------
    n_bytes : int
        Size of the file.
    compression : str
        Short hash of the quantisation tables of a JPEG; empty for other formats.
    camera : str
        Make and model from EXIF; empty where they are not said.
    taken_s : float or None
        Time of the exposure from EXIF, in seconds since 1970 by the clock of the camera.
    border : (float, float, float, float)
        Mean red, green and blue of the outermost two pixels, and their standard deviation.
    """

    n_bytes: int
    compression: str = ""
    camera: str = ""
    taken_s: float | None = None
    border: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def file_facts(encoded: bytes, picture: Image.Image, pixels: NDArray[np.uint8] | None = None) -> FileFacts:
    """Facts about a file that was decoded: damaged metadata count as none.

    Parameters
    ----------
    encoded : bytes
    picture : PIL.Image.Image
        Mode RGB or L.
    pixels : ndarray of shape (height, width, 3) or (height, width), uint8, optional
        Pixels of the picture, where it is so small that all of them are at hand.
    """
    compression, camera, taken = _metadata(encoded)
    return FileFacts(len(encoded), compression, camera, taken, _border(picture, pixels))


def _metadata(encoded: bytes) -> tuple[str, str, float | None]:
    known = find_format(encoded)
    if known is None or known.name not in _WITH_EXIF or (known.name == "PNG" and not _may_have_exif(encoded)):
        return "", "", None
    try:
        with QUIET_PILLOW, known.open(io.BytesIO(encoded)) as image:
            tables = image.quantization if isinstance(image, JpegImagePlugin.JpegImageFile) else {}
            compression = hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:12] if tables else ""
            block = image.info.get("exif", b"")
            if not block:
                return compression, "", None
            check_directory(block.removeprefix(b"Exif\0\0"))
            return compression, *_exif(image.getexif())
    except DAMAGE:
        return "", "", None


def _may_have_exif(encoded: bytes) -> bool:
    """Whether a PNG may have a chunk of EXIF, or a text of its name: most have none, and opening them again is slow."""
    return b"eXIf" in encoded or b"exif" in encoded


def _exif(exif: Image.Exif) -> tuple[str, float | None]:
    parts = (exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model))
    camera = " ".join(part.strip("\0 ") for part in parts if isinstance(part, str))
    own = exif.get_ifd(ExifTags.IFD.Exif)
    return camera, _seconds(own.get(ExifTags.Base.DateTimeOriginal, exif.get(ExifTags.Base.DateTime)))


def _seconds(written: Any) -> float | None:
    try:
        return datetime.strptime(str(written).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _border(picture: Image.Image, pixels: NDArray[np.uint8] | None) -> tuple[float, float, float, float]:
    """Mean red, green and blue of the border, and their standard deviation; corners count twice.

    Sums of values and of squares are whole numbers, which double precision holds exactly.
    """
    n_channels = 1 if picture.mode == "L" else 3
    sides = [
        np.asarray(picture.crop((left, top, right, bottom))) if pixels is None else pixels[top:bottom, left:right]
        for left, top, right, bottom in _sides(picture.size)
    ]
    values = np.concatenate([side.reshape(-1, n_channels) for side in sides]).astype(np.float64)
    n_pixels, totals = float(len(values)), np.einsum("ij->j", values)
    variances = n_pixels * np.einsum("ij,ij->j", values, values) - totals * totals
    means = (totals.astype(np.float32) / np.float32(n_pixels)).round(3).tolist()
    red, green, blue = means * (3 // n_channels)
    deviations = [math.sqrt(variance) for variance in variances.tolist()] * (3 // n_channels)
    return red, green, blue, round(sum(deviations) / (3 * n_pixels), 3)


def _sides(size: tuple[int, int]) -> tuple[Box, ...]:
    """Left, top, right and bottom of the outermost two pixels on each side."""
    width, height = size
    return (
        (0, 0, width, min(_BORDER, height)),
        (0, max(0, height - _BORDER), width, height),
        (0, 0, min(_BORDER, width), height),
        (max(0, width - _BORDER), 0, width, height),
    )
