"""Fitting: heads of one kind share the work their settings have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.heads.arithmetic import Features
from headstart.heads.fitted import FittedHead
from headstart.heads.spec import KINDS, HeadSpec
from headstart.heads.training_rows import training_rows


def fit_heads(
    specs: Sequence[HeadSpec],
    features: Features,
    labels: npt.NDArray[np.integer[Any]],
    *,
    n_classes: int,
    weights: npt.NDArray[Any] | None = None,
    groups: npt.NDArray[Any] | None = None,
    seed: int,
    precision: str = "fp32",
    spread: npt.NDArray[Any] | None = None,
) -> list[FittedHead]:
    """Heads fitted on one set of training rows, one for each spec, in their order.

    Give all settings of a kind in one call: kernels, standardisation and training trajectories are computed once.
    A head comes out the same whichever others it is fitted with: dense heads to rounding, all others to the last bit.

    Parameters
    ----------
    specs : sequence of HeadSpec
        All of one kind.
    features : ndarray of shape (n, d), float32
        Frozen features of the training rows, of these alone.
    labels : ndarray of shape (n,), int
        Class of each row, 0..n_classes - 1. A class without rows gets probability 1e-6 everywhere; where only one
        class has rows, it gets the rest.
    n_classes : int >= 2
    weights : ndarray of shape (n,), float >= 0, optional
        Weight of each row; 2 is the row twice, 0 leaves it out. Default: 1 each.
    groups : ndarray of shape (n,), optional
        Rows with equal values stay together where a head splits its training rows (calibration of SVM and ridge).
    seed : int >= 0
        Seed of the dense head's initial weights, order and dropout, and of the SVM's calibration folds.
    precision : {"fp32", "bf16"}
        Precision of the large products in training dense heads; no other kind heeds it.
    spread : ndarray of shape (d,), float > 0, optional
        Standard deviation that each feature is given by standardising: features of more spread are penalised less and
        count more in distances. A forest, which looks at one feature at a time, does not heed it. Default: 1 each.

    Returns
    -------
    list of FittedHead
        A dense head that diverged has `failed` set.

    Raises
    ------
    InputError
        When the specs mix kinds, shapes disagree or values are out of range.
    """
    if not specs:
        return []
    found = sorted({spec.kind for spec in specs})
    if len(found) > 1:
        raise InputError(f"Heads of one kind are fitted together, not of {', '.join(found)}. Call once for each kind.")
    if seed < 0:
        raise InputError(f"The seed must be a whole number >= 0, not {seed}.")
    rows = training_rows(
        features, labels, n_classes=n_classes, weights=weights, groups=groups, seed=seed, spread=spread
    )
    fit = KINDS[found[0]].fit
    learned = fit(specs, rows, precision=precision) if rows.n_present > 1 else [{} for _ in specs]
    return [FittedHead(spec, rows.common_arrays() | arrays) for spec, arrays in zip(specs, learned, strict=True)]
