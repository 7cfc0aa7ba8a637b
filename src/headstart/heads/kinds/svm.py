"""Support vector machine with an RBF kernel, one against the rest, calibrated inside the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.data.split.stratify import stratified_folds
from headstart.decisions.scaling import fit_platt
from headstart.errors import InputError
from headstart.heads.arithmetic import (
    TINY,
    Arrays,
    BlockPredictor,
    Floats,
    linear_map,
    rbf,
    sigmoid,
    squared_distances,
    squared_norms,
    standardised,
)
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.scores import ClassScores
from headstart.heads.training_rows import Integers, TrainingRows

CALIBRATION_FOLDS = 3
MAX_ROWS = 20_000


def fit_svm(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
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
    """Number of features times their mean variance: standardised ones have 1, constant ones 0."""
    return max(1.0, rows.total_variance)


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
    from sklearn.svm import SVC

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


def svm_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Platt-scaled one-vs-rest decision values, normalised over the classes."""
    decide = svm_decisions(arrays)

    def predict(block: Floats) -> Floats:
        scores = sigmoid(decide(block) * arrays["platt_slope"] + arrays["platt_offset"])
        scores = np.maximum(scores, TINY)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    return predict


def svm_decisions(arrays: Arrays) -> BlockPredictor:
    """Function from a block of standardised features to decision values (BLOCK_ROWS, n_present)."""
    rows = standardised(arrays["rows"], arrays)
    norms, gamma = squared_norms(rows), float(arrays["gamma"])
    products, combine = linear_map(rows.T), linear_map(arrays["dual"].T)  # (d, support), (support, classes)

    def decide(block: Floats) -> Floats:
        distances = squared_distances(products(block), squared_norms(block), norms)
        return combine(rbf(distances, gamma)) + arrays["intercepts"]

    return decide


def svm_scores(spec: HeadSpec, arrays: Arrays) -> ClassScores:
    """Decision values, before Platt's scaling."""
    rows, gamma = standardised(arrays["rows"], arrays), float(arrays["gamma"])
    norms = squared_norms(rows)

    def gradient(block: Floats, weights: Floats) -> Floats:
        pulls = rbf(squared_distances(block @ rows.T, squared_norms(block), norms), gamma)
        pulls *= weights @ arrays["dual"]  # (n, support)
        return np.asarray(2.0 * gamma * (pulls @ rows - pulls.sum(axis=1, keepdims=True) * block))

    return ClassScores(svm_decisions(arrays), gradient)


def _layout(spec: HeadSpec) -> Layout:
    return {
        "rows": ("float32", "nd"),
        "dual": ("float64", "Pn"),
        "intercepts": ("float64", "P"),
        "platt_slope": ("float64", "P"),
        "platt_offset": ("float64", "P"),
        "gamma": ("float64", ""),
    }


def _damage(arrays: Arrays) -> str:
    return "array 'gamma' must be positive" if arrays["gamma"] <= 0 else ""


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """The constants are fitted to timings of d = 1280, n = 200 to 2,100, 2 classes."""
    n_pairs = size.n_rows * size.n_rows
    return FitCost(n_pairs * (1e-8 + 2.3e-8 * size.n_machines), n_pairs * size.n_features * 1.7e-11, "distances")


def _n_products(spec: HeadSpec, size: FitSize) -> float:
    return size.n_features * size.n_rows * 0.5  # about half of the training rows are support vectors


register_head(
    HeadKind(
        name="svm",
        title="SVM",
        headline="RBF SVM C = {C}, gamma x {gamma}",
        settings={"C": Setting(3.0), "gamma": Setting(0.5)},
        layout=_layout,
        fit=fit_svm,
        predictor=svm_predictor,
        scores=svm_scores,
        cost=_cost,
        n_products=_n_products,
        damage=_damage,
        grids={
            "quick": [{"C": 3.0, "gamma": 0.25}, {"C": 3.0, "gamma": 0.5}],
            "wide": [{"C": C, "gamma": gamma} for gamma in (0.25, 0.5, 1.0) for C in (0.3, 1.0, 3.0, 10.0)],
        },
        order=4,
    )
)
