"""Samplers of imbalanced-learn, with the parents of every row that they make."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE, BorderlineSMOTE
from numpy.typing import NDArray

from headstart.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class _Recording:
    """Mixin that keeps the pairs of rows that a sampler of the SMOTE family draws lines between.

    imbalanced-learn does not hand them out (checked with 0.14); `_generate_samples` is where all of the family make
    their rows. Should a version make them elsewhere, `pairs` stays empty and `smote_rows` raises.
    """

    def _generate_samples(self, X: Floats, nn_data: Floats, nn_num: Integers, rows: Integers, *rest: Any) -> Floats:
        cols = rest[0]
        self.pairs = (X[rows], nn_data[nn_num[rows, cols]])
        made: Floats = super()._generate_samples(X, nn_data, nn_num, rows, *rest)  # type: ignore[misc]
        return made


class _Smote(_Recording, SMOTE):  # type: ignore[misc]
    pass


class _BorderlineSmote(_Recording, BorderlineSMOTE):  # type: ignore[misc]
    pass


def smote_rows(
    scaled: Floats, labels: Integers, label: int, n_missing: int, *, method: str, k: int, seed: int
) -> tuple[Floats, Integers]:
    """New rows of one class, and the two rows that each lies between.

    Parameters
    ----------
    scaled : ndarray of shape (n, d), float64
    labels : ndarray of shape (n,), int64
    label : int
        Number of the class that rows are made for.
    n_missing : int
    method : {"smote", "borderline-smote"}
        The second finds nothing to make where no row of the class is in danger.
    k : int
        Number of neighbours.
    seed : int

    Returns
    -------
    (ndarray of shape (m, d), float64, ndarray of shape (m, 2), int64)
        m is `n_missing`, or 0.
    """
    sizes = {label: int((labels == label).sum()) + n_missing}
    if method == "smote":
        sampler: Any = _Smote(sampling_strategy=sizes, k_neighbors=k, random_state=seed)
    else:
        m = min(BorderlineSMOTE().m_neighbors, len(labels) - 1)
        sampler = _BorderlineSmote(sampling_strategy=sizes, k_neighbors=k, m_neighbors=m, random_state=seed)
    rows, _ = sampler.fit_resample(scaled, labels)
    new = rows[len(labels) :]
    if not len(new):
        return np.empty((0, scaled.shape[1])), np.empty((0, 2), dtype=np.int64)
    members = np.flatnonzero(labels == label)
    place = {scaled[row].tobytes(): row for row in members[::-1].tolist()}
    parents = [[place[row.tobytes()] for row in side] for side in sampler.pairs]
    return new, np.array(parents, dtype=np.int64).T


def resampled(scaled: Floats, labels: Integers, module: str, name: str, seed: int) -> tuple[Floats, Integers]:
    """Rows and classes that a sampler gives with its own settings.

    Raises
    ------
    InputError
        When it cannot use these rows; with its reason.
    """
    kind = getattr(importlib.import_module(f"imblearn.{module}"), name)
    takes_seed = "random_state" in inspect.signature(kind).parameters
    try:
        rows, classes = kind(**({"random_state": seed} if takes_seed else {})).fit_resample(scaled, labels)
    except (ValueError, RuntimeError) as error:
        counts = ", ".join(map(str, np.bincount(labels).tolist()))
        raise InputError(
            f"{name} cannot balance a training fold with {counts} rows in its classes: {error} Use another balancing "
            "method, such as weights or smote."
        ) from error
    return np.asarray(rows, dtype=np.float64), np.asarray(classes, dtype=np.int64)
