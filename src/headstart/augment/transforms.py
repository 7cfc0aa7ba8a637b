"""Small seeded changes of an image's geometry and tones, within stated ranges."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[Any]  # (height, width, channels), uint8 or float32, both from 0 to 255

_LUMA: Final = (np.float32(0.299), np.float32(0.587), np.float32(0.114))  # of red, green and blue, ITU-R BT.601


@dataclass(frozen=True)
class Ranges:
    """Ranges of random changes; each value is drawn uniformly, factors on a logarithmic scale.

    Attributes
    ----------
    rotation_deg : float
        Turned by at most so many degrees to either side.
    zoom : (float, float)
        Factors; above 1 the edges are cut off, below 1 the picture is continued by its mirror image.
    shift : float
        Moved by at most this share of width and height.
    gamma, brightness, contrast, saturation : (float, float)
        Factors; contrast about the picture's own mean, brightness and contrast on gamma-coded values.
    tint : (float, float)
        Factors of each colour channel on its own.
    blur_px : float
        Largest standard deviation of a Gaussian blur, in pixels of a picture 224 wide.
    noise : float
        Largest standard deviation of the noise, in steps of 1/255.
    """

    rotation_deg: float = 10.0
    zoom: tuple[float, float] = (0.9, 1.2)
    shift: float = 0.05
    gamma: tuple[float, float] = (0.8, 1.25)
    brightness: tuple[float, float] = (0.85, 1.18)
    contrast: tuple[float, float] = (0.8, 1.25)
    saturation: tuple[float, float] = (0.7, 1.4)
    tint: tuple[float, float] = (0.95, 1.05)
    blur_px: float = 0.8
    noise: float = 4.0

    @property
    def reach(self) -> float:
        """How far outside the picture a view may look, as a share of its longer side; 0.3 for the usual ranges."""
        angle = math.radians(min(self.rotation_deg, 45.0))  # a corner reaches farthest along an axis at 45 degrees
        corner = (math.cos(angle) + math.sin(angle)) / (2 * min(self.zoom[0], 1.0))
        return max(0.3, corner - 0.5 + self.shift + 0.01)


RANGES: Final = Ranges()


class PortableRandom:
    """Random numbers seeded by a text; made of raw bits alone, so that they stay the same under any numpy."""

    def __init__(self, text: str) -> None:
        entropy = int.from_bytes(hashlib.sha256(text.encode()).digest(), "little")
        self._bits = np.random.PCG64(entropy)

    def uniform(self, low: float, high: float) -> float:
        """Number drawn uniformly from [low, high)."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def log_uniform(self, limits: tuple[float, float]) -> float:
        """Factor drawn uniformly on a logarithmic scale."""
        return math.exp(self.uniform(math.log(limits[0]), math.log(limits[1])))

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Nearly normal numbers of mean 0 and deviation 1: sums of four bytes, within 3.5 deviations."""
        n_words = -(-math.prod(shape) // 2)
        drawn = np.asarray(self._bits.random_raw(n_words), dtype="<u8").view(np.uint8).reshape(-1, 4)
        sums = drawn.sum(axis=1, dtype=np.float32)[: math.prod(shape)]
        scaled: NDArray[np.float32] = (sums - np.float32(510)) / np.float32(math.sqrt(4 * (256**2 - 1) / 12))
        return scaled.reshape(shape)


def geometric_transform(pixels: Pixels, draws: PortableRandom, ranges: Ranges = RANGES) -> Pixels:
    """Image rotated, zoomed and shifted about its centre; beyond its edges it goes on as its mirror image."""
    height, width = pixels.shape[:2]
    angle = math.radians(draws.uniform(-ranges.rotation_deg, ranges.rotation_deg))
    zoom = draws.log_uniform(ranges.zoom)
    across = draws.uniform(-ranges.shift, ranges.shift) * width
    down = draws.uniform(-ranges.shift, ranges.shift) * height
    margin = math.ceil(ranges.reach * max(height, width)) + 2  # nothing any view asks for lies farther outside
    wide = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    left = margin + width / 2 + across - cosine * width / 2 - sine * height / 2
    top = margin + height / 2 + down + sine * width / 2 - cosine * height / 2
    terms = (cosine, sine, left, -sine, cosine, top)  # from a point of the view to one of the wide picture

    def moved(picture: Image.Image) -> Image.Image:
        return picture.transform((width, height), Image.Transform.AFFINE, terms, Image.Resampling.BICUBIC)

    return _by_pillow(wide, moved)


def photometric_transform(pixels: Pixels, draws: PortableRandom, ranges: Ranges = RANGES) -> Pixels:
    """Image with changed gamma, brightness, contrast, colour, blur and noise; a grey one stays grey.

    Channels that are not three have no colour that could be changed; each is tinted on its own.
    """
    grey = bool((pixels == pixels[..., :1]).all())
    curves = _curves(float(pixels.mean()), draws, ranges, pixels.shape[2], tinted=not grey)
    saturation = np.float32(draws.log_uniform(ranges.saturation))
    toned = np.stack([_along(curve, pixels[..., channel]) for channel, curve in enumerate(curves)], axis=2)
    if not grey and pixels.shape[2] == 3:
        red, green, blue = (weight * toned[..., [channel]] for channel, weight in enumerate(_LUMA))
        luma = red + green + blue
        toned = luma + saturation * (toned - luma)
    blurred = _blurred(_limited(toned, pixels.dtype), draws.uniform(0, ranges.blur_px))
    strength = np.float32(draws.uniform(0, ranges.noise))
    noise = strength * draws.normal((*pixels.shape[:2], 1 if grey else pixels.shape[2]))
    return _limited(blurred.astype(np.float32) + noise, pixels.dtype)


def _by_pillow(pixels: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """Pixels after a change of Pillow's: three channels of bytes together, others one by one."""
    if pixels.shape[2] == 3 and pixels.dtype == np.uint8:
        return np.array(change(Image.fromarray(pixels)), dtype=np.uint8)
    planes = [np.array(change(Image.fromarray(plane))) for plane in np.ascontiguousarray(np.moveaxis(pixels, 2, 0))]
    clipped: Pixels = np.clip(np.stack(planes, axis=2), 0, 255)
    return clipped


