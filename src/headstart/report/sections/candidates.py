"""The sections that stand around figures: what errors were made, how scores spread, what was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.report.document import Block, FigureRow, Picture, ReportTable, Section, Text
from headstart.report.figures.plots import sorted_candidates
from headstart.report.text import format as text
from headstart.report.text.methods import n_tried
from headstart.report.text.metric_names import metric_in_sentence, metric_title, ordered_metrics
from headstart.results.read import RunRecord

Drawn = Mapping[str, Picture]
MAX_LISTED = 100
"""Candidates that the page lists; all of a larger search stand in candidates.parquet."""


def _side_by_side(drawn: Drawn, names: Sequence[str]) -> tuple[FigureRow, ...]:
    """The figures of these names that were drawn, as one block; nothing when there are none."""
    items = tuple(drawn[name] for name in names if name in drawn)
    return (FigureRow(items),) if items else ()


def confusion_section(record: RunRecord, drawn: Drawn) -> Section:
    """Which classes are taken for which."""
    rows = tuple(
        (name, *(text.count(cell) for cell in counts))
        for name, counts in zip(record.classes, record.results["confusion"], strict=True)
    )
    noun = "weighted counts" if record.results["task"]["weighted"] else "counts"
    table = ReportTable(
        f"Confusion matrix, {noun}: rows true, columns predicted", ("True class", *record.classes), rows
    )
    return Section(
        "confusion", "Confusion matrix", (*_side_by_side(drawn, ["confusion_counts", "confusion_rates"]), table)
    )


def curves_section(record: RunRecord, drawn: Drawn) -> Section:
    """How the ranking of the images trades one error for the other."""
    figures = _side_by_side(drawn, ["roc", "precision_recall"])
    missing = Text("No curve can be drawn: every class needs judged images inside and outside it.")
    return Section("curves", "ROC and precision-recall curves", figures or (missing,))


def calibration_section(drawn: Drawn, bins: ReportTable) -> Section:
    """Whether a probability can be taken at its word."""
    note = Text(
        "Read it so: of the images given a probability near 0.8, about 80 % should carry the class. Points below the "
        "line mean too much confidence. The debiased calibration error takes off what chance alone puts into bins; "
        "it has no interval.",
        tone="note",
    )
    return Section("calibration", "Calibration", (FigureRow((drawn["calibration"],), beside=bins), note))


def folds_section(record: RunRecord, drawn: Drawn) -> Section:
    """The scores of every outer fold and what was chosen there."""
    results = record.results
    names = ordered_metrics({name for fold in results["folds"] for name in fold["metrics"]})
    rows = tuple(
        (
            text.fold_name(fold, results["protocol"]["repeats"]),
            fold["chosen"]["label"],
            text.score(fold["inner_log_loss"]),
            text.count(fold["n_test"]),
            *(text.score(fold["metrics"].get(name)) for name in names),
        )
        for fold in results["folds"]
    )
    columns = ("Fold", "Chosen", "Inner log loss", "Test images", *(metric_title(name) for name in names))
    table = ReportTable("Scores by fold", columns, rows, frozenset({1}))
    return Section("folds", "Scores by fold", (*_side_by_side(drawn, ["fold_scores"]), table))


def candidates_section(record: RunRecord, drawn: Drawn) -> Section:
    """Everything that was tried, the failures too."""
    results = record.results
    halving = results["search"]["halving"]
    how = Text(
        f"{text.plural(n_tried(results), 'candidate')} competed in {text.plural(len(results['folds']), 'choice')}, by "
        f"{metric_in_sentence(results['protocol']['choose_by'])} on inner folds; no test image took part in "
        f"any of them. Final model: {results['final_model']['label']}."
    )
    dropped = (Text(halving),) if halving else ()
    blocks: tuple[Block, ...] = (how, *dropped, *_side_by_side(drawn, ["candidates"]), _candidate_table(record))
    return Section("candidates", "Everything that was tried", blocks)


def _candidate_table(record: RunRecord) -> ReportTable:
    """One row per candidate; where another score than log loss chose, a column for it."""
    choose_by = record.results["protocol"]["choose_by"]
    other = () if choose_by == "log_loss" else (f"Inner {metric_in_sentence(choose_by)}",)
    rows = tuple(
        (
            entry["label"],
            text.words(entry["kind"]),
            text.plain(entry["settings"]),
            *(text.score(entry.get("inner_score")) for _ in other),
            _spread(entry["inner_log_loss"], entry.get("inner_log_loss_sd")),
            text.count(entry["times_chosen"]),
        )
        for entry in sorted_candidates(record.results)[:MAX_LISTED]
    )
    columns = ("Candidate", "Kind", "Settings", *other, "Inner log loss, mean ± SD", "Times chosen")
    n_all = n_tried(record.results)
    shown = f"All {n_all}" if len(rows) == n_all else f"The best {len(rows)} of {n_all:,}"
    return ReportTable(f"{shown} candidates, best first", columns, rows, frozenset({1, 2}))


def _spread(mean: float | None, deviation: float | None) -> str:
    return text.score(mean) if mean is None or deviation is None else f"{text.score(mean)} ± {text.score(deviation)}"
