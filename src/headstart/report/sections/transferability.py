"""Which source of features suits the task: three scores beside what the outer folds found."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Bullets, ReportTable, Section, Text
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_in_sentence
from headstart.results.models.transferability import JudgedSource, RankedScore, TransferabilityResults


@register_section("transferability", after="fine-tuning")
def transferability_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """The scores, ranks and rank agreement; None for a run of one source, or of a version that did not keep them."""
    found = context.record.results.transferability
    if found is None:
        return None
    how = tr(
        "LogME, neighbours and a logistic probe are computed on the training images of every outer fold "
        "and averaged; they chose nothing. LogME: log evidence of a linear model of the labels, higher "
        "is better; between networks it is comparable, as a number it means little. Neighbours: the "
        "{neighbours} most alike images of other groups vote. Probe: one logistic regression, on the "
        "inner folds. Log loss: lower is better.",
        neighbours=found.settings.neighbours,
    )
    blocks = (Bullets((*found.words, found.agreement.words)), _table(found), Text(how, tone="note"))
    return Section("transferability", tr("Which backbone, before training"), blocks)


def _table(found: TransferabilityResults) -> ReportTable:
    rows = tuple(
        (
            source.label,
            _ranked(source, "logme"),
            _ranked(source, "knn_log_loss"),
            text.score(source.scores.knn_accuracy),
            _ranked(source, "logistic_log_loss"),
            text.score(source.scores.logistic_accuracy),
            f"{text.score(source.outer_score)} ({source.outer_rank or '–'})",
        )
        for source in found.sources
    )
    outer = tr("Outer {metric} of its best", metric=metric_in_sentence(found.agreement.metric))
    names = (
        tr("Features"),
        tr("LogME"),
        tr("kNN log loss"),
        tr("kNN accuracy"),
        tr("Probe log loss"),
        tr("Probe accuracy"),
        outer,
    )
    return ReportTable(tr("Scores from training images alone, and the judgement; ranks in brackets"), names, rows)


def _ranked(source: JudgedSource, name: RankedScore) -> str:
    return f"{text.score(getattr(source.scores, name))} ({getattr(source.ranks, name)})"
