"""Support vector machine with an RBF kernel, one against the rest, calibrated inside the training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.data.split.stratify import stratified_folds
from headstart.decisions.scaling import fit_platt_columns
from headstart.heads.arithmetic import (
    TINY,
    Arrays,
    BlockPredictor,
    Features,
    Floats,
    linear_map,
    rbf,
    sigmoid,
    squared_distances,
    squared_norms,
    standardised,
)
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.linear.descent import least_loss
from headstart.heads.linear.directions import PrincipalDirections
from headstart.heads.linear.landmarks import N_LANDMARKS, KernelFeatures, kernel_features, landmarks
from headstart.heads.linear.loss import SquaredHingeLoss
from headstart.heads.scores import ClassScores
from headstart.heads.training_rows import Integers, TrainingRows

_Machines = dict[str, npt.NDArray[Any]]

CALIBRATION_FOLDS = 3
MAX_KERNEL_ROWS = 5_000
MAX_KERNEL_WORK = 1e8
"""Rows, and squared rows times machines, up to which the whole kernel matrix is used: a few seconds a fit."""

LANDMARK_TOLERANCE = 1e-3
"""Largest entry of the gradient of the mean squared hinge."""
LEFT_OUT_TOLERANCE = 3e-3
"""The same where a calibration fold is left out: further steps change no sigmoid for the better."""
MAX_ITERATIONS = 500

MIN_LEFT_OUT = 200
"""Rows of every class in the first fold from which on machines are calibrated on that fold alone.

By trials log loss then rises by two thirds of the number of machines divided by that of the fold's rows: 0.0034 at
most. Several machines on the whole kernel matrix are calibrated on all folds.
"""
MOST_LEFT_OUT = 0.4
"""Share of the rows that it may hold: a group is never torn, and may be larger."""


def fit_svm(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of an SVM head for every spec.

    `gamma` counts in units of 1 / (n_features * variance) of the standardised features, scikit-learn's "scale".
    Up to 5,000 rows, and up to 1e8 squared rows times machines, distances among the rows are computed once, the kernel
    once per gamma; the calibration folds cut theirs out of it. Beyond, the kernel is told from 1,024 landmarks, and
    the hinge is squared, so that all machines are found together: the time then grows as the rows do. Where the first
    calibration fold holds 200 rows of every class (on the whole kernel: of each of two), it alone gives the Platt
    scaling.
    """
    folds = stratified_folds(rows.labels, rows.groups, CALIBRATION_FOLDS, np.random.default_rng(rows.seed))
    fit = _by_kernel if _is_small(len(rows.labels), len(_targets(rows))) else _by_landmarks
    fitted = fit(specs, rows, folds)
    return [fitted[place] | {"gamma": np.array(_gamma(spec, rows))} for place, spec in enumerate(specs)]


def _is_small(n_rows: int, n_machines: int) -> bool:
    """Whether so many rows and machines are fitted on the whole kernel matrix."""
    return n_rows <= MAX_KERNEL_ROWS and n_rows**2 * n_machines <= MAX_KERNEL_WORK


def _places_by_gamma(specs: Sequence[HeadSpec], rows: TrainingRows) -> dict[float, list[int]]:
    """Places of the specs with each gamma, from the smallest."""
    found: dict[float, list[int]] = {}
    for place in sorted(range(len(specs)), key=lambda place: specs[place].number("gamma")):
        found.setdefault(_gamma(specs[place], rows), []).append(place)
    return found


def _by_kernel(specs: Sequence[HeadSpec], rows: TrainingRows, folds: Integers) -> dict[int, _Machines]:
    """Arrays of every spec by its place, on the whole kernel matrix."""
    norms = squared_norms(rows.standardised)
    distances = squared_distances(rows.standardised @ rows.standardised.T, norms, norms)
    kernel = np.empty_like(distances)  # for every gamma in turn: fresh memory of this size takes as long as the filling
    fitted: dict[int, _Machines] = {}
    for gamma, places in _places_by_gamma(specs, rows).items():
        rbf(distances, gamma, out=kernel)
        decisions = _left_out(kernel, [specs[place].number("C") for place in places], rows, folds)
        for place, left_out in zip(places, decisions, strict=True):
            fitted[place] = _fit_one(kernel, specs[place].number("C"), rows, left_out)
    return fitted


