"""The section of warnings: everything that weakens the result."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Bullets, Section, Text
from headstart.report.sections import Drawn, register_section
from headstart.report.sections.headline import leakage_words


@register_section("warnings", after="result")
def warnings_section(context: ReportContext, drawn: Drawn) -> Section:
    """The section of warnings: everything that weakens the result."""
    warnings = tuple(context.record.results.warnings)
    if warnings:
        return Section("warnings", "Warnings", (Bullets(warnings, tone="warning"),))
    if leakage_words(context.record.results):
        words = "No warnings were raised. Without groups it cannot be ruled out that images of one thing were split."
        return Section("warnings", "Warnings", (Text(words, tone="note"),))
    return Section("warnings", "Warnings", (Text("No warnings were raised.", tone="good"),))
