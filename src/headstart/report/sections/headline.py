"""The one number, its interval and what the interval speaks of."""

from __future__ import annotations

from typing import Final

from headstart.data.readers.table import GROUPS_NAMED_BY
from headstart.errors import plural
from headstart.report.context import ReportContext
from headstart.report.document import Block, Headline, Section, Text
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_title
from headstart.results.models.run_results import RunResults

_PROVISIONAL: Final = (
    "This is a provisional answer, to look at and not to report: one head with its usual settings, judged on one "
    "holdout, beside no baseline. The whole job searches, judges every image and replaces it."
)


@register_section("result", after=None)
def headline_section(context: ReportContext, drawn: Drawn) -> Section:
    """The one number, its interval and what the interval speaks of."""
    record, results = context.record, context.record.results
    headline, task = results.headline, results.task
    weighted = ", weighted" if task.weighted else ""
    block = Headline(
        sentence=headline.text,
        metric=f"{metric_title(headline.metric)}, n = {record.n_judged:,} images{weighted}",
        value=text.judged(headline.value),
        interval=text.interval_of(headline.value, headline.ci95),
        speaks_of=results.protocol.interval.speaks_of,
    )
    blocks: list[Block] = [block]
    if results.provisional:
        blocks.append(Text(_PROVISIONAL, tone="warning"))
    if unknown := leakage_words(results):
        blocks.append(Text(unknown, tone="note"))
    return Section("result", "Result", tuple(blocks))


def leakage_words(results: RunResults) -> str:
    """Warning of leakage that was not ruled out, as no groups were given; empty where they were."""
    if results.task.groups_given is not False:
        return ""
    if results.protocol.own_folds:
        return (
            "The split came with the data and no groups were given, so only copies were looked for on both of its "
            "sides. If images of one patient, part, scene or series stand on both, the score flatters: name what "
            f"belongs together by {GROUPS_NAMED_BY}."
        )
    joined = results.audit.near_duplicates
    n_copies = joined.exact_pairs + joined.confirmed_in_feature_space + len(joined.mirrored_or_turned)
    kept = f" but {plural(n_copies, 'pair')} of copies" if n_copies else ""
    return (
        f"No groups were given, so nothing was kept together{kept}. If several images show one patient, part or scene, "
        "or were taken in one series, they stand on both sides of the split and the score flatters: name them by "
        f"{GROUPS_NAMED_BY}."
    )
