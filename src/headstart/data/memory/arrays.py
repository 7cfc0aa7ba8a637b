"""Arrays of one picture or of many: their shapes, types and scales."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.images.arrays import ArrayImage, ArrayPixels, is_one_colour_image
from headstart.data.images.samples import SAMPLE_TYPES, Scale, are_floats
from headstart.data.memory.form import UNIT_SCALE, PictureForm
from headstart.errors import DataError

_REMEDIES: Final = {
    "b": "masks become images by array.astype('uint8') * 255",
    "i": "whole numbers from 0 to 255 become uint8 by array.astype('uint8')",
    "u": "whole numbers from 0 to 255 become uint8 by array.astype('uint8')",
}
_BYTE_TOLERANCE: Final = 1e-3
"""Distance from a whole number of 255ths within which a float is taken for one; that of 32-bit floats is 2e-5."""


def array_refusal(pixels: NDArray[Any], form: PictureForm) -> str | None:
    """Why an array is no picture, in a clause with the remedy; None where it is one, (height, width[, channels])."""
    what = f"an array of shape {pixels.shape} and type {pixels.dtype}"
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        return what
    if pixels.ndim == 3 and pixels.shape[2] > form.max_channels:
        return f"{what}{_channels_first(pixels.shape)}"
    n_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if form.channels is not None and len(form.channels) != n_channels:
        return f"{what}, and {len(form.channels)} channels are named"
    refusal = _type_refusal(pixels, form.scale)
    return None if refusal is None else f"{what}{refusal}"


def array_picture(pixels: NDArray[Any], name: str, form: PictureForm) -> ArrayImage:
    """One picture of an array that `array_refusal` lets through."""
    values, scale = _on_known_scale(pixels, form.scale)
    return ArrayImage(name, values, form.channels, scale)


def pictures_of_array(array: NDArray[Any], form: PictureForm, n_rows: int | None) -> ArrayPixels:
    """Pictures of one array: of one, (height, width[, channels]), or of many, (n_images, height, width[, channels]).

    Three axes are many grey pictures, unless the last one has 3 or 4 places, as colours have, and the others have more.

    Parameters
    ----------
    array : ndarray
    form : PictureForm
    n_rows : int or None
        Number of pictures where the caller knows it, by their labels: it decides what three axes are.

    Raises
    ------
    DataError
        When its shape or type is another, or floats lie beyond their scale.
    """
    one = array.ndim == 2 or (is_one_colour_image(array) and n_rows in (None, 1))
    many = array[None] if one else array
    what = f"{form.argument} is an array of shape {array.shape} and type {array.dtype}"
    if array.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {what}. {form.expected}.")
    has_shape = (
        many.ndim in (3, 4) and 0 not in many.shape[1:] and (many.ndim == 3 or many.shape[3] <= form.max_channels)
    )
    infinite = array.dtype.kind == "f" and not np.isfinite(array).all()
    if not has_shape or infinite:
        unlike = ", and holds NaN or infinity" if infinite else _channels_first(many.shape[1:])
        raise DataError(f"{what}{unlike}. {form.expected}.")
    refusal = _type_refusal(many, form.scale)
    if refusal is not None:
        raise DataError(f"{what}{refusal}. {form.expected}.")
    values, scale = _on_known_scale(many, form.scale)
    return ArrayPixels.of(values, channels=form.channels, scale=scale)


def _type_refusal(pixels: NDArray[Any], scale: Scale | None) -> str | None:
    """Fault in the type or the values of an array, with the remedy."""
    if pixels.dtype.kind == "f" and pixels.dtype.itemsize in (2, 4, 8):
        return _beyond(pixels) if scale is None else None
    if pixels.dtype in SAMPLE_TYPES:
        return None if scale is None else ", whose scale is fixed; leave the scale out"
    remedy = _REMEDIES.get(pixels.dtype.kind)
    return f"; {remedy or 'make it uint8 or uint16'}"


def _beyond(pixels: NDArray[Any]) -> str | None:
    if pixels.size == 0:
        return None
    if not np.isfinite(pixels).all():
        return ", with NaN or infinity; fill them in or leave the image out"
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 1:
        return None
    return (
        f", and nobody states which value is black and which is white (they go from {low:.4g} to {high:.4g}); bring "
        "them to 0..1, make bytes of 0..1 by (array * 255).round().astype('uint8'), or state the scale: "
        "ImageDataset.from_images(images, scale=(black, white))"
    )


def _channels_first(shape: tuple[int, ...]) -> str:
    """Remedy for a shape that has its channels first, as torch has them; empty for others."""
    if len(shape) != 3 or shape[0] not in (1, 3, 4):
        return ""
    return "; its channels stand first, and in an array they stand last: numpy.moveaxis(array, -3, -1)"


def _on_known_scale(pixels: NDArray[Any], scale: Scale | None) -> tuple[NDArray[Any], Scale | None]:
    """Pixels with their scale; on the scale from 0 to 1 bytes that were divided by 255 are bytes again.

    So a picture that went through torchvision's ``ToTensor`` is predicted as its file is.
    """
    if pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    if not are_floats(pixels.dtype) or scale is not None:
        return pixels, scale
    if pixels.size == 0:
        return pixels, UNIT_SCALE
    bytes_of = np.multiply(pixels, 255, dtype=np.float64)
    whole = np.rint(bytes_of)
    if np.abs(bytes_of - whole).max() <= _BYTE_TOLERANCE:
        return whole.astype(np.uint8), None
    return pixels, UNIT_SCALE
