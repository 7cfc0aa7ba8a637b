"""The methods paragraph, gathered from all sections."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Section, Text, Verbatim
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, ordered_sections, register_section
from headstart.report.text.methods import methods_paragraph


def methods_text(context: ReportContext) -> str:
    """Methods paragraph and numbered references as plain text."""
    return methods_paragraph(sentence for spec in ordered_sections() for sentence in spec.methods(context))


@register_section("methods", after="software")
def methods_section(context: ReportContext, drawn: Drawn) -> Section:
    """The paragraph for a paper."""
    hint = Text(tr("Click the block once to select it whole, then copy it."), tone="note")
    paragraph = Verbatim(methods_text(context), tr("Methods paragraph with references"), prose=True)
    return Section("methods", tr("Methods paragraph"), (hint, paragraph))
