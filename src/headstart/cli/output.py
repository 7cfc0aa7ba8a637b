"""Answers as tables on stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from headstart.cli.table import print_facts, print_line, print_table, print_text

if TYPE_CHECKING:
    from pathlib import Path

    from headstart.data.table.encoding import TableEncoding
    from headstart.results import RunResults
    from headstart.results.models.candidates import IgnoredGroups
    from headstart.results.models.evaluation import ComparisonResults, TestSetResults
    from headstart.results.models.learning_curve import CurveResults
    from headstart.results.models.pretraining import HeldOut
    from headstart.results.models.table import TableFacts
    from headstart.results.models.transfer import TransferResults
    from headstart.results.models.transferability import (
        ScoredSource,
        TransferabilityResults,
        TransferabilityScores,
    )
    from headstart.workflow import Run

T = TypeVar("T")

UNDEFINED: Final = "undefined"
"""Word for a score that these images do not define."""

_SHOWN_ITEMS = 10


def print_run(run: Run) -> None:
    """Print the results of a finished fit, where its report lies, and the next command."""
    from headstart.report.sections.headline import leakage_words
    from headstart.results.writers.ensemble import ensemble_words
    from headstart.results.writers.finetuning import finetuning_words

    results = run.results
    print_scores(results)
    if results.fine_tuning is not None:
        print_text(finetuning_words(results.fine_tuning))
    if results.ensemble is not None:
        print_text(ensemble_words(results.ensemble))
    if results.optimism_from_ignored_groups is not None:
        print_ignored_groups(results.optimism_from_ignored_groups)
    if results.transferability is not None:
        print_ranking(results.transferability)
        print_text(results.transferability.agreement.words)
    for line in results.decisions.lines if results.decisions is not None else ():
        print_text(line)
    if results.novelty is not None:
        print_text(results.novelty.words("held-out"))
    if results.transfer is not None:
        print_baselines(results.transfer)
    for warning in results.warnings:
        print_line(f"Warning: {warning}", err=True)
    if unknown := leakage_words(results):
        print_line(f"Note: {unknown}", err=True)
    print_text(run.headline)  # the verdict on transfer is its last sentence
    print_line(f"Report: {run.report}")
    print_next(run.folder, results.table)


def print_judged_recordings(folder: Path) -> None:
    """Print windows by their true class, events and alarms of a run on recordings, where it leaves them."""
    from headstart.results.models.recordings import RecordingsJudged

    path = folder / RecordingsJudged.file_name
    if not path.is_file():
        return
    pooled = RecordingsJudged.read(path).pooled
    rows = [
        [name, f"{normal:,}", f"{anomaly:,}"]
        for name, (normal, anomaly) in zip(("normal", "anomaly"), pooled.confusion, strict=True)
    ]
    print_table("Windows", ("true class", "predicted normal", "predicted anomaly"), rows)
    print_text(pooled.events.words)


def print_next(model: str | Path, table: TableFacts | TableEncoding | None) -> None:
    """Print the command by which a model sees new data; the table tells which columns stand beside its images."""
    from headstart.report.text.next_command import next_command

    columns = {} if table is None else {column.name: column.kind for column in table.columns}
    print_line(f"Next: {next_command(model, columns)}")


def print_heldout(heldout: HeldOut) -> None:
    """Scores of the images that a pretraining held out."""
    rows = [[title, score(one.value), interval_of(one.value, one.ci95)] for title, one in titled(dict(heldout.metrics))]
    print_table(f"{heldout.n_images:,} held-out images", ["score", "value", "95 % interval"], rows)


def print_scores(results: RunResults | TestSetResults) -> None:
    """Every score with its interval and, where there are folds, its spread across them."""
    estimates = titled(results.metrics)
    rows = [[title, score(one.value), interval_of(one.value, one.ci95)] for title, one in estimates]
    columns = ["score", "value", "95 % interval"]
    if any(one.fold_sd is not None for _, one in estimates):
        columns.append("sd across folds")
        rows = [
            [*row, interval_of(one.value, None) if one.fold_sd is None else number(one.fold_sd)]
            for row, (_, one) in zip(rows, estimates, strict=True)
        ]
    print_table("Scores", columns, rows)
    rows, n_classes = _class_rows(results), len(results.per_class)
    title = "Classes" if len(rows) == n_classes else f"The {len(rows)} of {n_classes:,} classes with the lowest recall"
    print_table(title, ["class", "images", "precision", "recall", "specificity", "F1", "ROC AUC"], rows)


def _class_rows(results: RunResults | TestSetResults) -> list[list[str]]:
    """A row a class, in the order of the classes, whatever the order in a file; of very many those found least."""
    from headstart.report.many_classes import first_classes

    names = ("precision", "recall", "specificity", "f1", "roc_auc")
    task: Any = getattr(results, "task", results)  # a run speaks of its classes there, a test set itself
    recalls = [results.per_class[label].metrics["recall"].value for label in task.classes]
    shown = first_classes(len(recalls), lambda code: 1.0 if (recall := recalls[code]) is None else recall)
    found = [(label, results.per_class[label]) for label in (task.classes[code] for code in shown)]
    return [
        [label, f"{scores.support:,}", *(score(scores.metrics[name].value) for name in names)]
        for label, scores in found
    ]


def print_comparison(found: ComparisonResults) -> None:
    """Differences of two runs with intervals and p values."""
    from headstart.report.text.format import p_value

    rows = [
        [
            title,
            score(row.first),
            score(row.second),
            score(row.difference, sign=True),
            interval_of(row.difference, row.ci95, sign=True),
            UNDEFINED if row.difference is None else p_value(row.p),
        ]
        for title, row in titled(found.metrics)
    ]
    print_table("Second minus first, in pairs", ["score", "first", "second", "difference", "95 % interval", "p"], rows)


def print_ignored_groups(scores: Mapping[str, IgnoredGroups]) -> None:
    """Print the scores that ignoring the groups would have claimed."""
    rows = [
        [title, score(row.groups_kept), score(row.groups_ignored), score(row.difference, sign=True)]
        for title, row in titled(scores)
    ]
    title = "Optimism from ignoring groups"
    print_table(title, ["score", "groups kept", "groups ignored", "difference"], rows)


def print_baselines(transfer: TransferResults) -> None:
    """Every baseline with its own scores, how often it was the best, and the gain over the best."""
    names = ("balanced_accuracy", "accuracy", "roc_auc", "log_loss", "brier")
    rows = [
        [baseline.title, f"{baseline.times_best:,}", *(str(baseline.metrics[name]) for name in names)]
        for baseline in transfer.baselines
    ]
    columns = ["baseline", "times best", "balanced accuracy", "accuracy", "ROC AUC", "log loss", "Brier"]
    print_table("Baselines on the same folds, with 95 % intervals", columns, rows)
    if transfer.verdict is None:  # else it stands in the headline
        print_text(transfer.text)


def print_ranking(found: TransferabilityResults | TransferabilityScores) -> None:
    """Three scores of every source of features with their ranks, in words too; of a run also the outer folds' own."""
    agreement = getattr(found, "agreement", None)
    rows = [
        [
            source.label,
            _ranked(source, "logme"),
            _ranked(source, "knn_log_loss"),
            number(source.scores.knn_accuracy),
            _ranked(source, "logistic_log_loss"),
            number(source.scores.logistic_accuracy),
            *_outer(source),
        ]
        for source in found.sources
    ]
    names = ["features", "LogME", "kNN log loss", "kNN accuracy", "probe log loss", "probe accuracy"]
    columns = names if agreement is None else [*names, f"outer {agreement.metric}"]
    print_table("Transferability, from training rows alone (rank)", columns, rows)
    for line in found.words:
        print_text(line)


