"""Area, shape, intensity and texture of every cell, for all cells of a micrograph at once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from headstart.cells.cell_table import CellTable
from headstart.errors import InputError

Floats = NDArray[np.float64]

SHAPE: Final = ("area", "perimeter", "form_factor", "major_axis", "minor_axis", "eccentricity", "extent")
INTENSITY: Final = ("mean", "std", "min", "max", "sum", "edge_mean", "texture_fine", "texture_coarse")
"""Columns of each channel; their names end in the channel's, as in ``mean_dapi``."""
_FINE: Final = 1.0
_COARSE: Final = 3.0


def measure_cells(
    labels: NDArray[np.int32], channels: Mapping[str, NDArray[Any]], *, pixel_um: float | None = None
) -> CellTable:
    """Measured table of a label image.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int32
        0 is background; every number from 1 to the highest stands for one cell.
    channels : mapping of str to ndarray of shape (height, width)
        Planes by the name of their channel.
    pixel_um : float, optional
        Side of a pixel in micrometres; areas and lengths are then in micrometres, else in pixels.

    Returns
    -------
    CellTable
        With the columns of `SHAPE`, and those of `INTENSITY` for each channel. Axes are those of the ellipse with the
        same second moments; the perimeter counts crossings of lines in four directions (Crofton). Texture is the mean
        distance, in absolute value, from a Gaussian blur of 1 and 3 pixels, as a share of the mean.

    Raises
    ------
    InputError
        When a channel has another size than the label image.

    Examples
    --------
    >>> labels = np.zeros((6, 8), dtype=np.int32)
    >>> labels[1:4, 2:7] = 1
    >>> table = measure_cells(labels, {"dapi": labels * 7})
    >>> {name: round(float(table.columns[name][0]), 2) for name in ("area", "extent", "mean_dapi")}
    {'area': 15.0, 'extent': 1.0, 'mean_dapi': 7.0}
    """
    for name, plane in channels.items():
        if plane.shape != labels.shape:
            raise InputError(f"Channel {name!r} has the shape {plane.shape}; the label image {labels.shape}.")
    n_cells = int(labels.max(initial=0))
    inside = np.flatnonzero(labels)
    owner = labels.ravel()[inside].astype(np.int64) - 1
    rows, columns = np.divmod(inside, labels.shape[1])
    n_pixels = np.maximum(np.bincount(owner, minlength=n_cells), 1).astype(np.float64)
    y, x = _sum(owner, rows, n_cells) / n_pixels, _sum(owner, columns, n_cells) / n_pixels
    box = _boxes(owner, rows, columns, n_cells)
    beside, at_corners = (count.ravel()[inside] for count in _differing(labels))
    scale = pixel_um or 1.0
    measured = _shape(n_pixels, _moments(owner, rows - y[owner], columns - x[owner], n_pixels), box, scale)
    crossings = _sum(owner, beside, n_cells) + _sum(owner, at_corners, n_cells) / np.sqrt(2)
    perimeter = np.pi / 8 * crossings
    measured["perimeter"] = perimeter * scale
    measured["form_factor"] = 4 * np.pi * n_pixels / np.maximum(perimeter, 1) ** 2
    ordered = {name: measured[name] for name in SHAPE}
    on_edge = beside > 0
    for name, plane in channels.items():
        found = _intensity(plane, inside, owner, on_edge, n_pixels)
        ordered.update({f"{column}_{name}": found[column] for column in INTENSITY})
    return CellTable(np.arange(1, n_cells + 1), y, x, box, ordered)


def _sum(owner: NDArray[np.int64], values: NDArray[Any], n_cells: int) -> Floats:
    return np.bincount(owner, values, minlength=n_cells).astype(np.float64)


def _boxes(owner: NDArray[np.int64], rows: NDArray[Any], columns: NDArray[Any], n_cells: int) -> NDArray[np.int64]:
    box = np.zeros((n_cells, 4), dtype=np.int64)
    box[:, :2] = np.iinfo(np.int64).max
    for place, values in enumerate((rows, columns)):
        np.minimum.at(box[:, place], owner, values)
        np.maximum.at(box[:, place + 2], owner, values + 1)
    return box


def _differing(labels: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Number of neighbours of every pixel with another label, or beyond the border: beside it, and at its corners."""
    padded = np.pad(labels, 1)
    counts = np.zeros((2, *labels.shape), dtype=np.uint8)
    for dy, dx in itertools.product((-1, 0, 1), repeat=2):
        if dy or dx:
            neighbour = padded[1 + dy : 1 + dy + labels.shape[0], 1 + dx : 1 + dx + labels.shape[1]]
            counts[abs(dy * dx)] += neighbour != labels
    return counts[0], counts[1]


def _moments(owner: NDArray[np.int64], dy: Floats, dx: Floats, n_pixels: Floats) -> tuple[Floats, Floats, Floats]:
    """Second central moments: down, across, mixed."""
    products = (dy * dy, dx * dx, dy * dx)
    yy, xx, yx = (_sum(owner, product, len(n_pixels)) / n_pixels for product in products)
    return yy, xx, yx


def _shape(
    n_pixels: Floats, moments: tuple[Floats, Floats, Floats], box: NDArray[np.int64], scale: float
) -> dict[str, Floats]:
    yy, xx, yx = moments
    middle, spread = (yy + xx) / 2, np.sqrt(((yy - xx) / 2) ** 2 + yx**2)
    major, minor = 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 0))
    sides = (box[:, 2:] - box[:, :2]).astype(np.float64)
    return {
        "area": n_pixels * scale**2,
        "major_axis": major * scale,
        "minor_axis": minor * scale,
        "eccentricity": np.sqrt(np.maximum(0, 1 - (minor / np.maximum(major, 1e-12)) ** 2)),
        "extent": n_pixels / np.maximum(sides.prod(axis=1), 1),
    }


def _intensity(
    plane: NDArray[Any],
    inside: NDArray[np.int64],
    owner: NDArray[np.int64],
    on_edge: NDArray[np.bool_],
    n_pixels: Floats,
) -> dict[str, Floats]:
    n_cells = len(n_pixels)
    image = plane.astype(np.float32)
    values = image.ravel()[inside].astype(np.float64)
    total = _sum(owner, values, n_cells)
    mean = total / n_pixels
    low, high = np.full(n_cells, np.inf), np.full(n_cells, -np.inf)
    np.minimum.at(low, owner, values)
    np.maximum.at(high, owner, values)
    n_edge = np.maximum(np.bincount(owner, on_edge, minlength=n_cells), 1)
    found = {
        "mean": mean,
        "std": np.sqrt(_sum(owner, (values - mean[owner]) ** 2, n_cells) / n_pixels),
        "min": low,
        "max": high,
        "sum": total,
        "edge_mean": _sum(owner, values * on_edge, n_cells) / n_edge,
    }
    for name, sigma in (("texture_fine", _FINE), ("texture_coarse", _COARSE)):
        rough = np.abs(image - ndimage.gaussian_filter(image, sigma)).ravel()[inside]
        found[name] = _sum(owner, rough, n_cells) / n_pixels / np.maximum(np.abs(mean), 1e-12)
    return found
