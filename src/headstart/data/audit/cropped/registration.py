"""Registration of thumbnails: the affine map that lays one over another, and how far the two then agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter1d

from headstart.data.audit.perceptual_hash import SIDE

_BLOCK: Final = 128  # pairs registered at a time: of fewer, threads wait for one another; more fill a core's cache
_BATCH: Final = 1_024  # thumbnails halved at a time
_BLURRED: Final = 32  # thumbnails blurred at a time
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
_Run = tuple[slice, slice, int]
"""Pictures, their pairs, and how many pairs each of them has."""


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
        templates, moved = _Templates.of(small[pictures].astype(np.float64)), small[moving[part]].astype(np.float64)
        maps[part], correlations[part] = _registered(templates, numbers, moved, starts[part])

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
        maps[part], _ = _registered(_Templates.of(smooth[of_template]), numbers, smooth[moved], starts[part])
        templates = sharp[of_template]
        details = templates - _blurred(templates, _COARSE)
        means = templates.mean(axis=(1, 2), keepdims=True)
        correlations[part], n_patches[part] = _agreement(details[numbers], means[numbers], sharp[moved], maps[part])

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
    """Factors of the sums from which fixed pictures tell how another lies over them, worked out once for each.

    Attributes
    ----------
    of_inside : ndarray of shape (n_pictures, 15, n_pixels), float64
        Factors of whether a pixel lies inside the other picture: its weight, that times the brightness and times its
        square; the changes of the map (six numbers) for a difference in brightness, and those times the brightness.
    of_values : ndarray of shape (n_pictures, 8, n_pixels), float64
        Factors of the brightness of the other picture inside, and 0 outside: weight, that times the brightness of the
        fixed picture; the changes of the map.
    """

    of_inside: Floats
    of_values: Floats

    @classmethod
    def of(cls, pictures: Floats) -> _Templates:
        """Templates of pictures, shape (n_pictures, side, side)."""
        n_side = pictures.shape[1]
        used, rows, columns, weights = _compared(n_side)
        down, across = (_pixels(np.asarray(np.gradient(pictures, 1 / n_side, axis=axis)), used) for axis in (1, 2))
        ones = np.ones_like(down)
        slopes = np.stack([down * rows, down * columns, down, across * rows, across * columns, across, ones], axis=1)
        weighted = slopes * weights  # (pictures, 7, pixels)
        normal = weighted @ slopes.swapaxes(1, 2)
        normal += np.eye(7) * (_RIDGE * np.trace(normal, axis1=1, axis2=2)[:, None, None] / 7 + 1e-6)
        changes = np.linalg.inv(normal)[:, :6] @ weighted  # the last is an offset of brightness
        values = _pixels(_centred(pictures), used)[:, None]
        weights = np.broadcast_to(weights, values.shape)
        bright = weights * values
        return cls(
            np.concatenate([weights, bright, bright * values, changes, changes * values], axis=1),
            np.concatenate([weights, bright, changes], axis=1),
        )

    def sums(self, runs: Sequence[_Run], values: Floats, is_inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Sums of both kinds, shape (n_pairs, 15) and (n_pairs, 8); `values` are overwritten by 0 outside.

        The pairs of one picture stand together; `runs` are all of them, from `_runs`.
        """
        inside = is_inside.astype(np.float64)
        values *= inside
        of_inside = np.empty((len(values), self.of_inside.shape[1]))
        of_values = np.empty((len(values), self.of_values.shape[1]))
        for pictures, pairs, each in runs:
            for given, factors, sums in ((inside, self.of_inside, of_inside), (values, self.of_values, of_values)):
                shape = (-1, each, given.shape[1])
                products = given[pairs].reshape(shape) @ factors[pictures].swapaxes(1, 2)
                sums[pairs] = products.reshape(-1, sums.shape[1])
        return of_inside, of_values


