"""Which figures a run gets, and the words around them: finding, caption, and text for those who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.metrics import METRICS
from headstart.report.document import Plot
from headstart.report.figures import confusion as figures
from headstart.report.figures.style import class_labels
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_title, ordered_metrics
from headstart.results.read import RunRecord

MAX_CANDIDATES = 25
_FOLD_METRICS = ("accuracy", "balanced_accuracy", "recall", "specificity", "f1", "f1_macro", "mcc", "roc_auc", "pr_auc")


def confusion_plots(record: RunRecord) -> tuple[Plot, Plot]:
    """Confusion matrix as counts and as rates."""
    matrix = np.array(record.results["confusion"], dtype=np.float64)
    counts, rates = _confusion_titles(record, matrix)
    noun = "weighted counts" if record.results["task"]["weighted"] else "images"
    over = ", averaged over the repeats" if record.results["protocol"]["repeats"] > 1 else ""
    bare = " With so many classes the numbers stand in the table alone." if len(matrix) > figures.MAX_NUMBERED else ""
    return (
        Plot(
            "confusion_counts",
            figures.confusion(matrix, record.classes, rates=False, title=counts),
            f"Confusion matrix in counts. {counts}. The numbers stand in the table of the same section.",
            f"Out-of-fold {noun}{over}: rows hold the true class, columns the predicted one.{bare}",
        ),
        Plot(
            "confusion_rates",
            figures.confusion(matrix, record.classes, rates=True, title=rates),
            f"Confusion matrix in rates. {rates}.",
            "The same matrix, every row as shares of its true class, so that the diagonal holds each class's recall.",
        ),
    )


def _confusion_titles(record: RunRecord, matrix: figures.Floats) -> tuple[str, str]:
    right, total = float(np.trace(matrix)), float(matrix.sum())
    noun = "weighted images" if record.results["task"]["weighted"] else "images"
    share = text.percent(right / max(total, 1e-12))
    counts = f"{text.count(right)} of {text.count(total)} {noun} are classified rightly ({share})"
    recalls = {name: record.results["per_class"][name].get("recall", {"value": None}) for name in record.classes}
    defined = {name: entry for name, entry in recalls.items() if entry["value"] is not None}
    if not defined:
        return counts, "No class has a recall"
    worst = min(defined, key=lambda name: defined[name]["value"])
    support = text.count(record.results["per_class"][worst]["support"])
    label = class_labels(record.classes)[record.classes.index(worst)]
    return counts, f"Most often missed is {label}: recall {text.estimate(defined[worst])}, n = {support}"


def fold_plot(record: RunRecord) -> Plot | None:
    """Scores of every fold, for the metrics that run up to one; None where no such metric was scored by fold."""
    rows = [row for name in _fold_metrics(record.results) if (row := _fold_row(record.results, name)) is not None]
    if not rows:
        return None
    lowest, highest = min(rows[0].scores), max(rows[0].scores)
    n_folds = text.plural(len(rows[0].scores), "fold")
    title = f"{rows[0].label} runs from {text.score(lowest)} to {text.score(highest)} over {n_folds}"
    if len(rows[0].scores) == 1:
        title = f"{rows[0].label} is {text.score(rows[0].value)} on the one test part"
    return Plot(
        "fold_scores",
        figures.fold_scores(rows, title=title),
        f"Dot plot of scores per fold. {title}. The numbers stand in the table below.",
        "Each dot is one outer fold. Folds share training images, so their spread alone would understate the "
        "uncertainty; the interval does not.",
    )


def _fold_metrics(results: Mapping[str, Any]) -> list[str]:
    """Headline metric first, then the others in their order."""
    first = results["headline"]["metric"]
    known = results["metrics"]
    shown = [
        name for name in ordered_metrics(known) if name in _FOLD_METRICS and not (name == "f1_macro" and "f1" in known)
    ]
    return sorted(shown, key=lambda name: name != first)


def _fold_row(results: Mapping[str, Any], name: str) -> figures.FoldScores | None:
    scores = [fold["metrics"].get(name) for fold in results["folds"]]
    entry = results["metrics"][name]
    known = np.array([score for score in scores if score is not None], dtype=np.float64)
    if entry["value"] is None or not known.size:
        return None
    bounds = entry.get("ci95")
    return figures.FoldScores(
        metric_title(name), known, entry["value"], None if bounds is None else (bounds[0], bounds[1])
    )


def candidate_plot(record: RunRecord) -> Plot | None:
    """Inner log loss of the best candidates and of all that were chosen; None where nothing was compared."""
    scored = [entry for entry in sorted_candidates(record.results) if entry["inner_log_loss"] is not None]
    if len(scored) < 2:
        return None
    title = _candidate_title(record, scored)
    shown = [entry for place, entry in enumerate(scored) if place < MAX_CANDIDATES or entry["times_chosen"]]
    rows = [
        figures.CandidateScore(
            short_label(entry["label"]),
            entry["inner_log_loss"],
            entry.get("inner_log_loss_sd") or 0.0,
            entry["times_chosen"],
        )
        for entry in shown
    ]
    cut = f" {len(shown)} of {len(scored)} are drawn, the best and the chosen." if len(shown) < len(scored) else ""
    return Plot(
        "candidates",
        figures.candidates(rows, title=title),
        f"Dot plot of the candidates' inner log loss. {title}. The numbers stand in the table below.",
        f"Mean and standard deviation over the choices made, one per outer fold.{cut}",
    )


def _candidate_title(record: RunRecord, scored: Sequence[Mapping[str, Any]]) -> str:
    winner = max(scored, key=lambda entry: entry["times_chosen"])
    n_choices = len(record.results["folds"])
    return (
        f"{short_label(winner['label'])} was chosen in {winner['times_chosen']} of {text.plural(n_choices, 'choice')}"
    )


def sorted_candidates(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Candidates by the score they were chosen by, the best first, those without a score last."""
    choose_by = results["protocol"]["choose_by"]
    key = "inner_log_loss" if choose_by == "log_loss" else "inner_score"
    sign = -1.0 if choose_by in METRICS and METRICS[choose_by].greater_is_better else 1.0

    def place(entry: Mapping[str, Any]) -> tuple[bool, float, str]:
        value = entry.get(key)
        return value is None, sign * (value or 0.0), entry["label"]

    return sorted(results["candidates"], key=place)


def short_label(label: str) -> str:
    """A candidate's label, cut in the middle where an axis cannot carry it: often only the ends of two differ.

    >>> short_label("dense head, 256 ReLU, dropout 0.5, Adam 0.001")
    'dense head, 256 R… 0.5, Adam 0.001'
    """
    return label if len(label) <= 34 else f"{label[:17]}…{label[-16:]}"
