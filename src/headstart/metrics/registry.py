"""Every metric by name: what it is called, its bounds, which way is better, and how it is computed.

For two classes `precision`, `recall`, `specificity`, `f1`, `roc_auc`, `pr_auc` and `brier` are those of the positive
class; with more classes `roc_auc` and `pr_auc` are means over one-vs-rest and the first four exist per class and as
``_macro`` means only. The predicted class is the one of highest probability (for two classes: threshold 0.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.metrics import confusion as counts
from headstart.metrics.tally import PROBABILITY_FLOOR, Outcome, Tally
from headstart.metrics.validation import (
    FloatArray,
    check_labels,
    check_probabilities,
    check_weights,
    plain,
    relative_weights,
)

Evidence = Literal["all", "rarest", "class", "rest", "called", "both"]
"""Which rows could have spoken against a perfect score; `headstart.metrics.intervals.count_units` counts them."""


@dataclass(frozen=True)
class Metric:
    """A score of labels against probabilities; call it with arrays.

    Attributes
    ----------
    name, title : str
        Key in results, and words for people.
    greater_is_better : bool
    bounds : (float, float)
        Lowest and highest possible value (of log loss: with probabilities kept within 1e-7 and 1 - 1e-7).
    applies_to : 'both' or 'two-class'
        Whether it exists for any number of classes or for two only.
    compute : callable
        From a tally to scores of shape (batch,), or (batch, K) for a metric per class.
    evidence : str
        Which rows an interval counts when the score is perfect.
    has_interval : bool
        False for the calibration error, whose debiased estimate has no trustworthy interval here.
    """

    name: str
    title: str
    greater_is_better: bool
    bounds: tuple[float, float]
    applies_to: Literal["both", "two-class"]
    compute: Callable[[Tally], FloatArray]
    evidence: Evidence
    has_interval: bool = True

    def __call__(
        self,
        labels: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        weights: npt.ArrayLike | None = None,
        *,
        positive: int | None = None,
    ) -> float | FloatArray:
        """Score of the rows.

        Parameters
        ----------
        labels : array-like of shape (n,), int
            True class numbers, 0 to K - 1.
        probabilities : array-like of shape (n, K)
            Rows sum to 1.
        weights : array-like of shape (n,) or (batch, n), optional
            None weighs all rows alike.
        positive : int, optional
            Positive class of a two-class task; None means class 1.

        Returns
        -------
        float, or ndarray of shape (batch,) for batched weights
            (with a last axis K for a metric per class); nan where undefined, for example when a class is absent.

        Raises
        ------
        InputError
            When the arrays do not fit together, or the metric needs two classes and there are more.

        Examples
        --------
        >>> METRICS["accuracy"]([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
        0.6666666666666666
        """
        outcome, batch = checked_outcome(labels, probabilities, weights, positive)
        self.check_classes(outcome.n_classes)
        scores = self.compute(Tally(outcome, np.atleast_2d(batch)))
        if batch.ndim == 2:
            return scores
        return float(scores[0]) if scores.ndim == 1 else scores[0]

    def bounds_for(self, n_classes: int) -> tuple[float, float]:
        """Bounds for a task of so many classes; only the Brier score's depend on it (at most 1 for two)."""
        return (0.0, 1.0) if self.name == "brier" and n_classes == 2 else self.bounds

    def check_classes(self, n_classes: int) -> None:
        """Raise InputError when the metric does not exist for so many classes."""
        if self.applies_to == "two-class" and n_classes > 2:
            raise InputError(
                f"Metric '{self.name}' needs two classes; there are {n_classes}. Use '{self.name}_macro' or the "
                f"scores per class."
            )


def _auc(tally: Tally) -> FloatArray:
    return tally.ranked[0]


def _average_precision(tally: Tally) -> FloatArray:
    return tally.ranked[1]


def _counted(score: Callable[[FloatArray], FloatArray]) -> Callable[[Tally], FloatArray]:
    return lambda tally: score(tally.confusion)


def _of_positive(per_class: Callable[[Tally], FloatArray]) -> Callable[[Tally], FloatArray]:
    return lambda tally: per_class(tally)[:, tally.outcome.positive]


def _of_positive_or_mean(per_class: Callable[[Tally], FloatArray]) -> Callable[[Tally], FloatArray]:
    def compute(tally: Tally) -> FloatArray:
        scores = per_class(tally)
        return scores[:, tally.outcome.positive] if tally.outcome.n_classes == 2 else scores.mean(axis=1)

    return compute


def _mean_log_loss(tally: Tally) -> FloatArray:
    return tally.mean(tally.outcome.log_losses)


def _mean_brier(tally: Tally) -> FloatArray:
    return tally.mean(tally.outcome.brier_losses)


_UNIT = (0.0, 1.0)
_PR_TITLE = "PR AUC (average precision)"
_LOG_LOSS_BOUNDS = (0.0, float(-np.log(PROBABILITY_FLOOR)))

CLASS_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("precision", "Precision", True, _UNIT, "both", _counted(counts.precision), "called"),
        Metric("recall", "Recall (sensitivity)", True, _UNIT, "both", _counted(counts.recall), "class"),
        Metric("specificity", "Specificity", True, _UNIT, "both", _counted(counts.specificity), "rest"),
        Metric("f1", "F1", True, _UNIT, "both", _counted(counts.f1), "class"),
        Metric("roc_auc", "ROC AUC", True, _UNIT, "both", _auc, "both"),
        Metric("pr_auc", _PR_TITLE, True, _UNIT, "both", _average_precision, "class"),
    )
}
"""Metrics of one class against the rest; their scores have a last axis K."""


