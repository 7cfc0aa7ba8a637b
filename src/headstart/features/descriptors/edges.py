"""Edges of grey pictures: how strong they are, and which way they run in every cell."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

N_ORIENTATIONS: Final = 8
_DIRECTIONS: Final = tuple(
    (np.float32(math.cos(place * math.pi / 8)), np.float32(math.sin(place * math.pi / 8))) for place in (1, 2, 3)
)
_NEGLIGIBLE: Final = 1e-5


def edge_strength(grey: NDArray[np.uint8]) -> Singles:
    """Length of the gradient of brightness (0 to 1) from pixel to pixel, as ``numpy.gradient`` has it.

    Parameters
    ----------
    grey : ndarray of shape (n, height, width), uint8

    Returns
    -------
    ndarray of shape (n, height, width), float32
    """
    down, across = _differences(grey, 1), _differences(grey, 2)
    return np.asarray(np.sqrt(down * down + across * across) * np.float32(1 / 510))


def orientations_by_cell(grey: NDArray[np.uint8], n_cells: int) -> Floats:
    """Histograms of oriented gradients of n x n cells, each of length 1: as ``skimage.feature.hog`` gives them.

    Parameters
    ----------
    grey : ndarray of shape (n, height, width), uint8
        Both sides a multiple of `n_cells`.
    n_cells : int

    Returns
    -------
    ndarray of shape (n, n_cells ** 2, 8), float64
    """
    down, across = _differences(grey, 1), _differences(grey, 2)
    down[:, [0, -1]], across[:, :, [0, -1]] = 0, 0  # at the edge there is no other side
    strength = np.sqrt(down * down + across * across)
    codes = _orientations(down, across) + _first_codes(*grey.shape[1:], n_cells)
    n_codes = n_cells**2 * N_ORIENTATIONS
    pictures = zip(codes.reshape(len(grey), -1), strength.reshape(len(grey), -1), strict=True)
    summed = np.stack([np.bincount(of, lengths, minlength=n_codes) for of, lengths in pictures])
    means = summed.reshape(len(grey), n_cells**2, N_ORIENTATIONS) * (n_cells**2 / strength[0].size / 255)
    return np.asarray(means / np.sqrt((means**2).sum(axis=2, keepdims=True) + _NEGLIGIBLE**2))


@functools.lru_cache
def _first_codes(height: int, width: int, n_cells: int) -> NDArray[np.intp]:
    """Place of every pixel's cell among the histograms of all, (height, width)."""
    down, across = (np.arange(side) * n_cells // side for side in (height, width))
    return np.asarray((down[:, None] * n_cells + across) * N_ORIENTATIONS, dtype=np.intp)


def _differences(grey: NDArray[np.uint8], axis: int) -> Singles:
    """Brightness of the next pixel less that of the one before; at the edges twice that from pixel to pixel."""
    values = grey.astype(np.float32)
    found = np.empty_like(values)
    shown, out = np.moveaxis(values, axis, 0), np.moveaxis(found, axis, 0)
    np.subtract(shown[2:], shown[:-2], out=out[1:-1])
    out[0], out[-1] = 2 * (shown[1] - shown[0]), 2 * (shown[-1] - shown[-2])
    return found


def _orientations(down: Singles, across: Singles) -> NDArray[np.uint8]:
    """Which of eight parts of half a turn every gradient points into; one and its opposite into the same.

    A direction lies beyond another where their cross product is not negative: no angle is computed, and whole numbers
    are exact.
    """
    across = np.where(down < 0, -across, np.where(down > 0, across, np.abs(across)))
    down = np.abs(down)
    found = (across <= 0).view(np.uint8)
    for cosine, sine in _DIRECTIONS:
        along, beside = down * cosine, across * sine
        found += (along >= beside).view(np.uint8)
        found += (along + beside <= 0).view(np.uint8)
    return found
