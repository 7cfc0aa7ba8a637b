"""Colours of pictures in CIE L*a*b*, where equal distances look about equally large: moments and histograms."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

N_BINS: Final = 8
N_CHROMA: Final = 4
_LAB_RANGES: Final = ((0.0, 100.0), (-60.0, 60.0), (-60.0, 60.0))
_XYZ: Final = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""From linear red, green and blue of sRGB to X, Y and Z (IEC 61966-2-1)."""
_WHITE: Final = (0.95047, 1.0, 1.08883)
"""X, Y and Z of daylight D65 (CIE 15:2004)."""
_SHARES_OF_WHITE: Final = (np.array(_XYZ) / np.array(_WHITE)[:, None]).astype(np.float32)
_DARK: Final = np.float32(216 / 24389)
"""Share of white below which lightness is linear (CIE 15:2004)."""
_SLOPE: Final = np.float32(24389 / 27 / 116)


def lab_channels(pixels: NDArray[np.uint8]) -> Singles:
    """CIE L*a*b* of sRGB pixels under daylight D65, as ``skimage.color.rgb2lab`` gives it to float32 rounding.

    A pixel's numbers do not depend on where it lies: all is computed element by element.

    Parameters
    ----------
    pixels : ndarray of shape (n, n_pixels, 3), uint8

    Returns
    -------
    ndarray of shape (3, n, n_pixels), float32
    """
    light = _linear_values()[np.moveaxis(pixels, 2, 0)]
    shares = np.stack([row[0] * light[0] + row[1] * light[1] + row[2] * light[2] for row in _SHARES_OF_WHITE])
    cube_roots = np.exp(np.log(np.maximum(shares, _DARK)) * np.float32(1 / 3))
    x, y, z = np.where(shares > _DARK, cube_roots, shares * _SLOPE + np.float32(16 / 116))
    return np.stack([y * np.float32(116) - np.float32(16), (x - y) * np.float32(500), (y - z) * np.float32(200)])


@functools.cache
def lab_of_greys() -> Singles:
    """CIE L*a*b* of the 256 greys, (3, 256)."""
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
    return np.asarray(lab_channels(greys)[:, 0])


def colours_of_greys(counts: NDArray[np.int64]) -> Floats:
    """Moments and histograms of pictures of whose 256 greys so many pixels are, (n, 256) to (n, 49)."""
    channels, sizes = lab_of_greys(), counts.sum(axis=1, keepdims=True)
    moments = [_weighted_moments(channel, counts / sizes) for channel in channels]
    shares = [counts @ np.eye(n_codes)[codes] / sizes for codes, n_codes in _codes(channels)]
    return np.concatenate([*moments, *shares], axis=1)


def colours_of_pixels(channels: Singles) -> Floats:
    """Moments and histograms of pictures, (3, n, n_pixels) to (n, 49)."""
    shares = [_shares(codes, n_codes) for codes, n_codes in _codes(channels)]
    return np.concatenate([*map(_moments, channels), *shares], axis=1)


def _moments(values: Singles) -> Floats:
    """Mean, deviation and skewness of each row, (n, 3)."""
    mean = values.mean(axis=1, dtype=np.float64)
    centred = values - mean[:, None].astype(np.float32)
    squares = centred * centred
    deviation = np.sqrt(squares.mean(axis=1, dtype=np.float64))
    skewness = (squares * centred).mean(axis=1, dtype=np.float64) / np.maximum(deviation, 1e-3) ** 3
    return np.stack([mean, deviation, skewness], axis=1)


def _weighted_moments(values: Singles, weights: Floats) -> Floats:
    """The same of values of which every row has such shares, (n, 3)."""
    mean = (weights * values).sum(axis=1)
    centred = values - mean[:, None]
    deviation = np.sqrt((weights * centred**2).sum(axis=1))
    skewness = (weights * centred**3).sum(axis=1) / np.maximum(deviation, 1e-3) ** 3
    return np.stack([mean, deviation, skewness], axis=1)


def _codes(channels: Singles) -> list[tuple[NDArray[np.uint8], int]]:
    """Bin of each channel's values, and of a* and b* together, each with the number of bins."""
    found = [(_binned(channels[place], N_BINS, _LAB_RANGES[place]), N_BINS) for place in range(3)]
    first, second = (_binned(channels[place], N_CHROMA, _LAB_RANGES[place]) for place in (1, 2))
    return [*found, (first * np.uint8(N_CHROMA) + second, N_CHROMA**2)]


@functools.cache
def _linear_values() -> Singles:
    """Linear light of the 256 values of an sRGB channel (IEC 61966-2-1)."""
    values = np.arange(256) / 255
    return np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92).astype(np.float32)


def _binned(values: Singles, n_bins: int, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Bin of every value; what lies outside the limits goes into the outermost."""
    low, high = limits
    places = (values - np.float32(low)) * np.float32(n_bins / (high - low))
    return np.asarray(np.clip(places, 0, n_bins - 1), dtype=np.uint8)


def _shares(codes: NDArray[np.integer[Any]], n_codes: int) -> Floats:
    """Share of every code in each row, (n, n_codes)."""
    return np.asarray(np.stack([np.bincount(row, minlength=n_codes) for row in codes]) / codes.shape[1])
