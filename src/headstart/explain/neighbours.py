"""What an image looks like to the network: its nearest training images, and a map on which all images lie."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from headstart.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32] | NDArray[np.float64]

N_NEIGHBOURS: Final = 5
Projection = Literal["pca", "umap"]
_BLOCK_ROWS: Final = 256
_MANY_ROWS: Final = 16_384
"""Rows beyond which no copy of all features in double precision is made: sums are then taken block by block."""
_LARGE_BLOCK: Final = 4_096
_LARGE_MATRIX: Final = 500


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest training images of some images, the nearest first.

    Attributes
    ----------
    rows : ndarray of shape (n_images, n_neighbours), int64
        Rows of the training images.
    distances : ndarray of shape (n_images, n_neighbours), float64
        Euclidean distance of the standardised features, divided by the root of their number: 1.4 is usual for two
        images that have nothing to do with one another.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


def nearest(
    features: Floats,
    training: Floats,
    *,
    n_neighbours: int = N_NEIGHBOURS,
    left_out: NDArray[np.bool_] | None = None,
) -> Neighbours:
    """The training images whose features are nearest: "it looks like these".

    Features are standardised by the training images; ties keep the order of the data.

    Parameters
    ----------
    features : ndarray of shape (n_images, n_features)
    training : ndarray of shape (n_training, n_features)
    n_neighbours : int
        Fewer are given where there are fewer training images.
    left_out : ndarray of shape (n_images, n_training), bool, optional
        Training images that are not to be named for an image: itself, or its near-duplicates.

    Raises
    ------
    InputError
        When the features have other widths, or there is no training image.
    """
    if not len(training) or features.shape[1] != training.shape[1]:
        raise InputError(
            f"Features of shape {features.shape} have no neighbours among training features of shape {training.shape}. "
            "Use those of one network."
        )
    mean, scale = _moments(training)
    asked = (np.asarray(features, dtype=np.float64) - mean) / scale
    n_shown = min(n_neighbours, len(training))
    rows = np.empty((len(features), n_shown), dtype=np.int64)
    distances = np.empty((len(features), n_shown))
    for place, one in enumerate(asked):
        squared = _squared_distances(training, mean, scale, one)
        if left_out is not None:
            squared = np.where(left_out[place], np.inf, squared)
        order = np.argsort(squared, kind="stable")[:n_shown]
        rows[place], distances[place] = order, np.sqrt(squared[order] / training.shape[1])
    return Neighbours(rows, distances)


def _moments(training: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each feature; one that never varies tells no images apart and counts as it is."""
    if len(training) > _MANY_ROWS:
        mean = _sum_of_blocks(training, lambda block: block.sum(axis=0)) / len(training)
        spread = np.sqrt(_sum_of_blocks(training, lambda block: np.square(block - mean).sum(axis=0)) / len(training))
    else:
        values = np.asarray(training, dtype=np.float64)
        mean, spread = values.mean(axis=0), values.std(axis=0)
    return mean, np.where(spread > 0, spread, 1.0)


