"""Scores that the predicted classes decide, through the confusion matrix."""

from __future__ import annotations

from headstart.metrics import confusion as counts
from headstart.metrics.registry import of_positive, register_class_metric, register_metric
from headstart.metrics.tally import Tally
from headstart.metrics.validation import FloatArray


@register_metric("accuracy", "Accuracy", evidence="all", uses_probabilities=False)
def accuracy(tally: Tally) -> FloatArray:
    """Share of rows predicted right."""
    return counts.accuracy(tally.margins)


@register_metric("balanced_accuracy", "Balanced accuracy", evidence="rarest", uses_probabilities=False)
def balanced_accuracy(tally: Tally) -> FloatArray:
    """Mean recall over the classes."""
    return counts.macro_recall(tally.margins)


@register_metric("precision", "Precision", evidence="predicted", max_classes=2, uses_probabilities=False)
@of_positive
@register_class_metric("precision", "Precision", evidence="predicted", uses_probabilities=False)
def precision(tally: Tally) -> FloatArray:
    """Share of the predictions of a class that are right."""
    return counts.precision(tally.margins)


@register_metric("recall", "Recall (sensitivity)", evidence="class", max_classes=2, uses_probabilities=False)
@of_positive
@register_class_metric("recall", "Recall (sensitivity)", evidence="class", uses_probabilities=False)
def recall(tally: Tally) -> FloatArray:
    """Share of the rows of a class that are predicted so."""
    return counts.recall(tally.margins)


@register_metric("specificity", "Specificity", evidence="rest", max_classes=2, uses_probabilities=False)
@of_positive
@register_class_metric("specificity", "Specificity", evidence="rest", uses_probabilities=False)
def specificity(tally: Tally) -> FloatArray:
    """Share of the rows of other classes that are not predicted to be of the class."""
    return counts.specificity(tally.margins)


@register_metric("f1", "F1", evidence="class", max_classes=2, uses_probabilities=False)
@of_positive
@register_class_metric("f1", "F1", evidence="class", uses_probabilities=False)
def f1(tally: Tally) -> FloatArray:
    """Harmonic mean of precision and recall."""
    return counts.f1(tally.margins)


@register_metric("precision_macro", "Precision (mean)", evidence="rarest", uses_probabilities=False)
def precision_macro(tally: Tally) -> FloatArray:
    """Mean precision over the classes."""
    return counts.macro_precision(tally.margins)


@register_metric("recall_macro", "Recall (mean)", evidence="rarest", uses_probabilities=False)
def recall_macro(tally: Tally) -> FloatArray:
    """Mean recall over the classes."""
    return counts.macro_recall(tally.margins)


@register_metric("specificity_macro", "Specificity (mean)", evidence="rarest", uses_probabilities=False)
def specificity_macro(tally: Tally) -> FloatArray:
    """Mean specificity over the classes."""
    return counts.macro_specificity(tally.margins)


@register_metric("f1_macro", "F1 (mean)", evidence="rarest", uses_probabilities=False)
def f1_macro(tally: Tally) -> FloatArray:
    """Mean F1 over the classes."""
    return counts.macro_f1(tally.margins)


@register_metric("mcc", "Matthews correlation", evidence="all", bounds=(-1.0, 1.0), uses_probabilities=False)
def matthews_correlation(tally: Tally) -> FloatArray:
    """Correlation of truth and prediction."""
    return counts.matthews(tally.margins)
