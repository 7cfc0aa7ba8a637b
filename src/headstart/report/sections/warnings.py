"""The section of warnings: everything that weakens the result."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Bullets, Section, Text
from headstart.report.sections import Drawn, register_section


@register_section("warnings", after="result")
def warnings_section(context: ReportContext, drawn: Drawn) -> Section:
    """The section of warnings: everything that weakens the result."""
    warnings = tuple(context.record.results.warnings)
    block = Bullets(warnings, tone="warning") if warnings else Text("No warnings were raised.", tone="good")
    return Section("warnings", "Warnings", (block,))
