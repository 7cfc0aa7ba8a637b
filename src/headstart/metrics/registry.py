"""Every metric by name: what it is called, its bounds, which way is better, and how it is computed.

A metric registers itself with `register_metric`, those of one class against the rest with `register_class_metric`; the
built-in ones stand in `headstart.metrics.scores`. For two classes `precision`, `recall`, `specificity`, `f1`,
`roc_auc`, `pr_auc` and `brier` are those of the positive class; with more classes `roc_auc` and `pr_auc` are means over
one-vs-rest and the first four exist per class and as ``_macro`` means only. The predicted class is the one of highest
probability (for two classes: threshold 0.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.metrics.tally import Outcome, Tally
from headstart.metrics.validation import (
    FloatArray,
    check_labels,
    check_probabilities,
    check_weights,
    plain,
    relative_weights,
)
from headstart.runtime.registry import Registry

Evidence = Literal["all", "rarest", "class", "rest", "predicted", "both", "ends", "threshold"]
"""Which rows could have spoken against a perfect score; `headstart.metrics.intervals.count_units` counts them."""

ScoreFunction = Callable[[Tally], FloatArray]
"""Function from a tally to scores of shape (batch,), or (batch, K) for a metric per class."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score of labels against probabilities; call it with arrays.

    Attributes
    ----------
    name, title : str
        Key in results, and words for people.
    compute : callable
        From a tally to scores of shape (batch,), or (batch, K) for a metric per class.
    evidence : str
        Which rows an interval counts when the score is perfect.
    greater_is_better : bool
    bounds : (float, float)
        Lowest and highest possible value.
    two_class_bounds : (float, float) or None
        Bounds for two classes; None: the same.
    bounds_by_classes : callable or None
        From the number of classes to the bounds, where they depend on it; None: they do not.
    max_classes : int or None
        Number of classes up to which it exists; None: any.
    uses_probabilities : bool
        Whether it looks at probabilities or their order; False where the predicted class alone decides it.
    usable_for_selection : bool
        Whether candidates can be chosen by it: False where a worthless model can score best.
    has_interval : bool
        False for the calibration error, whose debiased estimate has no trustworthy interval here.
    needs_order : bool
        Whether it speaks of the order of the classes, and so exists only where they have one.
    on_request : bool
        Whether unordered classes are scored by it only where it is named.
    """

    name: str
    title: str
    compute: ScoreFunction
    evidence: Evidence
    greater_is_better: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    two_class_bounds: tuple[float, float] | None = None
    bounds_by_classes: Callable[[int], tuple[float, float]] | None = None
    max_classes: int | None = None
    uses_probabilities: bool = True
    usable_for_selection: bool = True
    has_interval: bool = True
    needs_order: bool = False
    on_request: bool = False

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
        """Bounds for a task of so many classes."""
        if self.bounds_by_classes is not None:
            return self.bounds_by_classes(n_classes)
        return self.bounds if self.two_class_bounds is None or n_classes != 2 else self.two_class_bounds

    def exists_for(self, n_classes: int) -> bool:
        """Whether it is defined for so many classes."""
        return self.max_classes is None or n_classes <= self.max_classes

    def check_classes(self, n_classes: int) -> None:
        """Raise InputError when the metric does not exist for so many classes."""
        if not self.exists_for(n_classes):
            most = "two classes" if self.max_classes == 2 else f"at most {self.max_classes} classes"
            macro = f"'{self.name}_macro' or " if f"{self.name}_macro" in METRICS else ""
            raise InputError(
                f"Metric '{self.name}' needs {most}; there are {n_classes}. Use {macro}the scores per class."
            )

    def check_order(self, ordered: bool) -> None:
        """Raise InputError when the metric speaks of an order that the classes do not have."""
        if self.needs_order and not ordered:
            raise InputError(
                f"Metric '{self.name}' needs ordered classes. Name their order, from the lowest to the highest: "
                "--ordinal low,middle,high."
            )

    def check_usable_for_selection(self) -> None:
        """Raise InputError when candidates cannot be chosen by the metric."""
        if not self.usable_for_selection:
            raise InputError(
                f"{self.title} alone is no score to choose by: a model that knows nothing can have the best value. Use "
                "log_loss or brier."
            )


METRICS: Registry[Metric] = Registry("metric", "headstart.metrics.scores")
"""Metrics of all rows, in the order in which they are shown."""

CLASS_METRICS: Registry[Metric] = Registry("metric per class", "headstart.metrics.scores")
"""Metrics of one class against the rest; their scores have a last axis K."""


def register_metric(
    name: str, title: str, *, evidence: Evidence, **facts: Any
) -> Callable[[ScoreFunction], ScoreFunction]:
    """Decorator that makes a metric of a function from a tally to scores of shape (batch,).

    Parameters
    ----------
    name, title, evidence
        As for `Metric`.
    **facts
        Other attributes of `Metric` that are not at their default.

    Examples
    --------
    >>> @register_metric("error", "Error rate", evidence="all", greater_is_better=False, uses_probabilities=False)
    ... def error_rate(tally):
    ...     return 1.0 - METRICS["accuracy"].compute(tally)
    >>> round(METRICS["error"]([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), 6)
    0.333333
    >>> METRICS.discard("error")
    """
    return _registering(METRICS, name, title, evidence, facts)


def register_class_metric(
    name: str, title: str, *, evidence: Evidence, **facts: Any
) -> Callable[[ScoreFunction], ScoreFunction]:
    """Decorator that makes a metric per class of a function from a tally to scores of shape (batch, K).

    Arguments as for `register_metric`.
    """
    return _registering(CLASS_METRICS, name, title, evidence, facts)


def _registering(
    registry: Registry[Metric], name: str, title: str, evidence: Evidence, facts: dict[str, Any]
) -> Callable[[ScoreFunction], ScoreFunction]:
    def register(compute: ScoreFunction) -> ScoreFunction:
        registry.add(name, Metric(name=name, title=title, evidence=evidence, compute=compute, **facts))
        return compute

    return register


def of_positive(per_class: ScoreFunction) -> ScoreFunction:
    """Scores of the positive class, from scores of every class."""
    return lambda tally: per_class(tally)[:, tally.outcome.positive]


def of_positive_or_mean(per_class: ScoreFunction) -> ScoreFunction:
    """Scores of the positive class of two, or the mean over more classes, from scores of every class."""

    def compute(tally: Tally) -> FloatArray:
        scores = per_class(tally)
        return scores[:, tally.outcome.positive] if tally.outcome.n_classes == 2 else scores.mean(axis=1)

    return compute


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


def metrics_for(n_classes: int, *, ordered: bool = False, also: Sequence[str] = ()) -> list[Metric]:
    """All metrics that are shown for so many classes, ordered or not, and those of `also`, in order."""
    shown = [metric for name, metric in METRICS.items() if ordered or not metric.on_request or name in also]
    return [metric for metric in shown if metric.exists_for(n_classes)]


def selection_metrics() -> list[str]:
    """Names of the metrics that candidates can be chosen by, in order."""
    return [name for name, metric in METRICS.items() if metric.usable_for_selection]


def score(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    positive: int | None = None,
    ordered: bool = False,
    also: Sequence[str] = (),
) -> dict[str, float | None]:
    """Every metric of one set of rows, ready for JSON: None where undefined.

    Arguments as for `Metric.__call__`; with `ordered` classes those of their order too, and those of
    `also`.
    """
    outcome, batch = checked_outcome(labels, probabilities, weights, positive)
    if batch.ndim != 1:
        raise InputError(f"Weights must have shape ({len(outcome.labels)},) here; got {batch.shape}.")
    tally = Tally(outcome, batch[None])
    return {
        metric.name: plain(metric.compute(tally)[0])
        for metric in metrics_for(outcome.n_classes, ordered=ordered, also=also)
    }


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
