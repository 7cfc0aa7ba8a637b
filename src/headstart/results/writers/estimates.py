"""Scores, differences and interval methods as parts of a document."""

from __future__ import annotations

from collections.abc import Mapping

from headstart.metrics import Evaluation
from headstart.metrics.compare import Difference
from headstart.metrics.evaluate import Estimate
from headstart.metrics.intervals import IntervalMethod
from headstart.results.models.estimates import ClassScores, DifferenceFacts, EstimateFacts, IntervalFacts, PlainEstimate


def estimate_facts(found: Estimate) -> EstimateFacts:
    """A score with its interval and its spread across folds."""
    return EstimateFacts(**found.to_json())


def plain_estimate(found: Estimate) -> PlainEstimate:
    """A score with its interval alone."""
    facts = found.to_json()
    return PlainEstimate(value=facts["value"], ci95=facts["ci95"])


def estimates(found: Mapping[str, Estimate]) -> dict[str, EstimateFacts]:
    """Scores by name."""
    return {name: estimate_facts(one) for name, one in found.items()}


def class_scores(found: Evaluation) -> dict[str, ClassScores]:
    """Scores of every class, with its number of judged images."""
    return {
        name: ClassScores(support=found.support[name], metrics=estimates(scores))
        for name, scores in found.per_class.items()
    }


def difference_facts(found: Difference) -> DifferenceFacts:
    """A difference with its interval and p value."""
    return DifferenceFacts(**found.to_json())


def interval_facts(method: IntervalMethod) -> IntervalFacts:
    """How intervals were made."""
    return IntervalFacts(**method.to_json())


def confusion_rows(found: Evaluation) -> tuple[tuple[float, ...], ...]:
    """The confusion matrix, rows true, columns predicted."""
    return tuple(tuple(row) for row in found.confusion.tolist())