def _runs(edges: Rows) -> list[_Run]:
    """Runs of pictures with equally many pairs each, whose sums are one product; pairs lie between two of the edges."""
    counts = np.diff(edges)
    changes = np.r_[0, np.flatnonzero(np.diff(counts)) + 1, len(counts)].tolist()
    at = edges.tolist()
    return [(slice(first, last), slice(at[first], at[last]), int(counts[first])) for first, last in pairwise(changes)]


def _registered(templates: _Templates, numbers: Rows, moving: Floats, starts: Floats) -> tuple[Floats, Floats]:
    """Maps that lay each of the second pictures over its template, and the correlation of both before the last step.

    Gauss-Newton steps (inverse compositional [1]_: they are taken in the fixed picture, whose gradients are worked out
    once) fit an affine map; gain and offset of brightness are taken away before each. All is done in double precision,
    so that processors agree in far more digits than a threshold has.

    References
    ----------
    .. [1] Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 2004, DOI 10.1023/B:VISI.0000011205.11775.fd.
    """
    _, rows, columns, weights = _compared(moving.shape[1])
    order = np.argsort(numbers, kind="stable")
    runs = _runs(np.searchsorted(numbers[order], np.arange(len(templates.of_values) + 1)))
    moving, maps, correlation = _centred(moving[order]), starts[order], np.zeros(len(moving))
    for _ in range(_ITERATIONS):
        values, is_inside = _sampled(moving, maps, rows, columns)
        of_inside, of_values = templates.sums(runs, values, is_inside)
        values *= values
        gain, offset, correlation = _as_bright(of_inside[:, :3], of_values[:, :2], values @ weights)
        steps = gain * of_values[:, 2:] + offset * of_inside[:, 3:9] - of_inside[:, 9:]
        maps = _stepped_back(maps, steps.reshape(-1, 2, 3))
    back = np.argsort(order, kind="stable")
    return maps[back], correlation[back]


