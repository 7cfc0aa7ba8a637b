"""Support vector machine with an RBF kernel, one against the rest, calibrated inside the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC

from headstart.data.split.stratify import stratified_folds
from headstart.decisions.platt import fit_platt
from headstart.errors import InputError
from headstart.heads.arithmetic import Floats, rbf, squared_distances, squared_norms
from headstart.heads.spec import HeadSpec
from headstart.heads.training_rows import Integers, TrainingRows

CALIBRATION_FOLDS = 3
MAX_ROWS = 20_000


def fit_svm(specs: Sequence[HeadSpec], rows: TrainingRows) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of an SVM head for every spec.

    `gamma` counts in units of 1 / (n_features * variance) of the standardised features, scikit-learn's "scale".
    Distances among the training rows are computed once, the kernel once per gamma; the calibration folds cut theirs
    out of it.

    Raises
    ------
    InputError
        Beyond 20,000 rows, where distances and kernel would need more than 6.4 GB.
    """
    if len(rows.labels) > MAX_ROWS:
        raise InputError(
            f"An SVM head holds a kernel matrix of n x n values; {len(rows.labels)} training rows are more than "
            f"{MAX_ROWS}. Leave the kind 'svm' out or train on fewer rows."
        )
    folds = stratified_folds(rows.labels, rows.groups, CALIBRATION_FOLDS, np.random.default_rng(rows.seed))
    norms = squared_norms(rows.standardised)
    distances = squared_distances(rows.standardised @ rows.standardised.T, norms, norms)
    fitted: dict[int, dict[str, npt.NDArray[Any]]] = {}
    for multiple in sorted({spec.number("gamma") for spec in specs}):
        gamma = multiple / _scale(rows)
        kernel = rbf(distances, gamma)
        for place, spec in enumerate(specs):
            if spec.number("gamma") == multiple:
                fitted[place] = _fit_one(kernel, spec.number("C"), rows, folds) | {"gamma": np.array(gamma)}
    return [fitted[place] for place in range(len(specs))]


def _scale(rows: TrainingRows) -> float:
    """Number of features times their variance: standardised ones have 1, constant ones 0."""
    return max(1.0, float(np.count_nonzero(rows.inverse_scale)))


def _fit_one(kernel: Floats, C: float, rows: TrainingRows, folds: Integers) -> dict[str, npt.NDArray[Any]]:
    """Machines on all rows and the Platt scaling of their decisions, for one C."""
    targets = _targets(rows)
    machines = [_machine(kernel, target, C, rows.weights) for target in targets]
    dual = np.stack([machine[0] for machine in machines])  # (machines, n)
    intercepts = np.array([machine[1] for machine in machines])
    scaling = [_calibrated(kernel, target, C, rows.weights, folds) for target in targets]
    slopes, offsets = np.array(scaling).T
    if len(targets) == 1:  # class 0 is the mirror image of class 1
        dual, intercepts = np.concatenate([-dual, dual]), np.concatenate([-intercepts, intercepts])
        slopes, offsets = np.repeat(slopes, 2), np.concatenate([-offsets, offsets])
    support = np.flatnonzero((dual != 0).any(axis=0))
    return {
        "rows": rows.features[support],
        "dual": dual[:, support],
        "intercepts": intercepts,
        "platt_slope": slopes,
        "platt_offset": offsets,
    }


def _targets(rows: TrainingRows) -> list[npt.NDArray[np.bool_]]:
    """Rows of each class against the rest; for two classes, class 1 alone."""
    classes = [1] if rows.n_present == 2 else range(rows.n_present)
    return [rows.labels == label for label in classes]


def _machine(kernel: Floats, target: npt.NDArray[np.bool_], C: float, weights: Floats) -> tuple[Floats, float]:
    """Dual coefficients (n,) and intercept of one two-class machine."""
    machine = SVC(C=C, kernel="precomputed", cache_size=500).fit(kernel, target, sample_weight=weights)
    dual = np.zeros(len(target))
    dual[machine.support_] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])


def _calibrated(
    kernel: Floats, target: npt.NDArray[np.bool_], C: float, weights: Floats, folds: Integers
) -> tuple[float, float]:
    """Platt slope and offset from decisions on rows left out of the machine's training.

    The left-out rows share the standardisation of all training rows, which knows no labels.
    """
    decisions = np.full(len(target), np.nan)
    for fold in range(CALIBRATION_FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if outside.size and np.unique(target[inside]).size == 2:
            dual, intercept = _machine(kernel[np.ix_(inside, inside)], target[inside], C, weights[inside])
            decisions[outside] = kernel[np.ix_(outside, inside)] @ dual + intercept
    known = np.isfinite(decisions)
    return fit_platt(decisions[known], target[known], weights[known])
