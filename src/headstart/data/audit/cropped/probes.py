"""Crops, small turns and orientations in which thumbnails are held against each other, by their low frequencies."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from headstart.data.audit.cropped.registration import disc, pixel_grid
from headstart.data.audit.perceptual_hash import SIDE

N_FREQUENCIES: Final = 12  # of each direction
_N_SIDE: Final = 16  # places along each side at which two pictures are compared
N_NUMBERS: Final = 96
_BATCH: Final = 1_024  # thumbnails transformed at a time
UNIT: Final = 127
"""Length of a description. They are whole numbers, so that sums of their products are exact on every processor."""
_FLAT: Final = 16.0  # length of what differs from the mean below which a picture shows nothing

_GRID: Final = ((1.0, (0.0,), (-10, 0, 10)), (0.85, (-0.05, 0.05), (-9, 0, 9)))
"""Sides of the crop, places of its middle in both directions, angles in degrees."""

N_ORIENTATIONS: Final = 8
Floats = NDArray[np.float64]
LowFrequencies = NDArray[np.float32] | Floats


@cache
def probes() -> Probes:
    """Probes of which one is near enough to any crop and small turn to find it among the pictures most alike."""
    return Probes()


class Probes:
    """Crops and turns of a picture, as maps and as matrices on its low frequencies.

    Attributes
    ----------
    maps : ndarray of shape (n_probes, 2, 3)
        From places in the crop (row, column, 1; from -0.5 to 0.5) to places in the picture.
    """

    def __init__(self) -> None:
        self.maps = np.array(
            [
                _warp(side, np.deg2rad(angle), row, column)
                for side, places, angles in _GRID
                for row in places
                for column in places
                for angle in angles
            ]
        )
        self._operators = [_operator(one) for one in self.maps]

    def __len__(self) -> int:
        return len(self.maps)

    def described(self, low: LowFrequencies, number: int) -> NDArray[np.float32]:
        """Descriptions of what a probe shows of some pictures; see `described`."""
        return _whole(low @ self._operators[number].T)


def oriented(low: LowFrequencies, orientation: int) -> Floats:
    """Low frequencies of pictures in an orientation: bit 1 mirrors, bit 2 flips, bit 4 exchanges rows and columns."""
    signs = (-1.0) ** np.arange(N_FREQUENCIES)
    turned = low.reshape(len(low), N_FREQUENCIES, N_FREQUENCIES)
    turned = turned.swapaxes(1, 2) if orientation & 4 else turned
    turned = turned * signs[:, None] if orientation & 2 else turned
    turned = turned * signs if orientation & 1 else turned
    return np.asarray(turned.reshape(len(low), -1), dtype=np.float64)


def orientation_matrix(orientation: int) -> Floats:
    """Matrix (2, 2) from places in the picture in its orientation to places in the picture as it is."""
    turned = np.diag([-1.0 if orientation & 2 else 1.0, -1.0 if orientation & 1 else 1.0])
    return turned[::-1] if orientation & 4 else turned


def _warp(side: float, angle: float, row: float, column: float) -> Floats:
    cosine, sine = side * np.cos(angle), side * np.sin(angle)
    return np.array([[cosine, -sine, row], [sine, cosine, column]])


def low_frequencies(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cosine transform of thumbnails, its lowest 12 x 12 frequencies, shape (n_images, 144)."""
    low = np.empty((len(thumbnails), N_FREQUENCIES**2), dtype=np.float32)
    for start in range(0, len(thumbnails), _BATCH):
        part = dctn(thumbnails[start : start + _BATCH].astype(np.float64), axes=(1, 2), norm="ortho")
        low[start : start + _BATCH] = part[:, :N_FREQUENCIES, :N_FREQUENCIES].reshape(len(part), -1)
    return low


def described(low: LowFrequencies) -> NDArray[np.float32]:
    """Whole numbers that tell pictures, of length 127 each; 0 where one is flat.

    The product of two of them is 127 squared times the correlation of both pictures inside a disc. No sum of it leaves
    the numbers that single precision holds exactly.
    """
    return _whole(low @ _operator(np.eye(2, 3)).T)


def _whole(values: Floats) -> NDArray[np.float32]:
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    whole = np.round(UNIT * values / np.maximum(lengths, _FLAT))
    return np.where(lengths > _FLAT, whole, 0).astype(np.float32)


def _operator(probe: Floats) -> Floats:
    """Matrix (96, 144) from low frequencies to what a probe sees inside the disc, less its mean."""
    return np.asarray(_main_directions().T @ _seen(probe))


@cache
def _main_directions() -> Floats:
    return np.asarray(np.linalg.svd(_seen(np.eye(2, 3)), full_matrices=False)[0][:, :N_NUMBERS])


def _seen(probe: Floats) -> Floats:
    rows, columns = (one.ravel() for one in pixel_grid(_N_SIDE))
    weights = disc(_N_SIDE).ravel()
    at = probe[:, :2] @ np.stack([rows, columns]) + probe[:, 2:]  # (2, places)
    down, across = (_cosines(one) for one in at)
    values = (down[:, :, None] * across[:, None, :]).reshape(len(rows), -1)
    return np.asarray(np.sqrt(weights)[:, None] * (values - (weights @ values) / weights.sum()))


def _cosines(at: Floats) -> Floats:
    """Basis of the cosine transform at some places; beyond the edge it runs on mirrored."""
    frequencies = np.arange(N_FREQUENCIES)
    scale = np.where(frequencies == 0, np.sqrt(1 / SIDE), np.sqrt(2 / SIDE))
    return np.asarray(scale * np.cos(np.pi * frequencies * (at[:, None] + 0.5)))
