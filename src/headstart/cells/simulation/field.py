"""One simulated micrograph: cells with traits, point spread, uneven light, debris, shot noise; exact masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

DISTANCES: Final = {"brightness": 2.75, "size": -1.6, "elongation": -1.0, "granularity": 2.0}
"""Distance of the dead cells' mean from the living ones', in standard deviations, for every trait. Frozen: brightness
alone tells 85 to 90 % of the cells, as benchmarks/cells_assay.py measures."""

RADIUS_PX: Final = 10.0
CAMERA_OFFSET: Final = 100.0
READ_NOISE: Final = 4.0
LIGHT_SPREAD: Final = 0.08  # of a field's exposure, in units of the logarithm
POINT_SPREAD_PX: Final = 1.3
TOUCHING: Final = 0.25
DEBRIS: Final = 0.25  # pieces for each cell
_TRIES: Final = 60


@dataclass(frozen=True)
class FieldSettings:
    """Size of a field, number of its cells, and the chance of each to be dead."""

    side: int
    n_cells: int
    share_dead: float


@dataclass(frozen=True, eq=False)
class SimulatedField:
    """A simulated micrograph and its truth.

    Attributes
    ----------
    image : ndarray of shape (side, side), uint16
    labels : ndarray of shape (side, side), int32
        Exact masks, before point spread and noise; cells that lie wholly under others are left out.
    dead : ndarray of shape (n_cells,), bool
    traits : ndarray of shape (n_cells, 4), float64
        Standardised traits, in the order of `DISTANCES`.
    """

    image: NDArray[np.uint16]
    labels: NDArray[np.int32]
    dead: NDArray[np.bool_]
    traits: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Layers:
    """Light of the cells and their masks, drawn into."""

    light: NDArray[np.float64]
    labels: NDArray[np.int32]


def draw_field(generator: np.random.Generator, settings: FieldSettings) -> SimulatedField:
    """One micrograph drawn with a generator."""
    dead = generator.random(settings.n_cells) < settings.share_dead
    distances = np.array(list(DISTANCES.values()))
    shift = np.where(dead[:, None], 0.5, -0.5) * distances
    traits = shift + generator.normal(size=(settings.n_cells, len(distances)))
    shape = (settings.side, settings.side)
    layers = _Layers(np.zeros(shape), np.zeros(shape, dtype=np.int32))
    centres: list[tuple[float, float, float]] = []
    for number, cell in enumerate(traits, start=1):
        radius = RADIUS_PX * float(np.exp(0.09 * cell[1]))
        y, x = _place(generator, settings.side, radius, centres)
        centres.append((y, x, radius))
        _draw_cell(generator, layers, _Outline(y, x, radius, generator.uniform(0, np.pi)), cell, number)
    _draw_debris(generator, layers.light, round(DEBRIS * settings.n_cells))
    present = np.bincount(layers.labels.ravel(), minlength=settings.n_cells + 1)[1:] > 0
    numbers = np.concatenate([[0], np.cumsum(present) * present]).astype(np.int32)
    return SimulatedField(_exposed(generator, layers.light), numbers[layers.labels], dead[present], traits[present])


def _place(
    generator: np.random.Generator, side: int, radius: float, centres: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """A free place, or one beside another cell; crowded fields may overlap."""
    y, x = generator.uniform(0, side, 2)
    for _ in range(_TRIES):
        y, x = generator.uniform(0, side, 2)
        if centres and generator.random() < TOUCHING:
            near = centres[int(generator.integers(len(centres)))]
            angle = generator.uniform(0, 2 * np.pi)
            y, x = near[0] + (near[2] + radius) * np.sin(angle), near[1] + (near[2] + radius) * np.cos(angle)
        inside = 0 <= y < side and 0 <= x < side
        if inside and all(np.hypot(y - cy, x - cx) > 0.9 * (radius + r) for cy, cx, r in centres[-400:]):
            break
    return float(np.clip(y, 0, side - 1)), float(np.clip(x, 0, side - 1))


@dataclass(frozen=True)
class _Outline:
    """Place and size of a cell, and the angle of its long axis."""

    y: float
    x: float
    radius: float
    angle: float

    def window(self, side: int) -> tuple[slice, slice]:
        reach = int(np.ceil(2.2 * self.radius))
        rows, columns = (slice(max(0, int(at) - reach), min(side, int(at) + reach)) for at in (self.y, self.x))
        return rows, columns

    def distance(self, window: tuple[slice, slice], ratio: float, phases: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from the centre at every pixel, 1 on the outline of a wobbly ellipse."""
        dy, dx = np.mgrid[window]
        dy, dx = dy - self.y, dx - self.x
        along = dx * np.cos(self.angle) + dy * np.sin(self.angle)
        across = dy * np.cos(self.angle) - dx * np.sin(self.angle)
        turn = np.arctan2(across, along)
        wobble = 1 + 0.05 * np.cos(2 * turn + phases[0]) + 0.04 * np.cos(3 * turn + phases[1])
        return np.asarray(np.hypot(along / np.sqrt(ratio), across * np.sqrt(ratio)) / (self.radius * wobble))


def _draw_cell(
    generator: np.random.Generator, layers: _Layers, outline: _Outline, traits: NDArray[np.float64], number: int
) -> None:
    """Draw one cell over what lies there; its traits are brightness, size, elongation and granularity."""
    window = outline.window(len(layers.light))
    ratio = float(np.exp(0.12 + 0.1 * max(-2.0, traits[2])))
    distance = outline.distance(window, ratio, generator.uniform(0, 2 * np.pi, 2))
    grain = ndimage.gaussian_filter(generator.normal(size=distance.shape), 1.6)
    grain /= max(float(grain.std()), 1e-9)
    dome = 0.75 + 0.25 * np.sqrt(np.maximum(0, 1 - distance**2))
    rough = np.maximum(0.1, 1 + 0.16 * np.exp(0.35 * traits[3]) * grain)
    brightness = 420 * np.exp(0.22 * traits[0])
    layers.light[window] = np.where(distance <= 1, brightness * dome * rough, layers.light[window])
    layers.labels[window] = np.where(distance <= 1, number, layers.labels[window])


def _draw_debris(generator: np.random.Generator, light: NDArray[np.float64], n_pieces: int) -> None:
    for _ in range(n_pieces):
        y, x = generator.integers(2, light.shape[0] - 2, 2)
        size = int(generator.integers(1, 3))
        light[y - size : y + size, x - size : x + size] += generator.uniform(80, 500)


def _exposed(generator: np.random.Generator, light: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Light through the microscope: exposure, uneven light, point spread, shot and read noise."""
    side = light.shape[0]
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    tilt = generator.uniform(-0.15, 0.15, 2)
    even = 1 + tilt[0] * rows + tilt[1] * columns - 0.25 * (rows**2 + columns**2)
    exposure = float(np.exp(generator.normal(0, LIGHT_SPREAD)))
    haze = 30 + 0.06 * ndimage.gaussian_filter(light, 12)
    photons = ndimage.gaussian_filter(light + haze, POINT_SPREAD_PX) * even * exposure
    counts = generator.poisson(np.maximum(photons, 0)) + generator.normal(CAMERA_OFFSET, READ_NOISE, light.shape)
    return np.asarray(np.clip(np.rint(counts), 0, 65_535), dtype=np.uint16)
