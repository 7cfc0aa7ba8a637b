"""Registration of thumbnails: the affine map that lays one over another, and how far the two then agree."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter

from headstart.data.audit.perceptual_hash import SIDE

_BLOCK: Final = 256  # pairs registered at a time: of fewer, threads wait for one another; more fill a core's cache
_BATCH: Final = 1_024  # thumbnails halved at a time
_SMOOTH: Final = 1.0  # pixels of blur under which gradients lead over a distance
_SHARP: Final = 0.5  # pixels of blur that are left when agreement is measured
_COARSE: Final = 2.0  # pixels of blur that are taken away for it: brightness and slow shades agree in any two cells
_ITERATIONS: Final = 6
_RIDGE: Final = 1e-3
_AREA: Final = (0.5, 1.15)  # of a crop, in units of the whole picture
_STRETCH: Final = 1.5  # turning pictures that are scaled to a square stretches them
_INNER, _OUTER = 0.40, 0.47  # radius to which a pixel counts in full, and from which not at all; the side is 1

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far pairs of thumbnails agree once the one is laid over the other.

    Attributes
    ----------
    correlations : ndarray of shape (n_pairs,), float64
        Correlation of their fine detail, from -1 to 1.
    n_patches : ndarray of shape (n_pairs,), float64
        Number of patches of 4 x 4 pixels over which the detail spreads: 1 where all is in one of them.
    maps : ndarray of shape (n_pairs, 2, 3), float64
        From places in the fixed thumbnail to places in the moving one.
    """

    correlations: Floats
    n_patches: Floats
    maps: Floats

    def is_a_crop(self) -> NDArray[np.bool_]:
        """Whether the fixed picture is half of the moving one or more, and about as long for its height."""
        sides = np.linalg.svd(self.maps[:, :, :2], compute_uv=False)  # (pairs, 2), the longer first
        area = sides[:, 0] * sides[:, 1]
        return np.asarray((area >= _AREA[0]) & (area <= _AREA[1]) & (sides[:, 0] <= _STRETCH * sides[:, 1]))


def pixel_grid(n_side: int) -> tuple[Floats, Floats]:
    """Rows and columns of pixel centres, from -0.5 to 0.5."""
    along = (np.arange(n_side) + 0.5) / n_side - 0.5
    rows, columns = np.meshgrid(along, along, indexing="ij")
    return rows, columns


def disc(n_side: int) -> Floats:
    """Weight of every pixel: a disc with a soft edge, so that the corners which a turn leaves empty do not count."""
    rows, columns = pixel_grid(n_side)
    return np.asarray(np.clip((_OUTER - np.hypot(rows, columns)) / (_OUTER - _INNER), 0, 1))


