"""One picture that a caller has: a path, a Pillow image, an array, a tensor, or the bytes of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageFile

from headstart.data.images.arrays import ArrayImage
from headstart.data.images.bounds import MAX_FILE_BYTES
from headstart.data.images.files import EncodedImage, FilePixels
from headstart.data.images.formats import find_format
from headstart.data.images.orientation import turned
from headstart.data.images.pictures import MODES, byte_samples
from headstart.data.images.source import StoredImage
from headstart.data.memory.arrays import array_picture, array_refusal
from headstart.data.memory.form import PictureForm
from headstart.data.memory.tensors import array_of, is_tensor
from headstart.errors import ImageError

_DEEP_MODES: Final = ("I;16", "I;16L", "I;16B", "I;16N")
_BYTE_MODES: Final = ("1", "La", "RGBa", "P", "PA", "RGBX", "CMYK", "YCbCr", *MODES.values())
_EXIF_ORIENTATION: Final = 0x0112


def is_path(value: object) -> bool:
    """Whether a value is a path: text, or a path object whose path is text."""
    return isinstance(value, str) or (isinstance(value, os.PathLike) and isinstance(os.fspath(value), str))


def picture_refusal(value: object, form: PictureForm) -> str | None:
    """Why a value is no picture, in a clause with the remedy where there is one; None where it is one.

    Nothing is decoded for it, and no file is opened.
    """
    if isinstance(value, Image.Image):
        return _pillow_refusal(value)
    if is_tensor(value):
        return _tensor_refusal(value, form)
    if isinstance(value, np.ndarray):
        return array_refusal(value, form)
    if isinstance(value, bytes | bytearray | memoryview):
        return None if len(value) else "empty bytes"
    if isinstance(value, Mapping):
        has_one = value.get("bytes") or value.get("path")
        return None if has_one else "a mapping without the bytes or the path of a picture"
    return None if is_path(value) and str(value) else f"{value!r:.80}, which is no path"


def _pillow_refusal(image: Image.Image) -> str | None:
    if image.mode in (*_BYTE_MODES, *_DEEP_MODES):
        return None
    return (
        f"a Pillow image of mode {image.mode}, of which nobody states black and white; convert it to L, RGB or I;16, "
        "or give its array with a scale: ImageDataset.from_images(arrays, scale=(black, white))"
    )


def _tensor_refusal(tensor: Any, form: PictureForm) -> str | None:
    try:
        return array_refusal(array_of(tensor, is_one=True, max_channels=form.max_channels), form)
    except ValueError as error:
        return str(error)


def open_picture(value: Any, name: str, form: PictureForm) -> StoredImage:
    """The picture, read where it lies in a file, not decoded.

    Raises
    ------
    ImageError
        When it is none, or its file cannot be read.
    """
    refusal = picture_refusal(value, form)
    if refusal is not None:
        raise ImageError(name, refusal)
    if isinstance(value, Image.Image):
        return _of_pillow(value, name, form)
    if is_tensor(value):
        return array_picture(array_of(value, is_one=True, max_channels=form.max_channels), name, form)
    if isinstance(value, np.ndarray):
        return array_picture(value, name, form)
    if isinstance(value, Mapping):
        value = value.get("bytes") or value["path"]
    if isinstance(value, bytes | bytearray | memoryview):
        return EncodedImage(name, bytes(value), form.damage)
    return FilePixels(Path.cwd(), confined=False, damage=form.damage).open(0, os.fspath(value))


def _of_pillow(image: Image.Image, name: str, form: PictureForm) -> StoredImage:
    """A Pillow image: as its file where it is one that was opened and not yet decoded, else by its pixels, upright."""
    encoded = _undecoded(image)
    if encoded is not None:
        return EncodedImage(name, encoded, form.damage)
    try:
        upright = turned(image, _orientation(image))
        samples = np.asarray(upright) if image.mode in _DEEP_MODES else byte_samples(upright)
    except Exception as error:  # whatever Pillow raises for a file that breaks off
        words = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise ImageError(name, f"cannot be decoded ({words})") from error
    return ArrayImage(name, samples.astype(np.uint16) if image.mode in _DEEP_MODES else samples)


def _undecoded(image: Image.Image) -> bytes | None:
    """Bytes of the file of an image whose pixels Pillow has not read yet; None for any other.

    A list of opened files stays a list of files so: asking each for its pixels would keep all of them in memory.
    """
    handle = image.fp if isinstance(image, ImageFile.ImageFile) else None  # None once the pixels are read
    if handle is None or getattr(image, "is_animated", False):
        return None
    try:
        place = handle.tell()
        handle.seek(0)
        encoded = handle.read(MAX_FILE_BYTES)
        handle.seek(place)
    except (OSError, ValueError):
        return None
    return encoded if find_format(encoded) is not None else None


def _orientation(image: Image.Image) -> int:
    """EXIF orientation of an image; upright where there is none, or none that can be read."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged EXIF, in whatever way: as in a file, it is passed over
        return 1
