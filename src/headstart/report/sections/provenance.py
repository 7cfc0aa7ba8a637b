"""What the run was made from, when, by which command, and with whose weights."""

from __future__ import annotations

from headstart.report.context import ReportContext, shown_origin
from headstart.report.document import ReportTable, Section, Text
from headstart.report.locale.messages import mark, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.weights import trained_on

_MISSING = mark("not recorded")


def provenance_line(context: ReportContext) -> Text:
    """Data, date and weights on one line, for the first screen."""
    origin, weights = context.once(shown_origin), context.record.results.backbone.weights
    known = {
        tr("Data"): origin.data,
        tr("Begun"): origin.begun,
        tr("Weights trained on"): trained_on(weights).split(":")[0],
    }
    return Text(". ".join(f"{name}: {words}" for name, words in known.items() if words) + ".", tone="note")


@register_section("provenance", after="split")
def provenance_section(context: ReportContext, drawn: Drawn) -> Section:
    """Data, date, command, duration and weights."""
    record, origin = context.record, context.once(shown_origin)
    weights, spent = record.results.backbone.weights, record.timings.seconds
    of_network = {
        tr("Weights from"): weights.source,
        tr("Weights trained on"): trained_on(weights),
        tr("Licence of the weights"): weights.licence,
    }
    facts = {
        tr("Data"): origin.data,
        tr("Begun"): origin.begun,
        tr("Command"): origin.command,
        tr("Duration"): text.duration(sum(value for value in spent.values() if value is not None)),
        tr("Network"): tr("none") if weights.is_absent else record.results.backbone.name,
        **({} if weights.is_absent else of_network),
        "headstart": record.results.headstart,
    }
    rows = tuple((name, words or tr(_MISSING)) for name, words in facts.items())
    table = ReportTable(tr("What was run"), (tr("Item"), tr("Value")), rows, frozenset({1}))
    return Section("provenance", tr("Data, date, command and weights"), (table,))