def halved(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Blurred thumbnails of half the side, in whole numbers: enough to screen pairs."""
    small = np.empty((len(thumbnails), SIDE // 2, SIDE // 2), dtype=np.uint16)
    for start in range(0, len(thumbnails), _BATCH):
        part = thumbnails[start : start + _BATCH].astype(np.uint16)
        sums = part.reshape(len(part), SIDE // 2, 2, SIDE // 2, 2).sum(axis=(2, 4), dtype=np.uint16)
        for axis in (1, 2):
            sums = correlate1d(sums, [1, 2, 1], axis=axis, mode="nearest")
        small[start : start + _BATCH] = sums
    return small


def screened(
    small: NDArray[np.uint16], fixed: Rows, moving: Rows, starts: Floats, *, n_threads: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maps that lay the halved thumbnails of pairs over each other, and the correlation that is reached.

    Parameters
    ----------
    small : ndarray of shape (n_images, 16, 16), uint16
        From `halved`.
    fixed, moving : ndarray of shape (n_pairs,), int64
        Rows of the two thumbnails of each pair.
    starts : ndarray of shape (n_pairs, 2, 3), float64
        Maps from places in the fixed thumbnail (row, column, 1; from -0.5 to 0.5) to places in the moving one.
    n_threads : int
        Parts of the pairs that are worked on side by side; never changes a number.
    """
    maps, correlations = np.empty((len(fixed), 2, 3)), np.empty(len(fixed))

    def screen(part: slice) -> None:
        pictures, numbers = np.unique(fixed[part], return_inverse=True)
        templates = _Templates.of(small[pictures].astype(np.float64)).take(numbers)
        maps[part], correlations[part] = _registered(templates, small[moving[part]].astype(np.float64), starts[part])

    _in_parts(screen, len(fixed), 4 * _BLOCK, n_threads)
    return maps, correlations


def registered_agreement(
    thumbnails: NDArray[np.uint8], fixed: Rows, moving: Rows, starts: Floats, *, n_threads: int = 1
) -> Agreement:
    """How far the fine detail of pairs of thumbnails agrees, once the one is laid over the other.

    Parameters
    ----------
    thumbnails : ndarray of shape (n_images, 32, 32), uint8
    fixed, moving, starts, n_threads
        As for `screened`, whose maps are good ones to start from.
    """
    correlations, n_patches, maps = np.empty(len(fixed)), np.empty(len(fixed)), np.empty((len(fixed), 2, 3))

    def register(part: slice) -> None:
        pictures, numbers = np.unique(np.stack([fixed[part], moving[part]]), return_inverse=True)
        still, moved = numbers.reshape(2, -1)
        shown = thumbnails[pictures].astype(np.float64)  # pairs share pictures: each is blurred once
        smooth, sharp = _blurred(shown, _SMOOTH), _blurred(shown, _SHARP)
        of_template, numbers = np.unique(still, return_inverse=True)
        templates = _Templates.of(smooth[of_template]).take(numbers)
        maps[part], _ = _registered(templates, smooth[moved], starts[part])
        correlations[part], n_patches[part] = _agreement(sharp[still], sharp[moved], maps[part])

    _in_parts(register, len(fixed), _BLOCK, n_threads)
    return Agreement(correlations, n_patches, maps)


def _in_parts(work: Callable[[slice], None], n_pairs: int, n_at_once: int, n_threads: int) -> None:
    """Work on some pairs at a time: the parts are the same, however many threads take them."""
    parts = [slice(start, start + n_at_once) for start in range(0, n_pairs, n_at_once)]
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(work, parts):
            pass


@dataclass(frozen=True, eq=False)
class _Templates:
    """Fixed pictures at the pixels that are compared, and what a step takes from their gradients.

    Attributes
    ----------
    values : ndarray of shape (n_pictures, n_pixels), float64
    steps : ndarray of shape (n_pictures, 7, n_pixels), float64
        From differences of brightness to a change of the map (six numbers) and an offset.
    """

    values: Floats
    steps: Floats

    @classmethod
    def of(cls, pictures: Floats) -> _Templates:
        """Templates of pictures, shape (n_pictures, side, side)."""
        n_side = pictures.shape[1]
        used, rows, columns, weights = _compared(n_side)
        down, across = (_pixels(np.asarray(np.gradient(pictures, 1 / n_side, axis=axis)), used) for axis in (1, 2))
        ones = np.ones_like(down)
        slopes = np.stack([down * rows, down * columns, down, across * rows, across * columns, across, ones], axis=-1)
        weighted = slopes * weights[:, None]  # (pictures, pixels, 7)
        normal = weighted.swapaxes(1, 2) @ slopes
        normal += np.eye(7) * (_RIDGE * np.trace(normal, axis1=1, axis2=2)[:, None, None] / 7 + 1e-6)
        return cls(_pixels(pictures, used), np.linalg.inv(normal) @ weighted.swapaxes(1, 2))

    def take(self, numbers: Rows) -> _Templates:
        """Those of some pictures, perhaps several times."""
        return _Templates(self.values[numbers], self.steps[numbers])


def _registered(templates: _Templates, moving: Floats, starts: Floats) -> tuple[Floats, Floats]:
    """Maps that lay each of the second pictures over the first, and the correlation of both before the last step.

    Gauss-Newton steps (inverse compositional [1]_: they are taken in the fixed picture, whose gradients are worked out
    once) fit an affine map; gain and offset of brightness are taken away before each. All is done in double precision,
    so that processors agree in far more digits than a threshold has.

    References
    ----------
    .. [1] Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 2004, DOI 10.1023/B:VISI.0000011205.11775.fd.
    """
    _, rows, columns, weights = _compared(moving.shape[1])
    maps, correlation = _square(starts), np.zeros(len(moving))
    for _ in range(_ITERATIONS):
        values, is_inside = _sampled(moving, maps, rows, columns)
        adjusted, correlation = _as_bright(values, templates.values, weights * is_inside)
        adjusted -= templates.values
        adjusted *= is_inside
        steps = (templates.steps @ adjusted[:, :, None])[:, :, 0]
        change = _square(np.tile(np.eye(2, 3), (len(steps), 1, 1)) + steps[:, :6].reshape(-1, 2, 3))
        change[np.abs(np.linalg.det(change)) < 0.2] = np.eye(3)
        maps = maps @ np.linalg.inv(change)
    return maps[:, :2], correlation


@cache
def _compared(n_side: int) -> tuple[Rows, Floats, Floats, Floats]:
    """Numbers of the pixels that are compared, their rows and columns, and their weights.

    Half the pixels, as on a chessboard: of blurred pictures they say what those beside them do.
    """
    weights = disc(n_side)
    used = np.flatnonzero((weights > 0) & (np.indices(weights.shape).sum(axis=0) % 2 == 0))
    rows, columns = (one.ravel()[used] for one in pixel_grid(n_side))
    return used, rows, columns, weights.ravel()[used]


def _pixels(pictures: Floats, used: Rows) -> Floats:
    return pictures.reshape(len(pictures), -1).take(used, axis=1)


def _square(maps: Floats) -> Floats:
    return np.concatenate([maps, np.tile([[[0.0, 0.0, 1.0]]], (len(maps), 1, 1))], axis=1)


def _blurred(thumbnails: Floats, sigma: float) -> Floats:
    return np.asarray(gaussian_filter(thumbnails, (0, sigma, sigma), mode="nearest"))


def _as_bright(values: Floats, template: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Values with the mean and the spread of the template, and the correlation of both."""
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    means = [(one * shares).sum(axis=1, keepdims=True) for one in (values, template)]
    left, right = values - means[0], template - means[1]
    spreads = [np.sqrt((one * one * shares).sum(axis=1, keepdims=True)) + 1e-3 for one in (left, right)]
    correlation = (left * right * shares).sum(axis=1) / (spreads[0] * spreads[1])[:, 0]
    return left * (spreads[1] / spreads[0]) + means[1], correlation


def _sampled(source: Floats, maps: Floats, rows: Floats, columns: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Values of the pictures where the maps take some pixels, between pixels bilinearly, and which lie inside."""
    n_side = source.shape[1]
    places = maps[:, :2, :2] @ np.stack([rows, columns]) + maps[:, :2, 2:]  # (pairs, 2, pixels)
    at = (places + 0.5) * n_side - 0.5
    is_inside = ((at > -0.5) & (at < n_side - 0.5)).all(axis=1)
    at = np.clip(at, 0, n_side - 1.001)
    corner = at.astype(np.int64)
    part = at - corner
    first = corner[:, 0] * n_side + corner[:, 1] + np.arange(len(source))[:, None] * n_side**2
    flat: NDArray[Any] = source.ravel()
    down, across = part[:, 0], part[:, 1]
    above, below = flat.take(first), flat.take(first + n_side)
    above += (flat.take(first + 1) - above) * across
    below += (flat.take(first + n_side + 1) - below) * across
    above += (below - above) * down
    return above, is_inside


def _agreement(template: Floats, moving: Floats, maps: Floats) -> tuple[Floats, Floats]:
    """Weighted correlation of the detail of both where they overlap, and the patches over which it spreads."""
    rows, columns = pixel_grid(SIDE)
    values, is_inside = _sampled(moving, maps, rows.ravel(), columns.ravel())
    is_inside = is_inside.reshape(template.shape)
    filled = np.where(is_inside, values.reshape(template.shape), template.mean(axis=(1, 2), keepdims=True))
    weights = disc(SIDE) * is_inside
    left, right = template - _blurred(template, _COARSE), filled - _blurred(filled, _COARSE)
    lengths = [(one * one * weights).sum(axis=(1, 2)) for one in (left, right)]
    correlation = (left * right * weights).sum(axis=(1, 2)) / np.sqrt(lengths[0] * lengths[1] + 1.0)
    return np.asarray(correlation), _n_patches(left * left * weights)


def _n_patches(energy: Floats) -> Floats:
    patches = energy.reshape(len(energy), SIDE // 4, 4, SIDE // 4, 4).sum(axis=(2, 4))
    return np.asarray(patches.sum(axis=(1, 2)) ** 2 / np.maximum((patches**2).sum(axis=(1, 2)), 1e-9))
