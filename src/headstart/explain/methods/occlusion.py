"""Occlusion maps: how the score falls when a part of the image is covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.explain.attribution import Attribution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from headstart.explain.scored_model import Pictures, ScoredModel

    Floats = NDArray[np.float64]

CELLS = 14
"""Steps of the cover along a side of the image; it is two steps wide."""
_AT_ONCE = 8  # more at once outgrow a processor's cache, and each takes half as long again


def occlusion_maps(model: ScoredModel, pictures: Pictures, weights: Floats) -> Attribution:
    """Occlusion maps of some images: some 200 forward passes for each, for any head.

    A square of two steps a side, 14 steps to a side of the image, is moved over it step by step and shows the mean
    colour of the image. Every pixel takes the mean over the squares that covered it of what the score lost, per share
    of the image that they covered. Descriptors and table columns stay those of the whole image.

    Parameters
    ----------
    model : ScoredModel
    pictures : Pictures
    weights : ndarray of shape (n, P)

    References
    ----------
    M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    arXiv:1311.2901
    """
    windows = list(_windows(model.size))
    whole = model.scores(pictures, weights)
    maps = np.zeros((len(pictures), *model.size), dtype=np.float32)
    for row in range(len(pictures)):
        losses = whole[row] - _covered_scores(model, pictures, row, weights[row], windows)
        maps[row] = spread_losses(losses, windows, model.size)
    unknown = np.full(len(pictures), np.nan)
    return Attribution(maps, whole, unknown, np.zeros(len(pictures)), maps.mean(axis=(1, 2)).astype(np.float64))


def spread_losses(losses: Floats, windows: list[tuple[slice, slice]], size: tuple[int, int]) -> NDArray[np.float64]:
    """Map (height, width) of the mean loss over the windows that cover a pixel, per share of the image."""
    sums, counts = np.zeros(size), np.zeros(size)
    for loss, (down, along) in zip(losses.tolist(), windows, strict=True):
        n_pixels = (down.stop - down.start) * (along.stop - along.start)
        sums[down, along] += loss * size[0] * size[1] / n_pixels
        counts[down, along] += 1
    return sums / counts


def _windows(size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    rows, columns = (_places(length) for length in size)
    return ((down, along) for down in rows for along in columns)


def _places(length: int) -> list[slice]:
    """Places of the cover along a side; those at the ends lie half outside, so that every pixel is covered twice."""
    edges = np.linspace(0, length, min(CELLS, length) + 1).round().astype(int).tolist()
    ends = [edges[0], *edges, edges[-1]]
    return [slice(start, stop) for start, stop in zip(ends, ends[2:], strict=False)]


def _covered_scores(
    model: ScoredModel, pictures: Pictures, row: int, weights: Floats, windows: list[tuple[slice, slice]]
) -> Floats:
    """Scores (n_windows,) of one image with each window covered."""
    image = model.images(pictures.pixels[row : row + 1])
    colour = image.mean(dim=(2, 3), keepdim=True)
    found = []
    for start in range(0, len(windows), _AT_ONCE):
        some = windows[start : start + _AT_ONCE]
        covered = image.repeat(len(some), 1, 1, 1)
        for number, (down, along) in enumerate(some):
            covered[number, :, down, along] = colour[0]
        features = model.features_of(covered) + pictures.fixed[row]
        found.append(model.score_rows(model.standardise(features), np.tile(weights, (len(some), 1))))
    return np.concatenate(found)
