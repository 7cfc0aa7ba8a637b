"""Fitting, keeping and restoring one-class heads of every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from headstart.errors import BundleError, InputError, unknown_name
from headstart.heads.arithmetic import Arrays, BlockPredictor, Features, Floats, in_blocks, standardised
from headstart.heads.one_class.mahalanobis import fit_mahalanobis, mahalanobis_distance
from headstart.heads.one_class.nearest import fit_nearest, nearest_distance
from headstart.heads.training_rows import check_features, scaling

MIN_ROWS: Final = 20
"""Fewest rows of normal running that a spread is estimated from."""


class _Kind(NamedTuple):
    """Function from standardised rows to arrays, and one from arrays to distances; names and axes of the arrays."""

    fit: Callable[[Floats], dict[str, npt.NDArray[Any]]]
    distance: Callable[[Arrays], BlockPredictor]
    axes: Mapping[str, str]


ONE_CLASS_KINDS: Final[Mapping[str, _Kind]] = {
    "mahalanobis": _Kind(fit_mahalanobis, mahalanobis_distance, {"whitening": "dd"}),
    "knn": _Kind(fit_nearest, nearest_distance, {"rows": "nd"}),
}
"""Kinds of one-class head by name."""


@dataclass(frozen=True, eq=False)
class OneClassHead:
    """Distance of a row from normal running.

    Attributes
    ----------
    kind : {"mahalanobis", "knn"}
    arrays : dict of str to ndarray
        Learned arrays; ``mean`` and ``inverse_scale`` of every feature are common to all kinds.
    """

    kind: str
    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def n_features(self) -> int:
        """Number of features a row must have."""
        return int(self.arrays["mean"].size)

    def distances(self, features: Features) -> Floats:
        """Distance of every row from normal running, about 1 for rows like it; shape (n,).

        A row's distance is the same to the last bit whatever other rows are in the call.

        Raises
        ------
        InputError
            When the features have another type or width, or are not finite.
        """
        check_features(features)
        if features.shape[1] != self.n_features:
            raise InputError(
                f"The rows have {features.shape[1]} features, but normal running was learned from {self.n_features}."
            )
        distance = ONE_CLASS_KINDS[self.kind].distance(self.arrays)
        return in_blocks(features, lambda block: distance(standardised(block, self.arrays))[:, None], 1)[:, 0]

    def to_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of the arrays, contiguous, as safetensors stores them."""
        return {name: np.array(array, order="C") for name, array in self.arrays.items()}

    @classmethod
    def from_tensors(cls, kind: str, tensors: Mapping[str, npt.NDArray[Any]]) -> OneClassHead:
        """The head that `to_tensors` stored.

        Raises
        ------
        BundleError
            When the kind is unknown, or an array is missing, of another type or shape, or not finite.
        """
        if kind not in ONE_CLASS_KINDS:
            raise BundleError(f"there is no one-class head {kind!r}; known are {', '.join(ONE_CLASS_KINDS)}")
        axes = {"mean": "d", "inverse_scale": "d", **ONE_CLASS_KINDS[kind].axes}
        lengths: dict[str, int] = {}
        for name, letters in axes.items():
            array = tensors.get(name)
            if array is None or array.dtype != np.float64 or array.ndim != len(letters):
                raise BundleError(f"array {name!r} is missing or not float64 with {len(letters)} axes")
            agrees = all(lengths.setdefault(letter, n) == n for letter, n in zip(letters, array.shape, strict=True))
            if not agrees or array.size == 0 or not np.isfinite(array).all():
                raise BundleError(f"array {name!r} has another shape than the others, or is not finite")
        if set(tensors) != set(axes):
            raise BundleError(f"array {min(set(tensors) - set(axes))!r} is none of a one-class head {kind!r}")
        return cls(kind, dict(tensors))


def fit_one_class(kind: str, features: Features) -> OneClassHead:
    """One-class head from rows of normal running.

    Parameters
    ----------
    kind : {"mahalanobis", "knn"}
    features : ndarray of shape (n, d), float32
        Rows of normal running alone.

    Returns
    -------
    OneClassHead

    Raises
    ------
    InputError
        When the kind is unknown, rows are too few or not finite, or no feature varies.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    >>> head = fit_one_class("mahalanobis", rows)
    >>> near, far = head.distances(np.array([[0, 0, 0], [9, 9, 9]], dtype=np.float32))
    >>> near < 1 < far
    np.True_
    """
    if kind not in ONE_CLASS_KINDS:
        raise InputError(unknown_name("one-class head", kind, list(ONE_CLASS_KINDS)))
    check_features(features)
    if len(features) < MIN_ROWS:
        raise InputError(
            f"There are {len(features)} windows of normal running; at least {MIN_ROWS} are needed to learn what is "
            "normal. Give more of it."
        )
    mean, inverse_scale = scaling(features, np.ones(len(features)))
    if not inverse_scale.any():
        raise InputError(
            "All windows of normal running are alike: nothing varies. Give recordings that are not constant."
        )
    common = {"mean": mean, "inverse_scale": inverse_scale}
    return OneClassHead(kind, common | ONE_CLASS_KINDS[kind].fit(standardised(features, common)))
