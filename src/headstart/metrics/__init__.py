"""Scores, intervals, curves and comparisons: pure functions on arrays.

`evaluate` judges out-of-fold predictions, `compare_paired` two of them on one split, `score` any one set of rows.
"""

from headstart.metrics.compare import Comparison, Difference, compare_paired
from headstart.metrics.curves import (
    Band,
    PrecisionRecallCurve,
    Reliability,
    RocCurve,
    precision_recall_band,
    precision_recall_curve,
    reliability,
    roc_band,
    roc_curve,
)
from headstart.metrics.evaluate import Estimate, Evaluation, evaluate
from headstart.metrics.intervals import Correction, IntervalMethod, score_interval
from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.registry import CLASS_METRICS, METRICS, Metric, find_metric, metrics_for, score

__all__ = [
    "CLASS_METRICS",
    "METRICS",
    "Band",
    "Comparison",
    "Correction",
    "Difference",
    "Estimate",
    "Evaluation",
    "IntervalMethod",
    "Metric",
    "OutOfFold",
    "PrecisionRecallCurve",
    "Reliability",
    "RocCurve",
    "compare_paired",
    "evaluate",
    "find_metric",
    "metrics_for",
    "precision_recall_band",
    "precision_recall_curve",
    "reliability",
    "roc_band",
    "roc_curve",
    "score",
    "score_interval",
]
