"""`segment`: the cells of a micrograph as a label image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.cells.segmentation.foreground import MIN_CONTRAST
from headstart.cells.segmentation.label_image import as_labels
from headstart.cells.segmentation.methods import Labels, Plane, SegmentationMethod, find_method
from headstart.cells.segmentation.scale import Scale, estimate_scale
from headstart.cells.segmentation.tiles import segment_tiles
from headstart.errors import InputError, plural

MAX_UNTILED: Final = 4096
TILE: Final = 2048
MIN_SIDE: Final = 8
RADII_DIFFER: Final = 1.6
DENSE: Final = 0.6
SATURATED: Final = 0.02


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Cells of one micrograph.

    Attributes
    ----------
    labels : ndarray of shape (height, width), int32
        0 is background, 1 to `n_cells` the cells: what napari shows as a layer of labels.
    method : str
        Name of the method, or ``"given"`` for a label image of another tool.
    radius : float or None
        Radius of a cell in pixels by which it was segmented; None where nothing stood out, or labels were given.
    notes : tuple of str
        Sentences for the user about what is doubtful.
    """

    labels: Labels
    method: str
    radius: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.labels.max(initial=0))


def segment(
    image: NDArray[Any],
    diameter: float | None = None,
    pixel_um: float | None = None,
    method: str = "local",
    *,
    tile: int | None = None,
) -> Segmentation:
    """Cells of one plane of a fluorescence micrograph: bright on a dark ground.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Whole numbers or floats, without gaps.
    diameter : float, optional
        Diameter of a cell: in micrometres where `pixel_um` is given, else in pixels. Default: estimated.
    pixel_um : float, optional
        Side of a pixel in micrometres.
    method : str
        ``"local"``, ``"otsu"`` or ``"adaptive"``.
    tile : int, optional
        Side of the tiles in pixels. Default: 2,048 for pictures of more than 4,096 pixels across or down, else whole.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        When the picture is no plane, has gaps, or a length is not above 0.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> picture = sum(np.exp(-((y - 32) ** 2 + (x - at) ** 2) / 40) for at in (16, 48))
    >>> segment(100 * picture).n_cells
    2
    """
    plane = checked_plane(image)
    found = find_method(method)
    scale = estimate_scale(plane, found, radius=radius_pixels(diameter, pixel_um))
    if scale is None or scale.contrast < MIN_CONTRAST:
        nothing = np.zeros(plane.shape, dtype=np.int32)
        empty = "nothing stands out from the background: no cells"
        return Segmentation(nothing, method, None, (empty, *_brightness_notes(plane)))
    labels = _labels(plane, found, scale, tile)
    return Segmentation(labels, method, scale.radius, (*_scale_notes(labels, scale), *_brightness_notes(plane)))


def given_labels(labels: NDArray[Any], shape: tuple[int, int], name: str = "label image") -> Segmentation:
    """Label image of Cellpose, StarDist or any other tool, numbered 1, 2, 3.

    Parameters
    ----------
    labels : ndarray of shape (height, width)
        Whole numbers, 0 the background; a cell may have any number.
    shape : tuple of int
        Height and width of the micrograph.
    name : str
        Name of the label image in errors.

    Raises
    ------
    InputError
        When it has another size than the micrograph or is no label image.
    """
    if labels.shape != shape:
        is_size, expected = (" x ".join(f"{side:,}" for side in sides) for sides in (labels.shape, shape))
        raise InputError(f"{name}: a label image of {is_size} pixels for a micrograph of {expected}.")
    if labels.dtype.kind not in "iub":
        raise InputError(
            f"{name}: label images are of whole numbers, 0 for the background; this one is {labels.dtype}."
        )
    if labels.dtype.kind == "i" and labels.min(initial=0) < 0:
        raise InputError(f"{name}: labels are 0 or above; the least here is {labels.min()}.")
    return Segmentation(as_labels(labels), "given")


def checked_plane(image: NDArray[Any], name: str = "picture") -> Plane:
    """A plane as float32.

    Raises
    ------
    InputError
        When it is no plane of numbers, is too small, or has values that are no numbers.
    """
    if image.ndim != 2:
        raise InputError(f"{name}: expected one plane (height, width), got the shape {image.shape}; choose a channel.")
    if image.dtype.kind not in "iufb":
        raise InputError(f"{name}: expected numbers, got {image.dtype}.")
    if min(image.shape) < MIN_SIDE:
        raise InputError(f"{name}: {image.shape[1]} x {image.shape[0]} pixels are too few to find a cell in.")
    if image.dtype.kind == "f":
        n_gaps = int(np.count_nonzero(~np.isfinite(image)))
        if n_gaps:
            pixels = plural(n_gaps, "pixel is", "pixels are")
            raise InputError(f"{name}: {pixels} no finite number (NaN or infinite); fill or crop them.")
    return np.asarray(image, dtype=np.float32)


def radius_pixels(diameter: float | None, pixel_um: float | None) -> float | None:
    """Radius in pixels of a diameter in micrometres, or in pixels where there is no size of a pixel.

    >>> radius_pixels(12.0, 0.5)
    12.0
    """
    for name, length in (("diameter", diameter), ("pixel size", pixel_um)):
        if length is not None and not (np.isfinite(length) and length > 0):
            raise InputError(f"The {name} is {length}; expected a length above 0.")
    if diameter is None:
        return None
    radius = diameter / 2 / (pixel_um or 1.0)
    if radius < 1:
        raise InputError(f"Cells of a radius of {radius:.2g} pixels cannot be told apart; expected at least 1 pixel.")
    return radius


def _labels(plane: Plane, method: SegmentationMethod, scale: Scale, tile: int | None) -> Labels:
    if tile is not None and tile < MIN_SIDE:
        raise InputError(f"A tile of {tile} pixels is too small; expected at least {MIN_SIDE}.")
    side = tile or (TILE if max(plane.shape) > MAX_UNTILED else None)
    if side is None or side >= max(plane.shape):
        return method.cells(method.brightness(plane, scale.radius), scale.radius, scale.threshold)
    return segment_tiles(plane, method, scale, side)


def _scale_notes(labels: Labels, scale: Scale) -> list[str]:
    notes = []
    ratio = max(scale.radius, scale.first_radius) / min(scale.radius, scale.first_radius)
    if ratio > RADII_DIFFER:
        notes.append(
            f"two estimates of a cell's radius differ ({scale.first_radius:.1f} and {scale.radius:.1f} pixels): "
            "look at the preview, and give the diameter"
        )
    covered = float(np.count_nonzero(labels)) / labels.size
    if covered > DENSE:
        notes.append(
            f"cells cover {covered:.0%} of the picture: dense tissue is beyond this method; "
            "take the label image of a tool that was trained for it"
        )
    return notes


def _brightness_notes(plane: Plane) -> list[str]:
    low, middle, high = np.percentile(plane[:: max(1, len(plane) // 1024)], [0.1, 50, 99.9])
    notes = []
    if low < high and np.count_nonzero(plane == plane.max()) > SATURATED * plane.size:
        notes.append("many pixels have the greatest value: overexposed, so brightness tells little there")
    if high - middle < middle - low:
        notes.append("the picture looks inverted (dark cells on a bright ground); invert it if so")
    return notes
