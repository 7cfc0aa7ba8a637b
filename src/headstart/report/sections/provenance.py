"""What the run was made from, when, by which command, and with whose weights."""

from __future__ import annotations

from headstart.report.context import ReportContext, shown_origin
from headstart.report.document import ReportTable, Section, Text
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.weights import trained_on

_MISSING = "not recorded"


def provenance_line(context: ReportContext) -> Text:
    """Data, date and weights on one line, for the first screen."""
    origin, weights = context.once(shown_origin), context.record.results.backbone.weights
    known = {"Data": origin.data, "Begun": origin.begun, "Weights trained on": trained_on(weights).split(":")[0]}
    return Text(". ".join(f"{name}: {words}" for name, words in known.items() if words) + ".", tone="note")


@register_section("provenance", after="split")
def provenance_section(context: ReportContext, drawn: Drawn) -> Section:
    """Data, date, command, duration and weights."""
    record, origin = context.record, context.once(shown_origin)
    weights, spent = record.results.backbone.weights, record.timings.seconds
    facts = {
        "Data": origin.data,
        "Begun": origin.begun,
        "Command": origin.command,
        "Duration": text.duration(sum(value for value in spent.values() if value is not None)),
        "Network": record.results.backbone.name,
        "Weights from": weights.source,
        "Weights trained on": trained_on(weights),
        "Licence of the weights": weights.licence,
        "headstart": record.results.headstart,
    }
    rows = tuple((name, words or _MISSING) for name, words in facts.items())
    table = ReportTable("What was run", ("Item", "Value"), rows, frozenset({1}))
    return Section("provenance", "Data, date, command and weights", (table,))