def _sum_of_blocks(features: Floats, term: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Sum of a term of every block of rows, in their order."""
    starts = range(0, len(features), _LARGE_BLOCK)
    blocks = (np.asarray(features[start : start + _LARGE_BLOCK], dtype=np.float64) for start in starts)
    return np.asarray(sum(map(term, blocks)))


def _squared_distances(
    training: Floats, mean: NDArray[np.float64], scale: NDArray[np.float64], one: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distances of a standardised row to all training rows, without a second array of their size."""
    found = np.empty(len(training))
    for start in range(0, len(training), _BLOCK_ROWS):
        block = (np.asarray(training[start : start + _BLOCK_ROWS], dtype=np.float64) - mean) / scale - one
        found[start : start + len(block)] = np.einsum("ij,ij->i", block, block)
    return found


@dataclass(frozen=True, eq=False)
class ImageMap:
    """Every image as a point of the plane, like images near one another.

    Attributes
    ----------
    points : ndarray of shape (n_images, 2), float64
    projection : {"pca", "umap"}
    explained : float or None
        Share of the variance of the standardised features that the plane keeps; None for UMAP, whose distances mean
        little beyond who is near whom.
    """

    points: NDArray[np.float64]
    projection: Projection
    explained: float | None


def image_map(features: Floats, *, projection: Projection = "pca", seed: int = 0) -> ImageMap:
    """A map of all images by their standardised features.

    Parameters
    ----------
    features : ndarray of shape (n_images, n_features)
        Of two images or more.
    projection : {"pca", "umap"}
        ``pca``: the plane of largest variance. ``umap``: neighbourhoods, where the package is installed.
    seed : int
        Of UMAP.

    Raises
    ------
    InputError
        When there are fewer than three images, or UMAP is asked for and not installed.

    References
    ----------
    McInnes, Healy, Melville (2018), "UMAP", arXiv 1802.03426.
    """
    if len(features) < 3:
        raise InputError(f"A map of {len(features)} images shows nothing. Give three or more.")
    mean, scale = _moments(features)
    if projection == "pca" and len(features) > max(_MANY_ROWS, features.shape[1]):
        return _pca_in_blocks(features, mean, scale)
    values = (np.asarray(features, dtype=np.float64) - mean) / scale
    if projection == "umap":
        return ImageMap(_umap(values, seed), "umap", None)
    return _pca(values)


def _pca(values: NDArray[np.float64]) -> ImageMap:
    """The plane of largest variance; the largest loading of each axis is positive, so that no axis is turned round."""
    small = values @ values.T if len(values) < values.shape[1] else values.T @ values
    top = _of_largest_variance(small)
    axes = _directed(values.T @ top if len(values) < values.shape[1] else top)
    total = float(np.square(values).sum())
    points = values @ axes
    return ImageMap(points, "pca", float(np.square(points).sum() / total) if total > 0 else 0.0)


def _of_largest_variance(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two directions of largest variance of a matrix of products, shape (n, 2); the second is 0 where n is 1.

    Of a large matrix they are found by Lanczos iterations, to the last digits and always from the same start: all
    directions would take seconds.
    """
    if len(products) > _LARGE_MATRIX and products.any():
        from scipy.sparse.linalg import ArpackError, eigsh

        with contextlib.suppress(ArpackError):  # no two directions stand out
            start = np.random.default_rng(0).normal(size=len(products))
            return np.asarray(eigsh(products, k=2, v0=start)[1][:, ::-1])
    vectors = np.linalg.eigh(products)[1]
    second = vectors[:, -2] if len(vectors) > 1 else np.zeros(len(vectors))
    return np.column_stack([vectors[:, -1], second])


def _directed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axes (n_features, 2) of length 1 whose largest loading is positive; 0 where one is rounding beside the other."""
    lengths = np.linalg.norm(axes, axis=0)
    axes = axes / np.where(lengths > 1e-9 * lengths.max(), lengths, np.inf)
    return np.asarray(axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0))


def _pca_in_blocks(features: Floats, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> ImageMap:
    """As `_pca`, of more rows than features, without a second array of all of them."""

    def products(block: NDArray[np.float64]) -> NDArray[np.float64]:
        values = (block - mean) / scale
        return np.asarray(values.T @ values)

    small = _sum_of_blocks(features, products)
    axes = _directed(_of_largest_variance(small))
    points = np.concatenate(
        [
            (np.asarray(features[start : start + _LARGE_BLOCK], dtype=np.float64) - mean) / scale @ axes
            for start in range(0, len(features), _LARGE_BLOCK)
        ]
    )
    total = float(np.trace(small))
    return ImageMap(points, "pca", float(np.square(points).sum() / total) if total > 0 else 0.0)


def _umap(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise InputError('A map by UMAP needs the package umap-learn: pip install "headstart[umap]".') from error
    n_neighbours = min(15, len(values) - 1)
    points = UMAP(n_components=2, n_neighbors=n_neighbours, random_state=seed, n_jobs=1).fit_transform(values)
    return np.asarray(points, dtype=np.float64)
