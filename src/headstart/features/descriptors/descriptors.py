"""Colour, texture and edges of pictures as numbers: what an image analyst measured before there were deep networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from headstart.features.descriptors.colours import (
    N_BINS,
    N_CHROMA,
    colours_of_greys,
    colours_of_pixels,
    lab_channels,
    lab_of_greys,
)
from headstart.features.descriptors.edges import N_ORIENTATIONS, edge_strength, orientations_by_cell
from headstart.features.descriptors.local_patterns import local_patterns
from headstart.features.descriptors.texture import DISTANCES, HARALICK, co_occurrence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

SIDE: Final = 128
"""Pixels a side that pictures are brought to first: texture means the same at any input size, and costs the same."""
VERSION: Final = 2
N_CELLS: Final = 4
_AT_ONCE: Final = 8
"""Pictures that every step takes together: more at a time leave the processor's cache."""
_PATTERNS: Final = ((8, 1), (16, 2))
_QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Descriptors of pictures, in the order of `descriptor_names`; those of one do not depend on the others.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, 3), uint8
        Prepared as for the network; of a grey picture three equal channels.

    Returns
    -------
    ndarray of shape (n, n_descriptors), float32

    References
    ----------
    T. Ojala, M. Pietikäinen, T. Mäenpää, "Multiresolution gray-scale and rotation invariant texture classification with
    local binary patterns", IEEE TPAMI 24, 2002, 971-987. DOI 10.1109/TPAMI.2002.1017623
    R. M. Haralick, K. Shanmugam, I. Dinstein, "Textural features for image classification", IEEE Transactions on
    Systems, Man, and Cybernetics SMC-3, 1973, 610-621. DOI 10.1109/TSMC.1973.4309314
    N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005. DOI 10.1109/CVPR.2005.177
    """
    found = np.empty((len(pixels), len(descriptor_names())), dtype=np.float32)
    is_grey = (pixels[..., :1] == pixels[..., 1:]).all(axis=(1, 2, 3))
    for chosen, description in ((np.flatnonzero(is_grey), _of_grey), (np.flatnonzero(~is_grey), _of_colour)):
        for start in range(0, len(chosen), _AT_ONCE):
            rows = chosen[start : start + _AT_ONCE]
            found[rows] = description(pixels[rows])
    return found


def descriptor_names() -> list[str]:
    """Names of the descriptors, in order.

    >>> len(descriptor_names()), descriptor_names()[0]
    (276, 'L* mean')
    """
    channels = ("L*", "a*", "b*")
    moments = [f"{channel} {name}" for channel in channels for name in ("mean", "deviation", "skewness")]
    shares = [f"{channel} bin {place}" for channel in channels for place in range(N_BINS)]
    chroma = [f"a* bin {first}, b* bin {second}" for first in range(N_CHROMA) for second in range(N_CHROMA)]
    patterns = [f"local pattern {n},{radius}: {code}" for n, radius in _PATTERNS for code in range(n + 2)]
    texture = [
        f"co-occurrence {name} at {distance}, {part}"
        for name in HARALICK
        for distance in DISTANCES
        for part in ("mean", "range")
    ]
    spread = ["gradient mean", "gradient deviation", *(f"gradient quantile {share:g}" for share in _QUANTILES)]
    cells = [
        f"gradients of cell {row},{column}, orientation {place}"
        for row in range(N_CELLS)
        for column in range(N_CELLS)
        for place in range(N_ORIENTATIONS)
    ]
    whole = [f"gradients, orientation {place}" for place in range(N_ORIENTATIONS)]
    average = [f"gradient energy of cell {row},{column}" for row in range(N_CELLS) for column in range(N_CELLS)]
    lightness = [f"L* of cell {row},{column}" for row in range(N_CELLS) for column in range(N_CELLS)]
    return [*moments, *shares, *chroma, *lightness, *patterns, *texture, *spread, *cells, *whole, *average]


def _of_grey(pixels: NDArray[np.uint8]) -> Floats:
    """Descriptors of grey pictures: one channel tells all that three do."""
    grey = np.stack([_small(picture) for picture in np.ascontiguousarray(pixels[..., 0])])
    counts = np.stack([np.bincount(picture, minlength=256) for picture in grey.reshape(len(grey), -1)])
    return np.concatenate([colours_of_greys(counts), _of_brightness(grey, lab_of_greys()[0][grey])], axis=1)


def _of_colour(pixels: NDArray[np.uint8]) -> Floats:
    small = np.stack([_small(picture) for picture in pixels])
    grey = np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in small])
    channels = lab_channels(small.reshape(len(small), -1, 3))
    return np.concatenate([colours_of_pixels(channels), _of_brightness(grey, channels[0].reshape(grey.shape))], axis=1)


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _of_brightness(grey: NDArray[np.uint8], lightness: Singles) -> Floats:
    """Descriptors of grey levels and lightness, both (n, SIDE, SIDE)."""
    parts = [_by_cell(lightness), *_local_patterns(grey), co_occurrence(grey), *_gradients(grey)]
    return np.concatenate(parts, axis=1)


def _local_patterns(grey: NDArray[np.uint8]) -> list[Floats]:
    """Shares of the rotation-invariant uniform local binary patterns at two radii."""
    found = []
    for n_points, radius in _PATTERNS:
        codes = local_patterns(grey, n_points, radius).reshape(len(grey), -1)
        found.append(np.stack([np.bincount(row, minlength=n_points + 2) for row in codes]) / codes.shape[1])
    return found


def _gradients(grey: NDArray[np.uint8]) -> list[Floats]:
    """How strong edges are and which way they run, over all and in each of 4 x 4 cells."""
    strength = edge_strength(grey)
    by_cell, energy = orientations_by_cell(grey, N_CELLS), _by_cell(strength)
    total = np.maximum(energy.sum(axis=1, keepdims=True), 1e-9)
    whole = (energy[:, :, None] * by_cell).sum(axis=1) / total
    return [_spread(strength.reshape(len(grey), -1)), by_cell.reshape(len(grey), -1), whole, energy]


def _spread(values: Singles) -> Floats:
    """Mean, deviation and quantiles of each row."""
    ranked, places = np.sort(values, axis=1), np.array(_QUANTILES) * (values.shape[1] - 1)
    low = places.astype(np.intp)
    quantiles = ranked[:, low] + (ranked[:, low + 1] - ranked[:, low]) * (places - low)
    moments = [values.mean(axis=1, dtype=np.float64), values.std(axis=1, dtype=np.float64)]
    return np.concatenate([np.stack(moments, axis=1), quantiles], axis=1)


def _by_cell(values: Singles) -> Floats:
    """Mean over each of 4 x 4 cells of pictures, (n, 16)."""
    side = SIDE // N_CELLS
    cells = values.reshape(len(values), N_CELLS, side, N_CELLS, side)
    return np.asarray(cells.mean(axis=4, dtype=np.float64).mean(axis=2).reshape(len(values), -1))
