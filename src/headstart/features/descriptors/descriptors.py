"""Colour, texture and edges of a picture as numbers: what an image analyst measured before there were deep networks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from headstart.features.descriptors.local_patterns import local_patterns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIDE: Final = 128
"""Pixels a side that pictures are brought to first: texture means the same at any input size, and costs the same."""
VERSION: Final = 1
N_BINS: Final = 8
N_CHROMA: Final = 4
N_LEVELS: Final = 16
N_ORIENTATIONS: Final = 8
N_CELLS: Final = 4
_LAB_RANGES: Final = ((0.0, 100.0), (-60.0, 60.0), (-60.0, 60.0))
_PATTERNS: Final = ((8, 1), (16, 2))
_DISTANCES: Final = (1, 3)
_ANGLES: Final = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_HARALICK: Final = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
_QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Descriptors of one picture, in the order of `descriptor_names`.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        Prepared as for the network; of a grey picture three equal channels.

    Returns
    -------
    ndarray of shape (n_descriptors,), float32

    References
    ----------
    T. Ojala, M. Pietikäinen, T. Mäenpää, "Multiresolution gray-scale and rotation invariant texture classification with
    local binary patterns", IEEE TPAMI 24, 2002, 971-987. DOI 10.1109/TPAMI.2002.1017623
    R. M. Haralick, K. Shanmugam, I. Dinstein, "Textural features for image classification", IEEE Transactions on
    Systems, Man, and Cybernetics SMC-3, 1973, 610-621. DOI 10.1109/TSMC.1973.4309314
    N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005. DOI 10.1109/CVPR.2005.177
    """
    of_grey = _grey_of(pixels)
    if of_grey is None:
        small = _small(pixels)
        grey, lab = np.asarray(Image.fromarray(small).convert("L")), _lab(small)
        shares = _colour_shares(lab.reshape(-1, 3))
    else:
        grey = _small(of_grey)
        lab = _lab_of_greys()[grey]
        shares = _colour_shares(_lab_of_greys(), np.bincount(grey.ravel(), minlength=256))
    parts = [_moments(lab.reshape(-1, 3)), *shares, _by_cell(lab[..., 0]).ravel()]
    parts += [_local_patterns(grey), _co_occurrence(grey), *_gradients(grey)]
    return np.concatenate(parts).astype(np.float32)


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
        for name in _HARALICK
        for distance in _DISTANCES
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


def _grey_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The one channel of a grey picture; None of a coloured one."""
    first = np.ascontiguousarray(pixels[..., 0])
    return first if all(np.array_equal(first, pixels[..., place]) for place in (1, 2)) else None


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _moments(flat: Floats) -> Floats:
    """Mean, deviation and skewness of each channel in CIE L*a*b*, where equal distances look about equally large."""
    mean = flat.mean(axis=0)
    centred = flat - mean
    squares = centred * centred
    deviation = np.sqrt(squares.mean(axis=0))
    skewness = (squares * centred).mean(axis=0) / np.maximum(deviation, 1e-3) ** 3
    return np.stack([mean, deviation, skewness], axis=1).ravel()


def _colour_shares(colours: Floats, counts: NDArray[np.int64] | None = None) -> list[Floats]:
    """Histograms of each channel, and of a* and b* together, of colours that stand for so many pixels or one each."""
    found = [_shares(_binned(colours[:, place], N_BINS, _LAB_RANGES[place]), N_BINS, counts) for place in range(3)]
    first, second = (_binned(colours[:, place], N_CHROMA, _LAB_RANGES[place]) for place in (1, 2))
    return [*found, _shares(first * N_CHROMA + second, N_CHROMA**2, counts)]


@functools.cache
def _lab_of_greys() -> Floats:
    """CIE L*a*b* of the 256 greys, shape (256, 3): in a picture of the usual size, so that no last bit differs."""
    each = SIDE * SIDE // 256
    picture = np.repeat(np.arange(256, dtype=np.uint8), each).reshape(SIDE, SIDE)
    return _lab(np.stack([picture] * 3, axis=2)).reshape(-1, 3)[::each]


def _lab(pixels: NDArray[np.uint8]) -> Floats:
    """CIE L*a*b* of sRGB pixels as ``skimage.color.rgb2lab`` gives it, in half its time.

    The power that makes a channel linear is taken of its 256 values, not of every pixel.
    """
    from skimage.color import xyz2lab
    from skimage.color.colorconv import xyz_from_rgb

    return np.asarray(xyz2lab(_linear_values()[pixels] @ xyz_from_rgb.T))


@functools.cache
def _linear_values() -> Floats:
    """Linear light of the 256 values of an sRGB channel (IEC 61966-2-1)."""
    values = np.arange(256) * (1 / 255)  # as skimage does: a quotient would differ in its last bit
    return np.asarray(np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92))


def _local_patterns(grey: NDArray[np.uint8]) -> Floats:
    """Shares of the rotation-invariant uniform local binary patterns at two radii."""
    return np.concatenate([_shares(local_patterns(grey, n, radius).ravel(), n + 2) for n, radius in _PATTERNS])


def _co_occurrence(grey: NDArray[np.uint8]) -> Floats:
    """Haralick's measures of grey levels that stand side by side: mean and range over four directions."""
    from skimage.feature import graycomatrix, graycoprops

    levels = (grey // (256 // N_LEVELS)).astype(np.uint8)
    counts = graycomatrix(levels, _DISTANCES, _ANGLES, levels=N_LEVELS, symmetric=True, normed=True)
    found = np.stack([graycoprops(counts, name) for name in _HARALICK])  # (measures, distances, angles)
    return np.stack([found.mean(axis=2), np.ptp(found, axis=2)], axis=2).ravel()


def _gradients(grey: NDArray[np.uint8]) -> list[Floats]:
    """How strong edges are and which way they run, over all and in each of 4 x 4 cells."""
    from skimage.feature import hog

    values = grey.astype(np.float64) / 255
    down, across = np.gradient(values)
    strength = np.hypot(down, across)
    spread = np.array([strength.mean(), strength.std(), *np.quantile(strength, _QUANTILES)])
    side = SIDE // N_CELLS
    cells = hog(values, N_ORIENTATIONS, (side, side), (1, 1), block_norm="L2", feature_vector=True)
    by_cell = cells.reshape(N_CELLS**2, N_ORIENTATIONS)
    energy = _by_cell(strength).ravel()
    whole = energy @ by_cell / max(float(energy.sum()), 1e-9)
    return [spread, cells, whole, energy]


def _binned(values: Floats, n_bins: int, limits: tuple[float, float]) -> NDArray[np.int64]:
    """Bin of every value; what lies outside the limits goes into the outermost."""
    low, high = limits
    return np.clip((values - low) * (n_bins / (high - low)), 0, n_bins - 1).astype(np.int64)


def _shares(codes: NDArray[np.integer[Any]], n_codes: int, counts: NDArray[np.int64] | None = None) -> Floats:
    """Share of every code among the codes, or among what so many of each stand for."""
    n_all = len(codes) if counts is None else int(counts.sum())
    return np.asarray(np.bincount(codes, counts, minlength=n_codes) / n_all)


def _by_cell(values: Floats) -> Floats:
    """Mean over each of 4 x 4 cells."""
    side = SIDE // N_CELLS
    return np.asarray(values.reshape(N_CELLS, side, N_CELLS, side).mean(axis=(1, 3)))
