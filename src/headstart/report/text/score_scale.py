"""The score of a run on a scale, beside chance and the best baseline."""

from __future__ import annotations

from headstart.metrics import find_metric
from headstart.report.document import Mark, Scale
from headstart.report.locale.messages import mark, tr
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_title
from headstart.results.models.run_results import RunResults, TaskFacts

_NOTE = mark("Line: 95 % interval. Chance: the score of a guess that sees no image.")


def score_scale(results: RunResults) -> Scale | None:
    """The headline's score, its interval, chance and the best baseline; None where the score is undefined."""
    headline = results.headline
    if headline.value is None:
        return None
    found: list[tuple[str, float, tuple[float, float] | None]] = [(tr("This model"), headline.value, headline.ci95)]
    transfer = results.transfer
    best = None if transfer is None else transfer.best_baseline.get(headline.metric)
    if best is not None and best.value is not None:
        found.append((tr("Best baseline"), best.value, best.ci95))
    chance = _chance(headline.metric, results.task)
    if chance is not None:
        found.append((tr("Chance"), chance, None))
    return _drawn(headline.metric, found)


def _drawn(name: str, found: list[tuple[str, float, tuple[float, float] | None]]) -> Scale:
    values = [value for _, middle, ends in found for value in (middle, *(ends or ()))]
    bounded = find_metric(name).greater_is_better
    low, high = min(0.0, *values), max(1.0 if bounded else 0.0, *values)
    width = (high - low) or 1.0
    marks = tuple(
        Mark(
            label,
            text.score(middle) + (f" ({text.interval(ends)})" if ends else ""),
            (middle - low) / width,
            (ends[0] - low) / width if ends else None,
            (ends[1] - low) / width if ends else None,
            is_run=number == 0,
        )
        for number, (label, middle, ends) in enumerate(found)
    )
    title = mark("{metric}, further right is better") if bounded else mark("{metric}, further left is better")
    return Scale(tr(title, metric=metric_title(name)), marks, f"{low:.3g}", f"{high:.3g}", tr(_NOTE))


def _chance(name: str, task: TaskFacts) -> float | None:
    """Score of a guess that sees no image; None for scores that have none of their own."""
    counts = list(task.class_counts.values())
    known = {
        "balanced_accuracy": 1 / len(task.classes),
        "accuracy": max(counts) / (sum(counts) or 1),
        "roc_auc": 0.5,
        "mcc": 0.0,
    }
    return known.get(name)
