"""The one number, its interval and what the interval speaks of."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Headline, Section
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_title


@register_section("result", after=None)
def headline_section(context: ReportContext, drawn: Drawn) -> Section:
    """The one number, its interval and what the interval speaks of."""
    record, results = context.record, context.record.results
    headline, task = results.headline, results.task
    weighted = ", weighted" if task.weighted else ""
    block = Headline(
        sentence=headline.text,
        metric=f"{metric_title(headline.metric)}, n = {record.n_judged:,} images{weighted}",
        value=text.score(headline.value),
        interval=text.interval(headline.ci95),
        speaks_of=results.protocol.interval.speaks_of,
    )
    return Section("result", "Result", (block,))
