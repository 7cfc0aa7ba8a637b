"""How much better the best candidate looked where it was chosen than where it was judged."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import ReportTable, Section, Text
from headstart.report.figures.decisions import calibrates
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_title


@register_section("optimism", after="search")
def optimism_section(context: ReportContext, drawn: Drawn) -> Section:
    """How much better the best candidate looked where it was chosen than where it was judged."""
    optimism = context.record.results.optimism
    title = metric_title(optimism.metric)
    rows = (
        (tr("Inner folds, where the candidate was chosen"), text.score(optimism.inner)),
        (tr("Outer folds, where it was judged"), text.score(optimism.outer)),
        (tr("Difference, above zero where the inner folds flatter"), text.score(optimism.difference)),
    )
    meaning = tr(
        "The best of many candidates looks better on the folds that chose it than it is. The outer folds took no part "
        "in the choice; scores, curves and matrices all come from them."
    )
    notes = (Text(words, tone="note") for words in calibration_notes(context))
    return Section(
        "optimism",
        tr("Optimism of the choice"),
        (Text(meaning), ReportTable(title, (tr("Measured on"), tr("Value")), rows), *notes),
    )


def calibration_notes(context: ReportContext) -> tuple[str, ...]:
    """A sentence where scores of a choice are of other probabilities than all else on the page."""
    decisions = context.record.results.decisions
    if decisions is None or not calibrates(decisions):
        return ()
    words = tr(
        "Inner and outer scores here are of probabilities before calibration, by which the inner folds choose; all "
        "others on this page are of the calibrated ones and differ a little."
    )
    return (words,)
