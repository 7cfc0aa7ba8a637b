"""Ordered classes: how wide the mistakes are, and how well images above each threshold are told from those below."""

from __future__ import annotations

import numpy as np

from headstart.metrics import METRICS
from headstart.report.context import ReportContext
from headstart.report.document import ReportTable, Section, Text
from headstart.report.locale.messages import tr
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
    words = tr(
        "The classes are ordered ({classes}); Cohen's kappa with quadratic weights was {kappa}, the mean "
        "absolute error {error} classes.",
        classes=", ".join(context.record.classes),
        kappa=text.estimate(results.metrics["quadratic_kappa"]),
        error=text.estimate(results.metrics["class_error"]),
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
        tr(
            "The classes from the lowest to the highest: {classes}. Scores of the most probable class that "
            "know the order stand below: a mistake counts by its width. A threshold asks whether an image is "
            "of a class above it; the probability of that is the sum of those of the classes above.",
            classes=", ".join(record.classes),
        )
    )
    return Section(
        "ordinal", tr("Ordered classes"), (words, _scores(record), _widths(record), _thresholds(record, found))
    )


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
    return ReportTable(tr("Scores that know the order"), (tr("Score"), tr("Value"), tr("95 % interval")), rows)


def _widths(record: RunRecord) -> ReportTable:
    """Share of the images by the distance of the predicted from the true class, and how many lie too high."""
    confusion = np.array(record.results.confusion)
    distance = np.subtract.outer(np.arange(len(confusion)), np.arange(len(confusion)))  # true less predicted
    total = confusion.sum()
    rows = tuple(
        (
            text.count(width),
            text.percent(float(confusion[np.abs(distance) == width].sum() / total)),
            text.percent(float(confusion[distance == width].sum() / total)) if width else text.missing(),
            text.percent(float(confusion[distance == -width].sum() / total)) if width else text.missing(),
        )
        for width in range(len(confusion))
    )
    return ReportTable(
        tr("How far predictions lie from the truth"),
        (tr("Classes apart"), tr("Share of images"), tr("Predicted too low"), tr("Predicted too high")),
        rows,
    )


def _thresholds(record: RunRecord, found: OrdinalResults) -> ReportTable:
    rows = tuple(
        (tr("above {above}", above=one.above), text.estimate(one.roc_auc), text.judged(one.ece.value))
        for one in found.thresholds
    )
    columns = (tr("Threshold"), tr("ROC AUC (95 % interval)"), tr("Calibration error (debiased)"))
    return ReportTable(tr("At every threshold"), columns, rows)
