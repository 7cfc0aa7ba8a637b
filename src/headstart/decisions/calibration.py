"""Fitting a calibrator on predictions for rows that the head was not trained on, the kind chosen by size of the data.

References
----------
A. Niculescu-Mizil, R. Caruana, "Predicting good probabilities with supervised learning", ICML 2005,
DOI 10.1145/1102351.1102430: Platt's two parameters beat isotonic regression below about 1,000 calibration rows, and
from there isotonic regression is as good or better. C. Guo et al. 2017, arXiv:1706.04599, table 1: with several
classes one temperature beats isotonic and matrix maps of many parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.data.split.stratify import stratified_folds
from headstart.decisions.calibrators import (
    Calibrator,
    Isotonic,
    NoCalibration,
    Platt,
    Temperature,
    log_odds,
    log_probabilities,
)
from headstart.decisions.scaling import fit_platt
from headstart.errors import InputError, unknown_name
from headstart.metrics.validation import (
    FloatArray,
    IntArray,
    check_labels,
    check_probabilities,
    check_weights,
    relative_weights,
)

KINDS = ("none", "temperature", "platt", "isotonic")
CHOICES = ("auto", *KINDS)
MIN_ROWS = {"temperature": (20, 2), "platt": (100, 20), "isotonic": (1000, 100)}
"""Rows in all, and of the rarest class, from which ``auto`` considers a kind; it never takes more than these give. The
1,000 are Niculescu-Mizil and Caruana's; the others are ours."""
_N_FOLDS = 4
_MAX_LOG_FACTOR = float(np.log(50.0))


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fitted calibrator and why it is that one.

    Attributes
    ----------
    calibrator : Calibrator
    reason : str
        One sentence.
    cross_fitted : dict of str to float
        Log loss of every kind considered, each row calibrated by a fit without its fold.
    n_rows : int
        Rows it was fitted on.
    """

    calibrator: Calibrator
    reason: str
    cross_fitted: Mapping[str, float]
    n_rows: int


@dataclass(frozen=True, eq=False)
class _Rows:
    """Checked rows of positive weight; weights have a mean of 1."""

    probabilities: FloatArray
    labels: IntArray
    weights: FloatArray
    folds: IntArray

    @property
    def counts(self) -> IntArray:
        """Rows of every class."""
        return np.bincount(self.labels, minlength=self.probabilities.shape[1])

    def where(self, chosen: npt.NDArray[np.bool_]) -> _Rows:
        """Some of the rows."""
        return _Rows(self.probabilities[chosen], self.labels[chosen], self.weights[chosen], self.folds[chosen])


def fit_calibrator(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    kind: str = "auto",
    folds: npt.ArrayLike | None = None,
    keep_predicted: bool = False,
) -> Calibration:
    """A calibrator of the kind asked for, or the kind that the data can carry.

    ``auto`` considers a temperature from 20 rows on; with two classes also Platt's sigmoid from 100 rows, 20 of them of
    the rarer class, and isotonic regression from 1,000 rows, 100 of the rarer class. It takes the kind of the smallest
    log loss on rows that its fit left out, and none where none of them is better than the probabilities as they are.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
        For rows that the head was not trained on.
    labels : array-like of shape (n,), int
    weights : array-like of shape (n,), optional
        Rows of weight 0 are left out.
    kind : {"auto", "none", "temperature", "platt", "isotonic"}
        Platt's is for two classes; isotonic regression treats each of more than two against the rest.
    folds : array-like of shape (n,), int, optional
        Which rows are left out together when kinds are compared; rows of one group belong in one fold. None: 4 folds,
        each class shuffled and dealt out in turn.
    keep_predicted : bool
        ``auto`` then considers the temperature alone, which leaves the most probable class of every row as it is.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        When the arrays do not fit together, the kind is unknown, or Platt's is asked for with more than two classes.

    Examples
    --------
    >>> sure = [[0.99, 0.01], [0.01, 0.99]] * 20
    >>> often_wrong = [0, 1, 1, 0, 0, 1, 0, 1] * 5
    >>> fit_calibrator(sure, often_wrong).calibrator.kind
    'temperature'
    """
    rows = _checked(probabilities, labels, weights, folds)
    check_kind(kind, rows.probabilities.shape[1])
    if kind == "none":
        return Calibration(NoCalibration(), "None was asked for.", {}, len(rows.labels))
    if kind == "auto":
        return _by_size(rows, keep_predicted=keep_predicted)
    lacking = _lacks(kind, rows)
    if lacking:
        return Calibration(NoCalibration(), f"{lacking}, so {kind} cannot be fitted.", {}, len(rows.labels))
    return Calibration(_FITS[kind](rows), "Asked for.", {}, len(rows.labels))


def check_kind(kind: str, n_classes: int) -> None:
    """Refuse a kind that is unknown, or not for so many classes.

    Raises
    ------
    InputError
    """
    if kind not in CHOICES:
        raise InputError(unknown_name("calibration", kind, CHOICES))
    if kind == "platt" and n_classes != 2:
        raise InputError(
            f"Platt's calibration is for two classes; there are {n_classes}. Take temperature, isotonic or auto."
        )


def _checked(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None, folds: npt.ArrayLike | None
) -> _Rows:
    n_rows = len(np.atleast_1d(np.asarray(labels)))
    columns = check_probabilities(probabilities, n_rows)
    codes = check_labels(labels, columns.shape[1])
    counted = check_weights(weights, n_rows)
    if counted.ndim != 1:
        raise InputError(f"Weights must have shape ({n_rows},); got {counted.shape}.")
    parts = stratified_folds(codes, None, _N_FOLDS, np.random.default_rng(0)) if folds is None else np.asarray(folds)
    if parts.shape != (n_rows,) or parts.dtype.kind not in "iu":
        raise InputError(f"Folds must be {n_rows} whole numbers, one for each row; got shape {parts.shape}.")
    there = counted > 0
    return _Rows(
        columns[there], codes[there], relative_weights(counted[there]) if there.any() else counted, parts[there]
    )


def _lacks(kind: str, rows: _Rows) -> str:
    """Why a kind cannot be fitted on these rows; empty where it can."""
    present = int((rows.counts > 0).sum())
    if present < 2:
        return f"The {len(rows.labels):,} calibration rows are not of two classes"
    if kind == "isotonic" and present < len(rows.counts):
        return f"{len(rows.counts) - present} of {len(rows.counts)} classes have no calibration row"
    return ""


def _by_size(rows: _Rows, *, keep_predicted: bool) -> Calibration:
    n, rarest = len(rows.labels), int(rows.counts.min()) if len(rows.labels) else 0
    two = rows.probabilities.shape[1] == 2
    able = [
        kind
        for kind in (("temperature",) if keep_predicted or not two else KINDS[1:])
        if n >= MIN_ROWS[kind][0] and (rarest >= MIN_ROWS[kind][1] or kind == "temperature") and not _lacks(kind, rows)
    ]
    size = f"{n:,} rows, {rarest:,} of the rarest class"
    if not able:
        return Calibration(NoCalibration(), f"Too few rows to calibrate on ({size}).", {}, n)
    losses = {kind: _cross_fitted_loss(kind, rows) for kind in ("none", *able)}
    best = min(losses, key=lambda kind: losses[kind])  # the first of equals, which is the simplest
    compared = ", ".join(f"{kind} {loss:.4f}" for kind, loss in losses.items() if np.isfinite(loss))
    reason = f"Smallest log loss on rows left out ({compared}; {size})."
    calibrator = NoCalibration() if best == "none" else _FITS[best](rows)
    return Calibration(calibrator, reason, losses, n)


def _cross_fitted_loss(kind: str, rows: _Rows) -> float:
    """Weighted log loss with each row calibrated by a fit without its fold; infinite where some fold allows no fit."""
    calibrated = rows.probabilities.copy()
    for fold in np.unique(rows.folds) if kind != "none" else ():
        rest = rows.where(rows.folds != fold)
        if _lacks(kind, rest):
            return float("inf")
        calibrator = _FITS[kind](rest)
        if isinstance(calibrator, Platt) and calibrator.slope == 0:
            return float("inf")  # worse than chance on these rows: all it could do is to forget the order
        inside = rows.folds == fold
        calibrated[inside] = calibrator.apply(rows.probabilities[inside])
    logs = log_probabilities(calibrated)[np.arange(len(rows.labels)), rows.labels]
    return float(-(rows.weights @ logs) / rows.weights.sum())


def _fit_temperature(rows: _Rows) -> Calibrator:
    """The factor of least log loss, from 1/50 to 50; the loss is convex in it.

    Where every row has its own class on top any higher factor would be better, up to certainty. The targets are then
    smoothed by the class counts, as Platt did for two classes.
    """
    from scipy.optimize import minimize_scalar  # takes a third of a second to import

    logs = log_probabilities(rows.probabilities)
    targets = _targets(rows)

    def loss(log_factor: float) -> float:
        scaled = np.exp(log_factor) * logs
        top = scaled.max(axis=1)
        normal = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(rows.weights @ (normal - (targets * scaled).sum(axis=1)))

    bounds = (-_MAX_LOG_FACTOR, _MAX_LOG_FACTOR)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return Temperature(float(np.exp(found.x)))


def _targets(rows: _Rows) -> FloatArray:
    """Share of each class that a row is to have, shape (n, n_classes): all of its own, less for separable rows."""
    n_classes = rows.probabilities.shape[1]
    certain = np.eye(n_classes)[rows.labels]
    own = (certain * rows.probabilities).sum(axis=1)
    if (own < rows.probabilities.max(axis=1)).any():
        return certain
    totals = np.bincount(rows.labels, weights=rows.weights, minlength=n_classes)
    smoothed = (np.diag(totals) + 1.0) / (totals[:, None] + n_classes)  # row: true class, column: target of each class
    return np.asarray(smoothed[rows.labels])


def _fit_platt_sigmoid(rows: _Rows) -> Calibrator:
    return Platt(*fit_platt(log_odds(rows.probabilities), rows.labels == 1, rows.weights))


def _fit_isotonic(rows: _Rows) -> Calibrator:
    two = rows.probabilities.shape[1] == 2
    classes = (1,) if two else range(rows.probabilities.shape[1])
    return Isotonic(tuple(_rising(rows.probabilities[:, code], rows.labels == code, rows.weights) for code in classes))


def _rising(
    places: FloatArray, happened: npt.NDArray[np.bool_], weights: FloatArray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Points of the rising line of least weighted squares.

    A share of 0 or 1 among m rows would be certainty that m rows cannot give: the ends are kept 1/(n + 2) from it.
    """
    from sklearn.isotonic import IsotonicRegression

    margin = 1.0 / (len(places) + 2.0)
    fitted = IsotonicRegression(out_of_bounds="clip").fit(places, happened.astype(np.float64), sample_weight=weights)
    values = np.clip(fitted.y_thresholds_, margin, 1 - margin)
    return tuple(fitted.X_thresholds_.tolist()), tuple(values.tolist())


_FITS: dict[str, Callable[[_Rows], Calibrator]] = {
    "temperature": _fit_temperature,
    "platt": _fit_platt_sigmoid,
    "isotonic": _fit_isotonic,
}
