"""Facts about an image file that are no subject of the picture: bytes, compression, camera, time, border."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
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
_SMALL_PIXELS: Final = 1 << 14  # of a picture that is converted whole in less time than its sides one by one


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


def file_facts(encoded: bytes, picture: Image.Image) -> FileFacts:
    """Facts about a file that was decoded: damaged metadata count as none.

    Parameters
    ----------
    encoded : bytes
    picture : PIL.Image.Image
        Mode RGB or L.
    """
    compression, camera, taken = _metadata(encoded)
    return FileFacts(len(encoded), compression, camera, taken, _border(picture))


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


def _border(picture: Image.Image) -> tuple[float, float, float, float]:
    """Mean red, green and blue of the border, and their standard deviation; corners count twice."""
    if picture.width * picture.height <= _SMALL_PIXELS:
        whole = picture if picture.mode == "RGB" else picture.convert("RGB")
        pixels, counts = np.asarray(whole), _times_counted(picture.size)
    else:
        pixels = np.concatenate(
            [np.asarray(picture.crop(side).convert("RGB")).reshape(-1, 3) for side in _sides(picture.size)]
        )
        counts = np.ones(len(pixels))
    values = pixels.reshape(-1, 3).astype(np.float64)
    n_pixels, totals = float(counts.sum()), np.einsum("i,ij->j", counts, values)  # whole numbers, as squares are
    values *= values
    red, green, blue = (totals.astype(np.float32) / np.float32(n_pixels)).round(3).tolist()
    variances = (n_pixels * np.einsum("i,ij->j", counts, values) - totals * totals).tolist()
    return red, green, blue, round(sum(map(math.sqrt, variances)) / (3 * n_pixels), 3)


@lru_cache(maxsize=8)
def _times_counted(size: tuple[int, int]) -> NDArray[np.float64]:
    """How often each pixel of a small picture counts in its border, row by row."""
    counts = np.zeros(size[::-1])
    for left, top, right, bottom in _sides(size):
        counts[top:bottom, left:right] += 1
    return counts.ravel()


def _sides(size: tuple[int, int]) -> tuple[Box, ...]:
    """Left, top, right and bottom of the outermost two pixels on each side."""
    width, height = size
    return (
        (0, 0, width, min(_BORDER, height)),
        (0, max(0, height - _BORDER), width, height),
        (0, 0, min(_BORDER, width), height),
        (max(0, width - _BORDER), 0, width, height),
    )
