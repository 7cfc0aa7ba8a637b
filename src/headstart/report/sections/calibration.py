"""Whether a probability can be taken at its word."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.metrics import Reliability
from headstart.report.context import ReportContext
from headstart.report.document import FigureRow, Plot, ReportTable, Section, Text
from headstart.report.figures.calibration import calibration_bins, calibration_plot
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text


def _bins(context: ReportContext) -> Reliability:
    return calibration_bins(context.out_of_fold)


def _plots(context: ReportContext) -> Iterable[Plot]:
    return (calibration_plot(context.record, context.out_of_fold, context.once(_bins)),)


@register_section("calibration", after="curves", plots=_plots)
def calibration_section(context: ReportContext, drawn: Drawn) -> Section:
    """Whether a probability can be taken at its word."""
    note = Text(
        tr(
            "Read it so: of the images given a probability near 0.8, about 80 % should carry the class. Points "
            "below the line mean too much confidence. The debiased calibration error takes off what chance alone "
            "puts into bins; it has no interval."
        ),
        tone="note",
    )
    figure = FigureRow((drawn["calibration"],), beside=_table(context.once(_bins)))
    return Section("calibration", tr("Calibration"), (figure, note))


def _table(bins: Reliability) -> ReportTable:
    """The numbers of the calibration plot."""
    rows = tuple(
        (text.score(probability), text.score(frequency), text.interval((low, high)), text.count(int(count)))
        for probability, frequency, low, high, count in zip(
            bins.probability, bins.frequency, bins.low, bins.high, bins.counts, strict=True
        )
    )
    columns = (tr("Mean probability"), tr("Observed share"), tr("95 % interval"), tr("Predictions"))
    return ReportTable(tr("Calibration by bins of about equal count"), columns, rows)
