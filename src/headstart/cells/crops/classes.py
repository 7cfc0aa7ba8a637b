"""Classes of cells: from folders, a table of centroids, label images with classes, or a second dye."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.cells.micrographs.read import check_channel
from headstart.errors import InputError
from headstart.runtime.csv_cells import restored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.cells.micrographs.kept import FoundCells

COLUMNS: Final = ("image", "y", "x", "class")
REACH: Final = 1.5
"""Distance from a centroid, in radii of its cell, up to which a point outside every cell means that one."""
UNKNOWN: Final = ""
_FARTHEST: Final = 1e9
"""Pixels beyond which no picture reaches; no number, NaN, is below it."""


@dataclass(frozen=True, eq=False)
class ClassPoints:
    """Points on one micrograph and the class of the cell at each.

    Attributes
    ----------
    y, x : ndarray of shape (n_points,), float64
        In pixels.
    names : list of str
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    names: list[str]


def read_class_points(path: Path) -> dict[str, ClassPoints]:
    """Points of every micrograph, from a CSV with the columns image, y, x (pixels) and class.

    Raises
    ------
    InputError
        When the file is missing, lacks a column, or a position is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path} lacks the column {missing[0]}; expected {', '.join(COLUMNS)}.")
            rows = [
                (restored(row["image"] or ""), *_position(path, row), restored((row["class"] or "").strip()))
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table of classes ({error}).") from error
    found: dict[str, list[tuple[float, float, str]]] = {}
    for image, y, x, name in rows:
        found.setdefault(image, []).append((y, x, name))
    return {
        image: ClassPoints(
            np.array([y for y, _, _ in points]), np.array([x for _, x, _ in points]), [c for *_, c in points]
        )
        for image, points in found.items()
    }


def _position(path: Path, row: Mapping[str, Any]) -> tuple[float, float]:
    with suppress(TypeError, ValueError, OverflowError):
        y, x = float(row["y"]), float(row["x"])
        if abs(y) < _FARTHEST and abs(x) < _FARTHEST:
            return y, x
    raise InputError(f"{path}: y {row['y']!r} and x {row['x']!r} are no position in pixels.")


def classes_at_points(segmented: FoundCells, points: ClassPoints | None) -> list[str]:
    """Class of every cell: that of the point in it, or nearest outside all cells; empty for a cell without a point.

    A cell with points of two classes has none: it is two cells that were not told apart.
    """
    table = segmented.table
    claims: list[set[str]] = [set() for _ in range(len(table))]
    if points is None or not len(table):
        return [UNKNOWN] * len(table)
    labels = segmented.labels
    rows, columns = np.rint(points.y).astype(np.int64), np.rint(points.x).astype(np.int64)
    beyond = (rows < 0) | (rows >= labels.shape[0]) | (columns < 0) | (columns >= labels.shape[1])
    inside = np.where(beyond, 0, labels[np.where(beyond, 0, rows), np.where(beyond, 0, columns)])
    counts = np.maximum(np.bincount(labels.ravel(), minlength=len(table) + 1)[1:], 1)
    radii = np.sqrt(counts / np.pi)
    for point, (label, name) in enumerate(zip(inside.tolist(), points.names, strict=True)):
        if label == 0:
            distance = np.hypot(table.y - points.y[point], table.x - points.x[point])
            nearest = int(distance.argmin())
            label = nearest + 1 if distance[nearest] <= REACH * radii[nearest] else 0  # noqa: PLW2901  # found outside
        if label:
            claims[label - 1].add(name)
    return [claim.pop() if len(claim) == 1 else UNKNOWN for claim in claims]


def classes_of_labels(segmented: FoundCells, codes: NDArray[Any], names: Sequence[str], source: str) -> list[str]:
    """Class of every cell from an image of classes: the code that most of its pixels have; empty for none.

    Parameters
    ----------
    segmented : SegmentedMicrograph or KeptMicrograph
    codes : ndarray of shape (height, width)
        0 for no class, 1 for the first of `names`, 2 for the second.
    names : sequence of str
    source : str
        Name of the image in errors.

    Raises
    ------
    InputError
        When the size is another, or there is a code without a name.
    """
    labels = segmented.labels
    if codes.shape != labels.shape:
        raise InputError(f"{source}: an image of classes of the size {codes.shape} for a micrograph of {labels.shape}.")
    highest = int(codes.max(initial=0))
    if highest > len(names) or codes.min(initial=0) < 0:
        raise InputError(f"{source} has the class {highest}; name every class: --class-names living,dead.")
    n_names = len(names) + 1
    votes = np.bincount(
        labels.ravel() * n_names + codes.ravel().astype(np.int64), minlength=(labels.max() + 1) * n_names
    )
    votes = votes.reshape(-1, n_names)[1:]
    best = votes[:, 1:].argmax(axis=1)
    seen = votes[:, 1:].max(axis=1) > votes[:, 0]
    return [names[code] if has else UNKNOWN for code, has in zip(best.tolist(), seen.tolist(), strict=True)]


def classes_by_folder(name: str) -> str:
    """Class of all cells of a micrograph in a folder of classes: its first folder.

    >>> classes_by_folder("dead/plate1/a.tif")
    'dead'
    """
    folder, slash, _ = name.partition("/")
    if not slash:
        raise InputError(
            f"{name} lies in no folder; put micrographs into one folder for each class, or name --classes."
        )
    return folder


def dye_threshold(micrographs: Sequence[FoundCells], channel: str) -> float:
    """Brightness of a second dye that parts its cells, by Otsu over all cells' means.

    Raises
    ------
    InputError
        When a channel is missing or all cells are alike.
    """
    from headstart.cells.segmentation.foreground import otsu_threshold

    for one in micrographs:
        check_channel(one.name, channel, one.channels)
    means = np.concatenate([one.table.columns[f"mean_{channel}"] for one in micrographs])
    if not len(means) or means.min() == means.max():
        raise InputError(f"Channel {channel!r} does not part the cells: all are alike; state --dye-above.")
    return otsu_threshold(means)


def classes_by_dye(segmented: FoundCells, channel: str, above: float, names: Sequence[str]) -> list[str]:
    """Class of every cell by its mean brightness in a channel: the second name above the threshold, else the first.

    Raises
    ------
    InputError
        When the channel is missing.
    """
    check_channel(segmented.name, channel, segmented.channels)
    return [names[int(mean > above)] for mean in segmented.table.columns[f"mean_{channel}"]]


def check_both_classes(names: Sequence[str]) -> None:
    """Refuse cells that are all of one class, or have none.

    Raises
    ------
    InputError
    """
    found = sorted({name for name in names if name != UNKNOWN})
    if len(found) < 2:
        what = f"All labelled cells are {found[0]}" if found else "No cell has a class"
        raise InputError(f"{what}; training needs cells of at least two classes.")
