"""Asymmetry, border, colours and size of a lesion as numbers: what a dermatologist's ABCD rule looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.lesions.masks.find import FoundLesion, at_work_size, bright_box, field_radius, find_lesion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]

VERSION: Final = 1
"""Changes whenever a number changes; part of cache keys."""
COLOURS: Final = {
    "white": (205, 205, 205),
    "red": (190, 80, 75),
    "light brown": (180, 125, 85),
    "dark brown": (105, 65, 50),
    "blue-grey": (105, 115, 130),
    "black": (45, 40, 40),
}
"""Colours that dermoscopy speaks of, in sRGB; each pixel of a lesion counts for the nearest in CIE L*a*b*."""
N_SECTORS: Final = 8
N_RINGS: Final = 3
MIN_SHARE: Final = 0.03
"""A colour is present from this share of the lesion on."""
_CHANNELS: Final = ("L*", "a*", "b*")
_QUANTILES: Final = (0.05, 0.95)
_BAND: Final = 0.06
_SIGMAS: Final = (1.0, 3.0)
_SMALLEST: Final = 50


def measure_names() -> list[str]:
    """Names of the numbers, in order.

    >>> len(measure_names()), measure_names()[:2]
    (64, ['lesion found', 'share of the picture'])
    """
    size = ["lesion found", "share of the picture", "diameter over the picture", "share of the rim", "off-centre"]
    asymmetry = [
        f"asymmetry of {what} across the {axis} axis" for axis in ("long", "short") for what in ("shape", *_CHANNELS)
    ]
    border = ["compactness", "solidity", "axis ratio", "spread of the radius", "roughness", "extent"]
    edge = ["edge contrast", "edge contrast, spread", "edge contrast, least sector", "edge contrast, largest sector"]
    of_colour = [
        f"{channel} {name}" for channel in _CHANNELS for name in ("mean", "deviation", "skewness", "low", "high")
    ]
    skin = [f"{channel} less that of the skin" for channel in _CHANNELS]
    palette = [f"share {name}" for name in COLOURS]
    spread = ["number of colours", "entropy of colours"]
    rings = [f"{channel} of ring {ring}" for channel in _CHANNELS for ring in range(1, N_RINGS + 1)]
    texture = [f"texture of L* at {sigma:g}, {name}" for sigma in _SIGMAS for name in ("mean", "deviation")]
    found_skin = ["deviation of the skin", "L* of the skin"]
    return [*size, *asymmetry, *border, *edge, *of_colour, *skin, *palette, *spread, *rings, *texture, *found_skin]


def measure_lesion(pixels: NDArray[np.uint8], lesion: FoundLesion | None = None) -> NDArray[np.float32]:
    """Numbers of the lesion in a picture, in the order of `measure_names`.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        Black bars around the picture do not count.
    lesion : FoundLesion, optional
        The lesion in it, drawn by somebody, say. Default: the one that `find_lesion` finds; where that finds none, the
        whole picture is measured.

    Returns
    -------
    ndarray of shape (n_measures,), float32

    References
    ----------
    W. Stolz et al., "ABCD rule of dermatoscopy", European Journal of Dermatology 4, 1994, 521-527.
    """
    from skimage.color import rgb2lab

    small = at_work_size(pixels)
    inside = bright_box(small) or (slice(None), slice(None))
    if lesion is not None:
        lesion = FoundLesion(lesion.at(*small.shape[:2])[inside], lesion.is_found)
    small = small[inside]
    lesion = lesion or find_lesion(small)
    mask = lesion.mask if lesion.mask.sum() >= _SMALLEST else np.ones_like(lesion.mask)
    lab = rgb2lab(small)
    parts = [
        _size(lesion, mask),
        _asymmetry(lab, mask),
        _border(mask),
        _edge(lab[..., 0], mask),
        *_colours(lab, mask),
        _rings(lab, mask),
        _texture(lab[..., 0], mask),
        _skin(lab[..., 0], mask),
    ]
    return np.nan_to_num(np.concatenate(parts)).astype(np.float32)


def _size(lesion: FoundLesion, mask: Mask) -> Floats:
    height, width = mask.shape
    radius = field_radius(height, width)
    rim = (radius > 0.9) & (radius < 1)
    down, across = (places.mean() for places in np.nonzero(mask))
    off = np.hypot(down - (height - 1) / 2, across - (width - 1) / 2) / max(height, width)
    diameter = np.sqrt(4 * mask.sum() / np.pi) / max(height, width)
    return np.array([lesion.is_found, mask.mean(), diameter, mask[rim].mean(), off], dtype=np.float64)


def _asymmetry(lab: Floats, mask: Mask) -> Floats:
    """Part of the shape without a mirror image across either principal axis, and how far the halves' colours differ."""
    down, across = np.nonzero(mask)
    centred = np.stack([down - down.mean(), across - across.mean()])
    _, axes = np.linalg.eigh(np.cov(centred))
    found = []
    colours = lab[mask]
    for axis in (axes[:, 1], axes[:, 0]):  # the long one first; mirrored across it, so along the other one
        side = np.array([-axis[1], axis[0]]) @ centred
        mirrored = np.round(np.stack([down, across]) - 2 * side * np.array([[-axis[1]], [axis[0]]])).astype(np.int64)
        within = (mirrored >= 0).all(axis=0) & (mirrored[0] < mask.shape[0]) & (mirrored[1] < mask.shape[1])
        has_partner = np.zeros(len(down), dtype=np.bool_)
        has_partner[within] = mask[mirrored[0][within], mirrored[1][within]]
        first, second = colours[side >= 0], colours[side < 0]
        halves = np.abs(first.mean(axis=0) - second.mean(axis=0)) if len(first) and len(second) else np.zeros(3)
        found += [1 - has_partner.mean(), *halves]
    return np.array(found)