def _by_landmarks(specs: Sequence[HeadSpec], rows: TrainingRows, folds: Integers) -> dict[int, _Machines]:
    """The same, by landmarks among the rows."""
    chosen = landmarks(rows)
    kept = rows.features[chosen]  # of all heads the same
    fitted: dict[int, _Machines] = {}
    for gamma, places in _places_by_gamma(specs, rows).items():
        kernel = kernel_features(rows, chosen, gamma)
        directions = PrincipalDirections.of(kernel.features)
        for place in places:
            found = _fit_landmarks(kernel, directions, specs[place].number("C"), rows, folds)
            fitted[place] = {"rows": kept, **found}
    return fitted


def _gamma(spec: HeadSpec, rows: TrainingRows) -> float:
    return spec.number("gamma") / _scale(rows)


def _scale(rows: TrainingRows) -> float:
    """Number of features times their mean variance: standardised ones have 1, constant ones 0."""
    return max(1.0, rows.total_variance)


def _fit_one(kernel: Floats, C: float, rows: TrainingRows, decisions: Floats) -> _Machines:
    """Machines on all rows, for one C, and the Platt scaling of their decisions on rows left out of training."""
    targets = _targets(rows)
    machines = [_machine(kernel, target, C, rows.weights) for target in targets]
    intercepts = np.array([machine[1] for machine in machines])
    scaling = fit_platt_columns(decisions, np.stack(targets, axis=1), rows.weights)
    found = _for_all_classes(np.stack([machine[0] for machine in machines]), intercepts, scaling)
    support = np.flatnonzero((found["dual"] != 0).any(axis=0))
    return {**found, "rows": rows.features[support], "dual": found["dual"][:, support]}


def _fit_landmarks(
    kernel: KernelFeatures, directions: PrincipalDirections, C: float, rows: TrainingRows, folds: Integers
) -> _Machines:
    """Machines on the features that landmarks give, and the Platt scaling of their decisions, for one C.

    Where classes have rows enough, a third of all tells two numbers a class, and is left out once. Left-out rows share
    the landmarks of all training rows, which know no labels.
    """
    everything = np.ones(len(folds), dtype=bool)
    parameters = _descended(kernel.features, directions, C, rows, everything, tolerance=LANDMARK_TOLERANCE)
    targets, decisions = np.stack(_targets(rows), axis=1), np.full((len(folds), parameters.shape[1]), np.nan)
    for fold in range(1 if _is_left_out_once(folds, rows) else CALIBRATION_FOLDS):
        inside, outside = folds != fold, folds == fold
        known = targets[inside].any(axis=0) & ~targets[inside].all(axis=0)
        if outside.any() and known.any():
            found = _descended(kernel.features, directions, C, rows, inside, tolerance=LEFT_OUT_TOLERANCE)
            decided = kernel.features[outside] @ found[:-1] + found[-1]
            decisions[outside] = np.where(known, decided, np.nan)
    scaling = fit_platt_columns(decisions, targets, rows.weights)
    return _for_all_classes((kernel.to_dual @ parameters[:-1]).T, parameters[-1], scaling)


def _descended(
    features: Features,
    directions: PrincipalDirections,
    C: float,
    rows: TrainingRows,
    taken: npt.NDArray[np.bool_],
    *,
    tolerance: float,
) -> Floats:
    """Parameters (m + 1, machines) of least squared hinge on the rows taken."""
    weights = rows.weights[taken]
    total = float(weights.sum())
    loss = SquaredHingeLoss(features[taken], rows.labels[taken], weights / total, rows.n_present, 1.0 / (C * total))
    found = least_loss(loss, directions.of_rows(taken), tolerance=tolerance, max_iterations=MAX_ITERATIONS)
    return found.parameters.astype(np.float64)


