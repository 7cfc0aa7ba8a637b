"""Every score of out-of-fold predictions with its interval and its spread across folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.metrics.bootstrap import Replicates, columns_for, defined_deviation, resample
from headstart.metrics.intervals import Correction, IntervalMethod, count_units, score_interval, variance_factor
from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.validation import FloatArray, plain


@dataclass(frozen=True)
class Estimate:
    """A score and how sure it is; nan where undefined.

    Attributes
    ----------
    value : float
        Pooled over the out-of-fold rows of a repeat, averaged over repeats.
    low, high : float
        Ends of the 95 % interval.
    fold_sd : float
        Standard deviation (n - 1) of the scores of the single folds, over all repeats.
    n_undefined : int
        Resamples left out because the score was undefined in them.
    """

    value: float
    low: float
    high: float
    fold_sd: float
    n_undefined: int = 0

    def to_json(self) -> dict[str, Any]:
        """``{"value": v, "ci95": [low, high] or None, "fold_sd": s}``; None for what is undefined."""
        interval = None if np.isnan(self.low) else [float(self.low), float(self.high)]
        return {"value": plain(self.value), "ci95": interval, "fold_sd": plain(self.fold_sd)}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores, intervals and confusion matrix of out-of-fold predictions.

    Attributes
    ----------
    metrics : dict of str to Estimate
        Estimates by metric name.
    per_class : dict of str to dict of str to Estimate
        Estimates by class, then metric name: the class against the rest.
    support : dict of str to int
        Judged rows of each class.
    confusion : ndarray of shape (K, K)
        Weighted (the mean positive weight counts 1), rows true, columns predicted, mean over repeats.
    interval : IntervalMethod
        Method of the intervals.
    """

    metrics: dict[str, Estimate]
    per_class: dict[str, dict[str, Estimate]]
    support: dict[str, int]
    confusion: FloatArray
    interval: IntervalMethod

    def to_json(self) -> dict[str, Any]:
        """Plain values: ``metrics``, ``per_class`` (with ``support``), ``confusion`` and ``interval``."""
        return {
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "per_class": {
                name: {key: estimate.to_json() for key, estimate in scores.items()} | {"support": self.support[name]}
                for name, scores in self.per_class.items()
            },
            "confusion": self.confusion.tolist(),
            "interval": self.interval.to_json(),
        }


def evaluate(
    oof: OutOfFold,
    *,
    metrics: Sequence[str] | None = None,
    per_class: bool = True,
    class_metrics: Sequence[str] | None = None,
    also: Sequence[str] = (),
    correction: Correction = "nadeau-bengio",
    n_train_fraction: float | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
) -> Evaluation:
    """Score out-of-fold predictions, with 95 % intervals and the spread across folds.

    Parameters
    ----------
    oof : OutOfFold
        Predictions, folds, weights and groups.
    metrics : sequence of str, optional
        Names from `METRICS`; None takes all that are shown for such classes.
    per_class : bool
        Whether to score each class against the rest as well.
    class_metrics : sequence of str, optional
        Names from `CLASS_METRICS`; None takes those among `metrics`.
    also : sequence of str
        Names of metrics beside those shown, where `metrics` is None.
    correction : 'nadeau-bengio' or 'none'
        The default widens the interval because folds share training data: it speaks of the procedure trained on data
        of this size. 'none' takes the models as fixed: use it for an outside test set.
    n_train_fraction : float in (0, 1], optional
        Share of all rows each model was trained on; None takes every row outside its test fold. Give it when some rows
        were neither trained on nor judged, as the validation part of a 60/20/20 split.
    seed : int
        Seed of the resampling; the same seed gives the same intervals.
    n_resamples : int >= 100
        Number of resamples of the groups.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        For unknown metrics or corrections, too few resamples, or a correction without training rows.

    Examples
    --------
    >>> oof = OutOfFold.from_test_set([0, 0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], classes="ab")
    >>> evaluate(oof, correction="none").metrics["accuracy"].value
    0.75
    """
    factor = variance_factor(oof, correction, n_train_fraction=n_train_fraction)
    columns = columns_for(
        oof.n_classes, metrics, per_class=per_class, class_names=class_metrics, ordered=oof.ordered, also=also
    )
    replicates = resample(oof, columns, n_resamples=n_resamples, seed=seed)
    overall: dict[str, Estimate] = {}
    of_classes: dict[str, dict[str, Estimate]] = {name: {} for name in oof.classes} if per_class else {}
    for column, found in zip(columns, estimates_of(oof, replicates, factor), strict=True):
        place = overall if column.class_index is None else of_classes[oof.classes[column.class_index]]
        place[column.metric.name] = found
    return Evaluation(
        metrics=overall,
        per_class=of_classes,
        support={name: int((oof.labels[oof.judged] == index).sum()) for index, name in enumerate(oof.classes)},
        confusion=replicates.confusion,
        interval=IntervalMethod(correction, factor, n_resamples, oof.n_units),
    )


def estimates_of(oof: OutOfFold, replicates: Replicates, factor: float) -> list[Estimate]:
    """An estimate for each column of the replicates, the resampled variance multiplied by `factor`."""
    low, high = _intervals(oof, replicates, factor)
    spread = defined_deviation(replicates.folds)
    undefined = np.isnan(replicates.resamples).sum(axis=0)
    table = zip(replicates.values, low, high, spread, undefined, strict=True)
    return [Estimate(float(v), float(lo), float(hi), float(sd), int(count)) for v, lo, hi, sd, count in table]


def resampled_deviation(oof: OutOfFold, resamples: FloatArray) -> FloatArray:
    """Standard deviation of resampled scores of shape (n_resamples, C), unbiased for few groups, shape (C,).

    Drawing G of G groups understates the variance by (G - 1)/G. nan where more than half of the resamples are
    undefined: the rest would speak of luckier data.
    """
    mostly = np.isnan(resamples).mean(axis=0) <= 0.5
    widened = defined_deviation(resamples) * np.sqrt(oof.n_units / max(oof.n_units - 1, 1))
    return np.where(mostly, widened, np.nan)


def _intervals(oof: OutOfFold, replicates: Replicates, factor: float) -> tuple[FloatArray, FloatArray]:
    columns = replicates.columns
    bounds = np.array([column.metric.bounds_for(oof.n_classes) for column in columns])
    low, high = score_interval(
        replicates.values,
        resampled_deviation(oof, replicates.resamples),
        np.array([count_units(oof, column) for column in columns]),
        bounds=(bounds[:, 0], bounds[:, 1]),
        proportion=np.array([column.metric.greater_is_better for column in columns]),
        factor=factor,
    )
    hidden = np.array([not column.metric.has_interval for column in columns])
    return np.where(hidden, np.nan, low), np.where(hidden, np.nan, high)
