"""Ordered classes: how wide the mistakes are, and how well images above each threshold are told from those below."""

from __future__ import annotations

import numpy as np

from headstart.metrics import METRICS
from headstart.report.context import ReportContext
from headstart.report.document import ReportTable, Section, Text
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_title, ordered_metrics
from headstart.results.models.ordinal import OrdinalResults
from headstart.results.read import RunRecord


def ordinal_sentences(context: ReportContext) -> list[MethodsSentence]:
    """The order of the classes, and how well it is kept; nothing for classes without one."""
    results = context.record.results
    if results.ordinal is None:
        return []
    words = (
        f"The classes are ordered ({', '.join(context.record.classes)}); Cohen's kappa with quadratic weights was "
        f"{text.estimate(results.metrics['quadratic_kappa'])}, the mean absolute error "
        f"{text.estimate(results.metrics['class_error'])} classes."
    )
    return [MethodsSentence(MethodsPart.RESULTS, words)]


@register_section("ordinal", after="confusion", methods=ordinal_sentences)
def ordinal_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """The section of ordered classes; None for classes without an order."""
    record = context.record
    found = record.results.ordinal
    if found is None:
        return None
    words = Text(
        f"The classes from the lowest to the highest: {', '.join(record.classes)}. Scores of the most probable class "
        "that know the order stand below: a mistake counts by its width. A threshold asks whether an image is of a "
        "class above it; the probability of that is the sum of those of the classes above."
    )
    return Section("ordinal", "Ordered classes", (words, _scores(record), _widths(record), _thresholds(record, found)))


def _scores(record: RunRecord) -> ReportTable:
    metrics = record.results.metrics
    named = [name for name in ordered_metrics(metrics) if name in METRICS and METRICS[name].needs_order]
    rows = tuple(
        (
            metric_title(name),
            text.judged(metrics[name].value),
            text.interval_of(metrics[name].value, metrics[name].ci95),
        )
        for name in named
    )
    return ReportTable("Scores that know the order", ("Score", "Value", "95 % interval"), rows)


def _widths(record: RunRecord) -> ReportTable:
    """Share of the images by the distance of the predicted from the true class, and how many lie too high."""
    confusion = np.array(record.results.confusion)
    distance = np.subtract.outer(np.arange(len(confusion)), np.arange(len(confusion)))  # true less predicted
    total = confusion.sum()
    rows = tuple(
        (
            text.count(width),
            text.percent(float(confusion[np.abs(distance) == width].sum() / total)),
            text.percent(float(confusion[distance == width].sum() / total)) if width else text.MISSING,
            text.percent(float(confusion[distance == -width].sum() / total)) if width else text.MISSING,
        )
        for width in range(len(confusion))
    )
    return ReportTable(
        "How far predictions lie from the truth",
        ("Classes apart", "Share of images", "Predicted too low", "Predicted too high"),
        rows,
    )


def _thresholds(record: RunRecord, found: OrdinalResults) -> ReportTable:
    rows = tuple(
        (f"above {one.above}", text.estimate(one.roc_auc), text.judged(one.ece.value)) for one in found.thresholds
    )
    columns = ("Threshold", "ROC AUC (95 % interval)", "Calibration error (debiased)")
    return ReportTable("At every threshold", columns, rows)
