"""The rows a head is fitted on, checked once and standardised once for all settings of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.heads.arithmetic import Features, Floats, standardised

Integers = npt.NDArray[np.int64]

BLOCK_ROWS = 4096
"""Rows that sums over all rows take at a time, in their order: the same sums wherever they are computed."""

CONSTANT_BELOW = 1e-6
"""A feature whose standard deviation is below this share of its mean differs by float32 rounding alone."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Training rows with a positive weight, ready for any kind of head.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
        As given, for heads that store rows.
    labels : ndarray of shape (n,), int64
        Place of each row's class among the classes present: 0..n_present - 1.
    weights : ndarray of shape (n,), float64 > 0
    groups : ndarray of shape (n,) or None
        Rows of one group are kept together when the SVM is calibrated.
    present : ndarray of shape (n_classes,), bool
        Classes with at least one row.
    mean, inverse_scale : ndarray of shape (d,), float64
        `inverse_scale` is 1 / standard deviation, times the spread that is asked for; 0 for constant features.
    seed : int
    spread : ndarray of shape (d,), float64 > 0, or None
        Standard deviation of each standardised feature; None for 1 each.
    """

    features: Features
    labels: Integers
    weights: Floats
    groups: npt.NDArray[Any] | None
    present: npt.NDArray[np.bool_]
    mean: Floats
    inverse_scale: Floats
    seed: int
    spread: Floats | None = None

    @cached_property
    def standardised(self) -> Floats:
        """Features of weighted mean 0 and variance 1, or the spread that is asked for; (n, d), 0 where constant."""
        return standardised(self.features, self.common_arrays())

    @cached_property
    def standardised_single(self) -> Features:
        """The same, rounded to float32, without ever holding all rows in float64."""
        rounded = np.empty_like(self.features)
        for start in range(0, len(rounded), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            rounded[part] = standardised(self.features[part], self.common_arrays())
        return rounded

    @property
    def n_present(self) -> int:
        """Number of classes with at least one row."""
        return int(np.count_nonzero(self.present))

    @property
    def total_variance(self) -> float:
        """Summed variance of the standardised features: without a spread, the number of those that vary."""
        varies = self.inverse_scale > 0
        return float(np.count_nonzero(varies)) if self.spread is None else float((self.spread[varies] ** 2).sum())

    def common_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays every kind of head stores."""
        return {"present": self.present, "mean": self.mean, "inverse_scale": self.inverse_scale}


def training_rows(
    features: Features,
    labels: npt.NDArray[np.integer[Any]],
    *,
    n_classes: int,
    weights: npt.NDArray[Any] | None,
    groups: npt.NDArray[Any] | None,
    seed: int,
    spread: npt.NDArray[Any] | None = None,
) -> TrainingRows:
    """Check what was given, leave out rows of weight 0 and standardise; see `headstart.heads.fit_heads`.

    Raises
    ------
    InputError
        When shapes disagree or values are out of range.
    """
    check_features(features)
    labels, weights = np.asarray(labels), _checked_weights(weights, len(features))
    _check_labels(labels, len(features), n_classes)
    if groups is not None and np.shape(groups) != (len(features),):
        raise InputError(f"Groups must have shape ({len(features)},) like the labels, not {np.shape(groups)}.")
    kept = weights > 0
    if not kept.any():
        raise InputError("No training row has a positive weight. Give at least one row of each class a weight > 0.")
    features, weights = np.ascontiguousarray(features[kept]), weights[kept]
    classes, codes = np.unique(labels[kept], return_inverse=True)
    mean, inverse_scale = scaling(features, weights)
    if spread is not None:
        spread = _checked_spread(spread, features.shape[1])
        inverse_scale *= spread
    return TrainingRows(
        features=features,
        labels=codes.astype(np.int64),
        weights=weights,
        groups=None if groups is None else np.asarray(groups)[kept],
        present=np.isin(np.arange(n_classes), classes),
        mean=mean,
        inverse_scale=inverse_scale,
        seed=seed,
        spread=spread,
    )


def check_features(features: Features) -> None:
    """Refuse what is not a table of finite float32 numbers.

    Raises
    ------
    InputError
    """
    if features.ndim != 2 or features.shape[1] == 0:
        raise InputError(f"Features must have shape (n_rows, n_features), not {features.shape}.")
    if features.dtype != np.float32:
        raise InputError(
            f"Features must be float32, not {features.dtype}. Convert with features.astype(numpy.float32)."
        )
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise InputError(
            f"Features of row {row} are not finite. Check the image, the weights and the backbone's precision."
        )


def scaling(features: Features, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and inverse weighted standard deviation of every feature; both (d,).

    A constant feature has inverse 0: where training shows no variation, none can be weighed in prediction.

    >>> mean, inverse = scaling(np.array([[1, 7], [3, 7]], dtype=np.float32), np.ones(2))
    >>> mean.tolist(), inverse.tolist()
    ([2.0, 7.0], [1.0, 0.0])
    """
    shares = weights / weights.sum()
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, len(features), BLOCK_ROWS)]
    mean: Floats = sum((shares[rows] @ features[rows].astype(np.float64) for rows in blocks), np.zeros(1))
    variance: Floats = sum((shares[rows] @ (features[rows] - mean) ** 2 for rows in blocks), np.zeros(1))
    deviation = np.sqrt(variance)
    varies = deviation > CONSTANT_BELOW * np.abs(mean)
    return mean, np.where(varies, 1.0, 0.0) / np.where(varies, deviation, 1.0)


def _checked_weights(weights: npt.NDArray[Any] | None, n_rows: int) -> Floats:
    if weights is None:
        return np.ones(n_rows)
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (n_rows,):
        raise InputError(f"Weights must have shape ({n_rows},) like the labels, not {values.shape}.")
    if not np.isfinite(values).all() or (values < 0).any():
        row = int(np.flatnonzero(~(np.isfinite(values) & (values >= 0)))[0])
        raise InputError(f"Weights must be finite and >= 0; row {row} has {values[row]}.")
    return values


def _checked_spread(spread: npt.NDArray[Any], n_features: int) -> Floats:
    values = np.asarray(spread, dtype=np.float64)
    if values.shape != (n_features,) or not np.isfinite(values).all() or (values <= 0).any():
        raise InputError(f"The spread must be {n_features} finite numbers > 0, one for each feature.")
    return values


def _check_labels(labels: npt.NDArray[Any], n_rows: int, n_classes: int) -> None:
    if n_classes < 2:
        raise InputError(f"A head needs at least 2 classes, not {n_classes}.")
    if labels.shape != (n_rows,) or labels.dtype.kind not in "iu":
        raise InputError(f"Labels must be {n_rows} integers, not {labels.dtype} of shape {labels.shape}.")
    if n_rows and not ((labels >= 0) & (labels < n_classes)).all():
        wrong = int(labels[(labels < 0) | (labels >= n_classes)][0])
        raise InputError(f"Labels must lie in 0..{n_classes - 1}, the {n_classes} classes; found {wrong}.")
