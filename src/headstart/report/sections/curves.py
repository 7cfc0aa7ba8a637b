"""How the ranking of the images trades one error for the other."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.report.context import ReportContext
from headstart.report.document import Block, Plot, Section, Text
from headstart.report.explorer import threshold_tool
from headstart.report.figures.curves import curve_plots
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, figure_row, register_section


def _plots(context: ReportContext) -> Iterable[Plot]:
    return curve_plots(context.record, context.out_of_fold)


@register_section("curves", after="confusion", plots=_plots)
def curves_section(context: ReportContext, drawn: Drawn) -> Section:
    """How the ranking of the images trades one error for the other."""
    figures = figure_row(drawn, "roc", "precision_recall")
    missing = Text(tr("No curve can be drawn: every class needs judged images inside and outside it."))
    blocks: tuple[Block, ...] = figures or (missing,)
    moving = threshold_tool(context) if figures else None
    return Section("curves", tr("ROC and precision-recall curves"), (moving, *blocks) if moving else blocks)
