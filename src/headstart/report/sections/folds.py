"""The scores of every outer fold and the candidate chosen there."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.report.context import ReportContext
from headstart.report.document import Plot, ReportTable, Section
from headstart.report.figures.folds import fold_plots
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_title, ordered_metrics


def _plots(context: ReportContext) -> Iterable[Plot]:
    return fold_plots(context.record)


@register_section("folds", after="decisions", plots=_plots)
def folds_section(context: ReportContext, drawn: Drawn) -> Section:
    """The scores of every outer fold and the candidate chosen there."""
    results = context.record.results
    names = ordered_metrics({name for fold in results.folds for name in fold.metrics})
    rows = tuple(
        (
            text.fold_name(fold.repeat, fold.fold, results.protocol.repeats),
            fold.chosen.label,
            text.score(fold.inner_log_loss),
            text.count(fold.n_test),
            *(text.judged(fold.metrics.get(name)) for name in names),
        )
        for fold in results.folds
    )
    columns = (
        tr("Fold"),
        tr("Chosen"),
        tr("Inner log loss"),
        tr("Test images"),
        *(metric_title(name) for name in names),
    )
    table = ReportTable(tr("Scores by fold"), columns, rows, frozenset({1}))
    return Section("folds", tr("Scores by fold"), (*figure_row(drawn, "fold_scores"), table))