def _positive_metric(name: str) -> Metric:
    base = CLASS_METRICS[name]
    return Metric(name, base.title, True, _UNIT, "two-class", _of_positive(base.compute), base.evidence)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", True, _UNIT, "both", _counted(counts.accuracy), "all"),
        Metric("balanced_accuracy", "Balanced accuracy", True, _UNIT, "both", _counted(counts.macro_recall), "rarest"),
        _positive_metric("precision"),
        _positive_metric("recall"),
        _positive_metric("specificity"),
        _positive_metric("f1"),
        Metric("precision_macro", "Precision (mean)", True, _UNIT, "both", _counted(counts.macro_precision), "rarest"),
        Metric("recall_macro", "Recall (mean)", True, _UNIT, "both", _counted(counts.macro_recall), "rarest"),
        Metric(
            "specificity_macro", "Specificity (mean)", True, _UNIT, "both", _counted(counts.macro_specificity), "rarest"
        ),
        Metric("f1_macro", "F1 (mean)", True, _UNIT, "both", _counted(counts.macro_f1), "rarest"),
        Metric("mcc", "Matthews correlation", True, (-1.0, 1.0), "both", _counted(counts.matthews), "all"),
        Metric("roc_auc", "ROC AUC", True, _UNIT, "both", _of_positive_or_mean(_auc), "rarest"),
        Metric("pr_auc", _PR_TITLE, True, _UNIT, "both", _of_positive_or_mean(_average_precision), "rarest"),
        Metric("log_loss", "Log loss", False, _LOG_LOSS_BOUNDS, "both", _mean_log_loss, "all"),
        Metric("brier", "Brier score", False, (0.0, 2.0), "both", _mean_brier, "all"),
        Metric("ece", "Calibration error (debiased)", False, _UNIT, "both", lambda tally: tally.ece, "all", False),
    )
}
"""Metrics of all rows, in the order in which they are shown."""


def find_metric(name: str) -> Metric:
    """Metric by name.

    Raises
    ------
    InputError
        For an unknown name, with the close matches.
    """
    if name not in METRICS:
        raise InputError(unknown_name("metric", name, METRICS))
    return METRICS[name]


def metrics_for(n_classes: int) -> list[Metric]:
    """All metrics that exist for so many classes, in order."""
    return [metric for metric in METRICS.values() if metric.applies_to == "both" or n_classes == 2]


def score(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    positive: int | None = None,
) -> dict[str, float | None]:
    """Every metric of one set of rows, ready for JSON: None where undefined. Arguments as for `Metric.__call__`."""
    outcome, batch = checked_outcome(labels, probabilities, weights, positive)
    if batch.ndim != 1:
        raise InputError(f"Weights must have shape ({len(outcome.labels)},) here; got {batch.shape}.")
    tally = Tally(outcome, batch[None])
    return {metric.name: plain(metric.compute(tally)[0]) for metric in metrics_for(outcome.n_classes)}


def checked_outcome(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None, positive: int | None
) -> tuple[Outcome, FloatArray]:
    """Checked arrays as an outcome and its weights, of shape (n,) or (batch, n), with a mean of 1."""
    n_rows = len(np.atleast_1d(labels))
    columns = check_probabilities(probabilities, n_rows)
    n_classes = columns.shape[1]
    outcome = Outcome(check_labels(labels, n_classes), columns, check_positive(positive, n_classes))
    return outcome, relative_weights(check_weights(weights, n_rows))


def check_positive(positive: int | None, n_classes: int) -> int:
    """The positive class, 1 for None.

    Raises
    ------
    InputError
        When it is named for more than two classes, or is not 0 or 1 for two.
    """
    if positive is None:
        return 1
    if n_classes != 2:
        raise InputError(f"A positive class needs two classes; there are {n_classes}. Leave it out.")
    if positive not in (0, 1):
        raise InputError(f"The positive class of a two-class task must be 0 or 1; got {positive}.")
    return int(positive)
