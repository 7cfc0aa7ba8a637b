"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.report.context import ReportContext
from headstart.report.document import Plot, ReportTable, Section
from headstart.report.figures.confusion import confusion_plots
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text


def _plots(context: ReportContext) -> Iterable[Plot]:
    return confusion_plots(context.record)


@register_section("confusion", after="baselines", plots=_plots)
def confusion_section(context: ReportContext, drawn: Drawn) -> Section:
    """Which classes are taken for which."""
    record = context.record
    rows = tuple(
        (name, *(text.count(cell) for cell in counts))
        for name, counts in zip(record.classes, record.results.confusion, strict=True)
    )
    noun = "weighted counts" if record.results.task.weighted else "counts"
    table = ReportTable(
        f"Confusion matrix, {noun}: rows true, columns predicted", ("True class", *record.classes), rows
    )
    return Section("confusion", "Confusion matrix", (*figure_row(drawn, "confusion_counts", "confusion_rates"), table))
