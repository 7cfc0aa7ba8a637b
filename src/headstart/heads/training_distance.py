"""Distance of an image from the training images, in the features that heads see.

Every block of features is scaled to length 1 first, so that no stage drowns another and brightness counts less than
what is seen. Features are not standardised: on dermoscopic images that hid blurred, cropped and foreign pictures alike.

References
----------
Y. Sun, Y. Ming, X. Zhu, Y. Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022,
arXiv:2204.06507 (features of length 1, distance to a neighbour).
K. Lee, K. Lee, H. Lee, J. Shin, "A simple unified framework for detecting out-of-distribution samples and adversarial
attacks", NeurIPS 2018, arXiv:1807.03888 (Mahalanobis distance; here without classes: no label has a part in it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from headstart.errors import BundleError, InputError, unknown_name
from headstart.heads.arithmetic import (
    BlockPredictor,
    Features,
    Floats,
    in_blocks,
    linear_map,
    squared_distances,
    squared_norms,
    unit_rows,
)
from headstart.heads.training_rows import check_features

Measure = Literal["knn", "mahalanobis"]
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
"""Ways to measure the distance from the training images."""
MAX_ROWS: Final = 4096
"""Most training images that are measured against; of more, images at even steps."""
MAX_DIRECTIONS: Final = 256
"""Most principal directions whose variances the Mahalanobis distance tells apart; the rest share one."""


@dataclass(frozen=True, eq=False)
class TrainingDistance:
    """Distance of features from those of the training images.

    Attributes
    ----------
    measure : {"knn", "mahalanobis"}
        Distance to the nearest training image; or to the mean in units of the spread, the covariance shrunk.
    blocks : tuple of int
        Number of features of every block.
    arrays : mapping of str to ndarray
        ``reference`` (n, d) float32, the training images' features; or ``mean`` (d,), ``directions`` (k, d) float32
        and ``variances`` (k + 1,), the last that of all other directions.
    """

    measure: Measure
    blocks: tuple[int, ...]
    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def n_features(self) -> int:
        """Number of features a row must have."""
        return sum(self.blocks)

    @property
    def holds_training_features(self) -> bool:
        """Whether it keeps features of single training images."""
        return self.measure == "knn"

    def distances(self, features: Features) -> Floats:
        """Distance of every row, shape (n,): the same to the last bit whatever other rows are in the call.

        Raises
        ------
        InputError
            When the features have another type or width, or are not finite.
        """
        check_features(features)
        if features.shape[1] != self.n_features:
            raise InputError(
                f"The features have {features.shape[1]} columns, but distances were learned on {self.n_features}."
            )
        return in_blocks(features, self._of_block, 1)[:, 0]

    @cached_property
    def _of_block(self) -> BlockPredictor:
        distance = _nearest(self.arrays) if self.measure == "knn" else _mahalanobis(self.arrays)
        return lambda block: distance(unit_blocks(block, self.blocks))[:, None]

    def to_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of the arrays, contiguous, as safetensors stores them."""
        return {name: np.array(array, order="C") for name, array in self.arrays.items()}

    @classmethod
    def from_tensors(
        cls, measure: str, blocks: Sequence[int], tensors: Mapping[str, npt.NDArray[Any]]
    ) -> TrainingDistance:
        """The distance that `to_tensors` stored.

        Raises
        ------
        BundleError
            When the measure is unknown, or an array is missing, of another type or shape, or not finite.
        """
        known = next((one for one in MEASURES if one == measure), None)
        if known is None:
            raise BundleError(f"there is no distance {measure!r}; known are {', '.join(MEASURES)}")
        width = sum(blocks)
        n = len(tensors["reference" if known == "knn" else "directions"])
        expected: dict[str, tuple[tuple[int, ...], type]] = {"reference": ((max(n, 1), width), np.float32)}
        if known == "mahalanobis":
            expected = {
                "mean": ((width,), np.float64),
                "directions": ((n, width), np.float32),
                "variances": ((n + 1,), np.float64),
            }
        for name, (shape, dtype) in expected.items():
            array = tensors[name]
            if array.shape != shape or array.dtype != dtype or not np.isfinite(array).all():
                raise BundleError(
                    f"array {name!r} of the distance is not {dtype.__name__} of shape {shape}, or not finite"
                )
        if known == "mahalanobis" and not (tensors["variances"] > 0).all():
            raise BundleError("a variance of the distance is not above 0")
        return cls(known, tuple(blocks), {name: tensors[name] for name in expected})


