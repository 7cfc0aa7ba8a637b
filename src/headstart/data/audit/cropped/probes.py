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
        self._operators = [_by_parity(_operator(one)) for one in self.maps]

    def __len__(self) -> int:
        return len(self.maps)

    def views(self, low: NDArray[np.float32]) -> NDArray[np.int8]:
        """Descriptions of what every probe shows of pictures in each orientation; see `described`.

        Bit 1 of an orientation mirrors, bit 2 flips, bit 4 exchanges rows and columns before. Mirroring and flipping
        change the signs of some frequencies alone, so that each probe is worked out once for all four of these.

        Returns
        -------
        ndarray of shape (8, n_probes, n_images, 96), int8
        """
        views = np.empty((N_ORIENTATIONS, len(self), len(low), N_NUMBERS), dtype=np.int8)
        upright = low.astype(np.float64).reshape(-1, N_FREQUENCIES, N_FREQUENCIES)
        for exchanged, turned in ((0, upright), (4, upright.swapaxes(1, 2))):
            parts = [turned[:, i::2, j::2].reshape(len(low), -1) for i in (0, 1) for j in (0, 1)]
            for number, operators in enumerate(self._operators):
                even, odd, down, both = (part @ operator for part, operator in zip(parts, operators, strict=True))
                for flipped in (0, 2):
                    same, changed = (even + down, odd + both) if not flipped else (even - down, odd - both)
                    views[exchanged + flipped, number] = _whole(same + changed)
                    views[exchanged + flipped + 1, number] = _whole(same - changed)
        return views


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
    return _whole(low @ _operator(np.eye(2, 3)).T).astype(np.float32)


def _whole(values: Floats) -> Floats:
    lengths = np.sqrt(np.einsum("ij,ij->i", values, values))
    values = values * np.where(lengths > _FLAT, UNIT / np.maximum(lengths, _FLAT), 0.0)[:, None]
    return np.rint(values, out=values)


def _by_parity(operator: Floats) -> list[Floats]:
    """Parts of an operator (36, 96) for frequencies that are even or odd down, and within these across."""
    grid = operator.T.reshape(N_FREQUENCIES, N_FREQUENCIES, N_NUMBERS)
    return [np.ascontiguousarray(grid[i::2, j::2]).reshape(-1, N_NUMBERS) for i in (0, 1) for j in (0, 1)]


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