def _as_bright(of_inside: Floats, of_values: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """Gain and offset, shape (n_pairs, 1), that give pictures the brightness of templates, and their correlations.

    Parameters
    ----------
    of_inside : ndarray of shape (n_pairs, 3), float64
        Sums of the weights inside, of those times the brightness of the template, and times its square.
    of_values : ndarray of shape (n_pairs, 2), float64
        Weighted sums of the brightness of the picture, and of that times the brightness of the template.
    squares : ndarray of shape (n_pairs,), float64
        Weighted sum of the squares of the brightness of the picture.
    """
    total = np.maximum(of_inside[:, 0], 1e-9)
    mean, square = of_inside[:, 1] / total, of_inside[:, 2] / total
    own_mean, product = of_values[:, 0] / total, of_values[:, 1] / total
    spread = np.sqrt(np.maximum(square - mean**2, 0)) + 1e-3
    own_spread = np.sqrt(np.maximum(squares / total - own_mean**2, 0)) + 1e-3
    gain = spread / own_spread
    offset = mean - gain * own_mean
    return gain[:, None], offset[:, None], (product - mean * own_mean) / (spread * own_spread)


def _stepped_back(maps: Floats, steps: Floats) -> Floats:
    """Maps after the inverse of steps, shape (n_pairs, 2, 3); a step that would fold a picture is not taken."""
    a, b, c, d = 1.0 + steps[:, 0, 0], steps[:, 0, 1], steps[:, 1, 0], 1.0 + steps[:, 1, 1]
    determinant = a * d - b * c
    folds = np.abs(determinant) < 0.2
    determinant[folds] = 1.0
    moved = np.empty_like(maps)
    for row in (0, 1):  # products of 2 x 2 numbers one by one take longer
        first, second = maps[:, row, 0], maps[:, row, 1]
        moved[:, row, 0] = (first * d - second * c) / determinant
        moved[:, row, 1] = (second * a - first * b) / determinant
        back = moved[:, row, 0] * steps[:, 0, 2] + moved[:, row, 1] * steps[:, 1, 2]
        moved[:, row, 2] = maps[:, row, 2] - back
    moved[folds] = maps[folds]
    return moved


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


def _centred(pictures: Floats) -> Floats:
    """Pictures less their mean, so that sums of squares lose no digits to it."""
    return np.asarray(pictures - pictures.mean(axis=(1, 2), keepdims=True))


def _blurred(thumbnails: Floats, sigma: float) -> Floats:
    n_side = thumbnails.shape[1]
    matrix, blurred = _blur(n_side, sigma), np.empty_like(thumbnails)
    for start in range(0, len(thumbnails), _BLURRED):
        part = slice(start, start + _BLURRED)
        across = thumbnails[part].reshape(-1, n_side) @ matrix.T
        np.matmul(matrix, across.reshape(-1, n_side, n_side), out=blurred[part])
    return blurred


@cache
def _blur(n_side: int, sigma: float) -> Floats:
    """Matrix that blurs along one side: for so few pixels a product takes less time than a filter."""
    return np.asarray(gaussian_filter1d(np.eye(n_side), sigma, axis=0, mode="nearest"))


def _sampled(source: Floats, maps: Floats, rows: Floats, columns: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Values of the pictures where the maps take some pixels, between pixels bilinearly, and which lie inside."""
    n_side = source.shape[1]
    scaled = n_side * maps.transpose(1, 0, 2)
    scaled[:, :, 2] += (n_side - 1) / 2
    places = np.stack([rows, columns, np.ones_like(rows)])
    at = (scaled.reshape(-1, 3) @ places).reshape(2, len(maps), -1)  # rows and columns apart
    is_within = at > -0.5
    is_within &= at < n_side - 0.5
    np.clip(at, 0, n_side - 1.001, out=at)
    corner = np.floor(at)
    at -= corner
    first = corner[0]
    first *= n_side
    first += corner[1]
    first += n_side**2 * np.arange(float(len(source)))[:, None]
    return _between(source.ravel(), first.astype(np.int64), n_side, at[0], at[1]), is_within[0] & is_within[1]


def _between(flat: NDArray[Any], first: Rows, n_side: int, down: Floats, across: Floats) -> Floats:
    """Bilinear values between four pixels, of which `first` is the upper left one."""
    above, below = flat.take(first), flat[n_side:].take(first)
    for one, step in ((above, 1), (below, n_side + 1)):
        beside = flat[step:].take(first)
        beside -= one
        beside *= across
        np.add(one, beside, out=one)
    below -= above
    below *= down
    above += below
    return above


def _agreement(detail: Floats, means: Floats, moving: Floats, maps: Floats) -> tuple[Floats, Floats]:
    """Weighted correlation of the detail of both where they overlap, and the patches over which it spreads.

    Parameters
    ----------
    detail : ndarray of shape (n_pairs, 32, 32), float64
        Detail of the fixed pictures.
    means : ndarray of shape (n_pairs, 1, 1), float64
        Mean brightness of these, which stands where the moving picture ends.
    moving : ndarray of shape (n_pairs, 32, 32), float64
    maps : ndarray of shape (n_pairs, 2, 3), float64
    """
    rows, columns = pixel_grid(SIDE)
    values, is_inside = _sampled(moving, maps, rows.ravel(), columns.ravel())
    is_inside = is_inside.reshape(detail.shape)
    filled = np.where(is_inside, values.reshape(detail.shape), means)
    weights = disc(SIDE) * is_inside
    filled -= _blurred(filled, _COARSE)
    weighted = detail * weights
    energy = weighted * detail
    own_length = _total(filled * filled * weights)
    correlation = _total(weighted * filled) / np.sqrt(_total(energy) * own_length + 1.0)
    return np.asarray(correlation), _n_patches(energy)


def _total(values: Floats) -> Floats:
    return np.asarray(values.sum(axis=(1, 2)))


def _n_patches(energy: Floats) -> Floats:
    patches = energy.reshape(len(energy), SIDE // 4, 4, SIDE // 4, 4).sum(axis=(2, 4))
    return np.asarray(patches.sum(axis=(1, 2)) ** 2 / np.maximum((patches**2).sum(axis=(1, 2)), 1e-9))