def _along(curve: NDArray[np.float32], values: Pixels) -> NDArray[np.float32]:
    """Values of a curve that is given at the whole numbers from 0 to 255."""
    if values.dtype == np.uint8:
        return np.asarray(curve[values])
    return np.interp(values, np.arange(256), curve).astype(np.float32)


def _curves(
    mean: float, draws: PortableRandom, ranges: Ranges, n_channels: int, *, tinted: bool
) -> NDArray[np.float32]:
    """New value of each of the 256 values, of shape (n_channels, 256), before clipping."""
    gamma, brightness, contrast = (
        draws.log_uniform(limits) for limits in (ranges.gamma, ranges.brightness, ranges.contrast)
    )
    tint = np.array([draws.log_uniform(ranges.tint) for _ in range(n_channels)]) if tinted else np.ones(n_channels)

    def bright(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.power(values / 255, gamma) * 255 * brightness

    middle = bright(np.array([mean]))
    curve = middle + contrast * (bright(np.arange(256.0)) - middle)
    return np.asarray(tint[:, None] * curve, dtype=np.float32)


def _blurred(pixels: Pixels, radius_px: float) -> Pixels:
    scaled = radius_px * pixels.shape[1] / 224
    if pixels.dtype != np.uint8:  # Pillow blurs bytes alone
        from scipy.ndimage import gaussian_filter

        return np.asarray(gaussian_filter(pixels, (scaled, scaled, 0), mode="nearest"))
    return _by_pillow(pixels, lambda picture: picture.filter(ImageFilter.GaussianBlur(scaled)))


def _limited(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
    """Values clipped to 0..255, and rounded where they become bytes."""
    clipped = np.clip(values, 0, 255)
    return (np.floor(clipped + np.float32(0.5)) if dtype == np.uint8 else clipped).astype(dtype)