def _is_left_out_once(folds: Integers, rows: TrainingRows) -> bool:
    """Whether the first fold is enough to calibrate on: about a third of the rows, with enough of every class."""
    first = folds == 0
    fewest = np.bincount(rows.labels[first], minlength=rows.n_present).min()
    return bool(fewest >= MIN_LEFT_OUT and first.mean() <= MOST_LEFT_OUT)


def _for_all_classes(dual: Floats, intercepts: Floats, scaling: tuple[Floats, Floats]) -> _Machines:
    """Arrays with a machine for each class: of two, class 0 is the mirror image of class 1."""
    slopes, offsets = scaling
    if len(dual) == 1:
        dual, intercepts = np.concatenate([-dual, dual]), np.concatenate([-intercepts, intercepts])
        slopes, offsets = np.repeat(slopes, 2), np.concatenate([-offsets, offsets])
    return {"dual": dual, "intercepts": intercepts, "platt_slope": slopes, "platt_offset": offsets}


def _targets(rows: TrainingRows) -> list[npt.NDArray[np.bool_]]:
    """Rows of each class against the rest; for two classes, class 1 alone."""
    classes = [1] if rows.n_present == 2 else range(rows.n_present)
    return [rows.labels == label for label in classes]


def _machine(kernel: Floats, target: npt.NDArray[np.bool_], C: float, weights: Floats) -> tuple[Floats, float]:
    """Dual coefficients (n,) and intercept of one two-class machine."""
    from sklearn import config_context
    from sklearn.svm import SVC

    with config_context(assume_finite=True, skip_parameter_validation=True):  # looking through the kernel takes time
        machine = SVC(C=C, kernel="precomputed", cache_size=500).fit(kernel, target, sample_weight=weights)
    dual = np.zeros(len(target))
    dual[machine.support_] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])