def fit_distance(features: Features, measure: Measure = "knn", *, blocks: Sequence[int] = ()) -> TrainingDistance:
    """Distance from some training images; no label is looked at.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
        At least two rows. Of more than `MAX_ROWS` rows, some at even steps are taken.
    measure : {"knn", "mahalanobis"}
    blocks : sequence of int
        Number of features of every block. Default: one block.

    Raises
    ------
    InputError
        When the measure is unknown, rows are too few or not finite, or, for ``mahalanobis``, all alike.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal([3, 0, 0], 0.1, size=(50, 3)).astype(np.float32)
    >>> near, far = fit_distance(rows).distances(np.array([[3, 0, 0], [0, 3, 0]], dtype=np.float32)).round(1).tolist()
    >>> near, far
    (0.0, 1.4)
    """
    if measure not in MEASURES:
        raise InputError(unknown_name("novelty measure", measure, MEASURES))
    check_features(features)
    if len(features) < 2:
        raise InputError(f"A distance from training images needs at least 2 of them; there are {len(features)}.")
    widths = tuple(blocks) or (features.shape[1],)
    if sum(widths) != features.shape[1]:
        raise InputError(f"The blocks have {sum(widths)} features, but the rows {features.shape[1]}.")
    kept = np.linspace(0, len(features) - 1, min(len(features), MAX_ROWS)).round().astype(np.int64)
    rows = unit_blocks(features[kept].astype(np.float64), widths)
    arrays = {"reference": rows.astype(np.float32)} if measure == "knn" else _fit_mahalanobis(rows)
    return TrainingDistance(measure, widths, arrays)


def unit_blocks(rows: Floats, blocks: Sequence[int]) -> Floats:
    """Rows with every block scaled to one length, and the whole to length 1; a block of zeros stays zero.

    >>> unit_blocks(np.array([[3.0, 4.0, 7.0]]), [2, 1]).round(3).tolist()
    [[0.424, 0.566, 0.707]]
    """
    ends = np.cumsum(blocks)[:-1]
    scaled = np.concatenate([unit_rows(part) for part in np.split(rows, ends, axis=1)], axis=1)
    return np.asarray(scaled / np.sqrt(len(blocks)))


def _nearest(arrays: Mapping[str, npt.NDArray[Any]]) -> BlockPredictor:
    rows = arrays["reference"].astype(np.float64)
    products, norms = linear_map(rows.T), squared_norms(rows)

    def distance(block: Floats) -> Floats:
        squares = squared_distances(products(block), squared_norms(block), norms)
        return np.asarray(np.sqrt(squares.min(axis=1)))

    return distance


def _fit_mahalanobis(rows: Floats) -> dict[str, npt.NDArray[Any]]:
    """Mean, leading principal directions and variances of a covariance that is shrunk towards equal variances.

    The weight of the shrinkage is that of Ledoit and Wolf; variances beyond the leading ones are taken as equal, as
    in probabilistic principal component analysis, so that thousands of features need no matrix of their square.

    References
    ----------
    O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88, 2004, 365-411. DOI 10.1016/S0047-259X(03)00096-4.
    M. E. Tipping, C. M. Bishop, "Probabilistic principal component analysis", JRSS B 61, 1999, DOI
    10.1111/1467-9868.00196.
    """
    from scipy.linalg import eigh  # takes a third of a second to import

    mean = rows.mean(axis=0)
    centred = rows - mean
    n, d = centred.shape
    norms = squared_norms(centred)
    level = norms.sum() / n / d
    if level <= np.finfo(np.float32).eps ** 2:
        raise InputError("All training images have the same features, so there is no spread to measure distances by.")
    products = (centred @ centred.T if n < d else centred.T @ centred) / n
    energy = float((products**2).sum())
    spread = energy / d - level**2
    noise = (float((norms**2).mean()) - energy) / n / d
    shrinkage = min(max(noise / spread, 0.0), 1.0) if spread > 0 else 1.0
    n_leading = min(MAX_DIRECTIONS, n - 1, d - 1)
    size = len(products)
    values, vectors = eigh(products, subset_by_index=(size - n_leading, size - 1)) if n_leading else (np.zeros(0), None)
    leading = values > 1e-12 * level * d
    values = values[leading]
    directions = np.zeros((0, d))
    if vectors is not None and leading.any():
        directions = vectors[:, leading].T
        if n < d:
            directions = directions @ centred / np.sqrt(n * values)[:, None]
    left = max(level * d - values.sum(), 0.0) / (d - len(values))
    variances = (1 - shrinkage) * np.append(values, left) + shrinkage * level
    return {
        "mean": mean,
        "directions": np.ascontiguousarray(directions, dtype=np.float32),
        "variances": np.maximum(variances, 1e-9 * level),
    }


def _mahalanobis(arrays: Mapping[str, npt.NDArray[Any]]) -> BlockPredictor:
    """Distance per square root of the number of features: about 1 for images like the training images."""
    mean, variances = arrays["mean"], arrays["variances"]
    along = linear_map(arrays["directions"].astype(np.float64).T)

    def distance(block: Floats) -> Floats:
        centred = block - mean
        parts = along(centred) ** 2
        rest = np.maximum(squared_norms(centred) - parts.sum(axis=1), 0.0)
        return np.asarray(np.sqrt(((parts / variances[:-1]).sum(axis=1) + rest / variances[-1]) / len(mean)))

    return distance