def _ranked(source: ScoredSource, name: str) -> str:
    return f"{number(getattr(source.scores, name))} ({getattr(source.ranks, name)})"


def _outer(source: ScoredSource) -> list[str]:
    """Score of the source in the outer folds, where they have judged it."""
    from headstart.results.models.transferability import JudgedSource

    return [f"{number(source.outer_score)} ({source.outer_rank or '-'})"] if isinstance(source, JudgedSource) else []


def print_curve(results: CurveResults) -> None:
    """Print the measured score at every size, and the law's at the requested ones."""
    from headstart.metrics import find_metric

    title = find_metric(results.metric).title
    measured = zip(results.sizes, results.mean, strict=True)
    rows = [[f"{size:,}", number(score), "measured"] for size, score in measured]
    rows += [
        [f"{point.n:,}", number(point.score), "law, 90 % band {:.3f} to {:.3f}".format(*point.band90)]
        for point in results.asked
    ]
    print_table("Learning curve", ["images trained on", title, "from"], rows)


def print_plan(plan: dict[str, Any]) -> None:
    """Print the steps of a fit and their costs, and that nothing was written."""
    print_facts("Plan", [(name.replace("_", " "), _cell(value)) for name, value in plan.items()])
    print_line("Nothing was written. Next: the same command without --estimate")


def titled(scores: Mapping[str, T]) -> list[tuple[str, T]]:
    """Scores with their titles, in the order in which metrics are shown, whatever the order in a file."""
    from headstart.metrics import METRICS, find_metric

    order = list(METRICS)
    return [(find_metric(name).title, scores[name]) for name in sorted(scores, key=order.index)]


def score(value: float | None, *, sign: bool = False) -> str:
    """A score, or a difference of scores, with three decimals; it may be undefined.

    >>> score(0.9121), score(-0.03, sign=True), score(None)
    ('0.912', '-0.030', 'undefined')
    """
    return UNDEFINED if value is None else signed(value) if sign else number(value)


def interval_of(value: float | None, ends: Sequence[float] | None, *, sign: bool = False) -> str:
    """Interval of a score, undefined where the score is; a dash where a score has none.

    >>> interval_of(0.9, [0.8, 0.95]), interval_of(None, None), interval_of(0.1, None)
    ('0.800 to 0.950', 'undefined', '-')
    """
    return UNDEFINED if value is None else interval(ends, sign=sign)


def number(value: float | None) -> str:
    """Three decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Three decimals with a sign."""
    return "-" if value is None else f"{value:+.3f}"


def interval(ends: Sequence[float] | None, *, sign: bool = False) -> str:
    """Both ends, or a dash."""
    show = signed if sign else number
    return "-" if ends is None else f"{show(ends[0])} to {show(ends[1])}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_cell(item)}" for key, item in list(value.items())[:_SHOWN_ITEMS]) or "none"
    if isinstance(value, list):
        shown = [str(item) for item in value[:_SHOWN_ITEMS]]
        more = [f"... and {len(value) - _SHOWN_ITEMS:,} more"] if len(value) > _SHOWN_ITEMS else []
        return "\n".join([*shown, *more]) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