def _left_out(kernel: Floats, costs: Sequence[float], rows: TrainingRows, folds: Integers) -> list[Floats]:
    """Decisions (n, machines) on rows left out of training for every C; nan where the other rows are of one class.

    Of two classes with rows enough one fold alone is left out, and the decisions on the others stay nan. The left-out
    rows share the standardisation of all training rows, which knows no labels.
    """
    targets = np.stack(_targets(rows), axis=1)
    decisions = [np.full(targets.shape, np.nan) for _ in costs]
    memory = np.empty(kernel.size)
    is_once = targets.shape[1] == 1 and _is_left_out_once(folds, rows)
    for fold in range(1 if is_once else CALIBRATION_FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        known = np.flatnonzero(targets[inside].any(axis=0) & ~targets[inside].all(axis=0))
        if not outside.size or not known.size:
            continue
        among = _square(kernel, inside, memory)
        for decided, C in zip(decisions, costs, strict=True):
            machines = [_machine(among, targets[inside, place], C, rows.weights[inside]) for place in known]
            duals = np.zeros((len(folds), known.size))
            duals[inside] = np.stack([dual for dual, _ in machines], axis=1)
            intercepts = np.array([intercept for _, intercept in machines])
            decided[np.ix_(outside, known)] = (kernel @ duals)[outside] + intercepts
    return decisions


def _square(kernel: Floats, places: Integers, memory: Floats) -> Floats:
    """Rows and columns of some places, written into memory that is there."""
    square = memory[: places.size**2].reshape(places.size, places.size)
    for row, place in zip(square, places, strict=True):
        kernel[place].take(places, out=row, mode="clip")  # which writes without a copy in between
    return square


def svm_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Platt-scaled one-vs-rest decision values, normalised over the classes."""
    predict = svm_predictors([spec], [arrays])
    return lambda block: predict(block)[0]


def svm_predictors(specs: Sequence[HeadSpec], given: Sequence[Arrays]) -> Callable[[Floats], list[Floats]]:
    """The same for several heads that were fitted together: distances are computed once."""
    decide = _decisions(given)

    def probabilities(arrays: Arrays, decisions: Floats) -> Floats:
        scores = sigmoid(decisions * arrays["platt_slope"] + arrays["platt_offset"])
        scores = np.maximum(scores, TINY)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    return lambda block: [probabilities(*pair) for pair in zip(given, decide(block), strict=True)]


def _decisions(given: Sequence[Arrays]) -> Callable[[Floats], list[Floats]]:
    """Function from a block of standardised features to decision values (BLOCK_ROWS, n_present) of every head."""
    kept, places = _kept_rows(given)
    rows = standardised(kept, given[0])
    norms, products = squared_norms(rows), linear_map(rows.T)  # (d, n_kept)
    combined = [linear_map(arrays["dual"].T) for arrays in given]  # (n_support, n_present) each
    gammas = [float(arrays["gamma"]) for arrays in given]

    def decide(block: Floats) -> list[Floats]:
        distances = squared_distances(products(block), squared_norms(block), norms)
        kernels = {gamma: rbf(distances, gamma) for gamma in set(gammas)}
        pulls = [
            kernels[gamma] if at is None else kernels[gamma].take(at, axis=1)
            for gamma, at in zip(gammas, places, strict=True)
        ]
        return [
            combine(of_head) + arrays["intercepts"]
            for combine, of_head, arrays in zip(combined, pulls, given, strict=True)
        ]

    return decide


def _kept_rows(given: Sequence[Arrays]) -> tuple[Features, list[Integers | None]]:
    """Rows that any of the heads keeps, and where those of each stand among them: None for all as they are."""
    first: Features = given[0]["rows"]
    if all(arrays["rows"] is first for arrays in given):
        return first, [None] * len(given)
    found: dict[bytes, int] = {}
    places = [[found.setdefault(row.tobytes(), len(found)) for row in arrays["rows"]] for arrays in given]
    kept = np.frombuffer(b"".join(found), dtype=first.dtype).reshape(len(found), first.shape[1])
    return kept, [np.array(at, dtype=np.int64) for at in places]


def svm_decisions(arrays: Arrays) -> BlockPredictor:
    """Function from a block of standardised features to decision values (BLOCK_ROWS, n_present)."""
    decide = _decisions([arrays])
    return lambda block: decide(block)[0]


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
    if not _is_small(size.n_rows, size.n_machines):
        n_values = size.n_rows * min(size.n_rows, N_LANDMARKS)
        is_once = size.n_rows >= CALIBRATION_FOLDS * MIN_LEFT_OUT * size.n_classes
        fits = 5 / 9 if is_once else 1.0  # one on two thirds, or three, beside that on all rows
        own = fits * n_values * (2.4e-7 + 5e-9 * size.n_machines)
        return FitCost(own, 2.5e-11 * n_values * (size.n_features + N_LANDMARKS), f"landmarks {spec.settings['gamma']}")
    n_pairs = size.n_rows * size.n_rows
    is_once = size.n_machines == 1 and size.n_rows >= CALIBRATION_FOLDS * MIN_LEFT_OUT * size.n_classes
    fits = 13 / 21 if is_once else 1.0
    own = n_pairs * (1e-8 + 2.3e-8 * fits * size.n_machines)
    return FitCost(own, n_pairs * size.n_features * 1.7e-11, "distances")


def _n_products(spec: HeadSpec, size: FitSize) -> float:
    if not _is_small(size.n_rows, size.n_machines):
        return float(size.n_features * min(size.n_rows, N_LANDMARKS))
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
        predictors=svm_predictors,
        scores=svm_scores,
        cost=_cost,
        n_products=_n_products,
        damage=_damage,
        grids={
            "quick": [{"C": 3.0, "gamma": 0.25}, {"C": 3.0, "gamma": 0.5}],
            "quick, many classes": [{"C": 3.0, "gamma": 0.5}],
            "wide": [{"C": C, "gamma": gamma} for gamma in (0.25, 0.5, 1.0) for C in (0.3, 1.0, 3.0, 10.0)],
        },
        order=4,
    )
)