def _border(mask: Mask) -> Floats:
    from scipy import ndimage
    from skimage.measure import regionprops

    (region,) = regionprops(mask.astype(np.uint8))
    wide = np.pad(mask, 1)
    outline = wide & ~ndimage.binary_erosion(wide)
    down, across = np.nonzero(outline)
    radius = np.hypot(down - down.mean(), across - across.mean())
    perimeter = max(region.perimeter_crofton, 1.0)
    side = np.sqrt(mask.sum())
    smooth = ndimage.gaussian_filter(wide.astype(np.float64), 0.08 * side) > 0.5
    rough = np.logical_xor(wide, smooth).sum() / mask.sum()
    ratio = region.axis_minor_length / max(region.axis_major_length, 1e-6)
    compactness = perimeter**2 / (4 * np.pi * mask.sum())
    return np.array(
        [compactness, region.solidity, ratio, radius.std() / max(radius.mean(), 1e-6), rough, region.extent]
    )


def _edge(lightness: Floats, mask: Mask) -> Floats:
    """Lightness just outside the outline less that just inside: its mean, and by sectors around the middle."""
    from scipy import ndimage

    width = max(2.0, _BAND * np.sqrt(mask.sum()))
    inner = mask & (ndimage.distance_transform_edt(mask) <= width)
    outer = ~mask & (ndimage.distance_transform_edt(~mask) <= width)
    if not outer.any():
        return np.zeros(4)
    down, across = np.nonzero(mask)
    rows, columns = np.indices(mask.shape)
    angle = np.arctan2(rows - down.mean(), columns - across.mean())
    sector = ((angle + np.pi) / (2 * np.pi) * N_SECTORS).astype(np.int64) % N_SECTORS
    contrasts = [
        lightness[outer & (sector == place)].mean() - lightness[inner & (sector == place)].mean()
        for place in range(N_SECTORS)
        if (outer & (sector == place)).any() and (inner & (sector == place)).any()
    ]
    values = np.array(contrasts) if contrasts else np.zeros(1)
    return np.array([values.mean(), values.std(), values.min(), values.max()])


def _colours(lab: Floats, mask: Mask) -> list[Floats]:
    from skimage.color import rgb2lab

    inside = lab[mask]
    mean, deviation = inside.mean(axis=0), inside.std(axis=0)
    skewness = ((inside - mean) ** 3).mean(axis=0) / np.maximum(deviation, 1e-3) ** 3
    low, high = np.quantile(inside, _QUANTILES, axis=0)
    moments = np.stack([mean, deviation, skewness, low, high], axis=1).ravel()
    outside = lab[~mask & (field_radius(*mask.shape) < 1)]
    less_skin = mean - np.median(outside, axis=0) if len(outside) else np.zeros(3)
    palette = rgb2lab(np.array(list(COLOURS.values()), dtype=np.uint8)[None])[0]
    nearest = np.argmin(((inside[:, None] - palette) ** 2).sum(axis=2), axis=1)
    shares = np.bincount(nearest, minlength=len(COLOURS)) / len(inside)
    entropy = -(shares[shares > 0] * np.log(shares[shares > 0])).sum()
    return [moments, less_skin, shares, np.array([(shares >= MIN_SHARE).sum(), entropy])]


def _rings(lab: Floats, mask: Mask) -> Floats:
    """Mean colour of three rings of equal breadth, from the outline inwards."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    ring = np.minimum((depth / max(depth.max(), 1.0) * N_RINGS).astype(np.int64), N_RINGS - 1)
    whole = lab[mask].mean(axis=0)
    means = [
        lab[mask & (ring == place)].mean(axis=0) if (mask & (ring == place)).any() else whole
        for place in range(N_RINGS)
    ]
    return np.stack(means, axis=1).ravel()


def _texture(lightness: Floats, mask: Mask) -> Floats:
    """Strength of bright and dark detail at two sizes, inside the lesion."""
    from scipy import ndimage

    found = []
    for sigma in _SIGMAS:
        detail = np.abs(ndimage.gaussian_laplace(lightness, sigma) * sigma**2)[mask]
        found += [detail.mean(), detail.std()]
    return np.array(found)


def _skin(lightness: Floats, mask: Mask) -> Floats:
    outside = lightness[~mask & (field_radius(*mask.shape) < 1)]
    return np.array([outside.std(), np.median(outside)]) if len(outside) else np.zeros(2)
