"""Scores that the order of the probabilities decides."""

from __future__ import annotations

from headstart.metrics.registry import of_positive_or_mean, register_class_metric, register_metric
from headstart.metrics.tally import Tally
from headstart.metrics.validation import FloatArray

PR_TITLE = "PR AUC (average precision)"


@register_metric("roc_auc", "ROC AUC", evidence="rarest")
@of_positive_or_mean
@register_class_metric("roc_auc", "ROC AUC", evidence="both")
def roc_auc(tally: Tally) -> FloatArray:
    """Area under the ROC curve of each class against the rest."""
    return tally.ranked[0]


@register_metric("pr_auc", PR_TITLE, evidence="rarest")
@of_positive_or_mean
@register_class_metric("pr_auc", PR_TITLE, evidence="class")
def pr_auc(tally: Tally) -> FloatArray:
    """Average precision of each class against the rest."""
    return tally.ranked[1]
