"""Scores, differences and interval methods as parts of a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from headstart.metrics import Evaluation
from headstart.metrics.compare import Difference
from headstart.metrics.evaluate import Estimate
from headstart.metrics.intervals import IntervalMethod
from headstart.results.models.estimates import ClassScores, DifferenceFacts, EstimateFacts, IntervalFacts, PlainEstimate

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain_fields(found: DataclassInstance) -> dict[str, Any]:
    """Fields of a dataclass by name, as the model of the same fields takes them.

    Dataclasses inside become dictionaries and every `Estimate` its facts, so that a field added to the dataclass and
    to its model is documented without a line here.
    """
    return {field.name: _plain(getattr(found, field.name)) for field in fields(found)}


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return estimate_facts(value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain_fields(value)
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, Mapping) else value


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
