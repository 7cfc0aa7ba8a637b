"""The first screen: the score as a picture, the verdict, what weakens it, and the most telling images."""

from __future__ import annotations

from typing import Final

from headstart.data.readers.table import GROUPS_NAMED_BY
from headstart.report.context import ReportContext
from headstart.report.document import Beware, Headline, Plain, Section, Sides, Text
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.sections.explanations import telling_blocks
from headstart.report.sections.provenance import provenance_line
from headstart.report.text import format as text
from headstart.report.text.in_short import in_short
from headstart.report.text.metric_names import metric_title
from headstart.report.text.score_scale import score_scale
from headstart.results.exports.label_issues import LABEL_ISSUES_FILE
from headstart.results.models.run_results import RunResults

_PROVISIONAL: Final = mark(
    "This is a provisional answer, to look at and not to report: one head with its usual settings, judged on one "
    "holdout, beside no baseline. The whole job searches, judges every image and replaces it."
)
_VERDICTS = {
    "helps": (
        mark("The pretrained network helps: it does better on these images than the best simple method."),
        "good",
    ),
    "hurts": (
        mark("The pretrained network hurts: on these images a simple method does better. Use that one."),
        "warning",
    ),
    "no evidence": (
        mark("Nothing shows that the pretrained network does better on these images than the best simple method."),
        "warning",
    ),
}
_LONG = 250
"""Characters of warnings from which on the scale stands under the score, not under them."""
_NOT_COMPARED = mark("No simple method was judged beside it, so whether the pretrained network helps is left open.")
_NO_NETWORK = mark("No network took part: heads saw the numbers of the user's own array, and nothing of the pictures.")
_NOTHING_TO_HELP = mark("The network's weights were drawn at random, so nothing was transferred.")


@register_section("result", after=None)
def headline_section(context: ReportContext, drawn: Drawn) -> Section:
    """Score, verdict and warnings side by side, then the telling images."""
    record, results = context.record, context.record.results
    headline, task = results.headline, results.task
    judged_on = mark("{metric}, n = {n_judged} images")
    if task.weighted:
        judged_on = mark("{metric}, n = {n_judged} images, weighted")
    block = Headline(
        sentence=headline.text,
        metric=tr(judged_on, metric=metric_title(headline.metric), n_judged=f"{record.n_judged:,}"),
        value=text.judged(headline.value),
        interval=text.interval_of(headline.value, headline.ci95),
        speaks_of=results.protocol.interval.speaks_of,
    )
    left: tuple[Plain, ...] = (block, provenance_line(context))
    right: tuple[Plain, ...] = (_verdict(results), *_beware(results))
    scale = score_scale(results)
    if scale is not None and sum(len(in_short(words)) for words in _warnings(results)) > _LONG:
        left = (*left, scale)
    elif scale is not None:
        right = (*right, scale)
    return Section("result", tr("Result"), (Sides(left, right), *telling_blocks(context)))


def _verdict(results: RunResults) -> Text:
    if results.provisional:
        return Text(tr(_PROVISIONAL), tone="warning")
    weights = results.backbone.weights
    alone = _NO_NETWORK if weights.is_absent else _NOTHING_TO_HELP if weights.is_random else _NOT_COMPARED
    words, tone = _VERDICTS.get(str(results.headline.verdict), (alone, "note"))
    return Text(tr(words), tone=tone)


def _beware(results: RunResults) -> tuple[Plain, ...]:
    """What weakens the result."""
    warnings, unknown = _warnings(results), leakage_words(results)
    if warnings:
        whole = (*warnings, *filter(None, (unknown,)))
        return (Beware(tuple((in_short(words), words) for words in whole)),)
    if unknown:
        words = tr(
            "No warnings were raised. Without groups it cannot be ruled out that images of one thing were split."
        )
        return (Text(words, tone="note"), Text(unknown, tone="note"))
    return (Text(tr("No warnings were raised."), tone="good"),)


def _warnings(results: RunResults) -> tuple[str, ...]:
    """Sentences on what weakens the result, those of the run first."""
    return (*results.warnings, *_never_predicted(results), *_label_issues(results))


def _never_predicted(results: RunResults) -> tuple[str, ...]:
    """Sentence on the classes that no image was taken for; nothing where there are none."""
    columns = zip(results.task.classes, zip(*results.confusion, strict=True), strict=True)
    named = [name for name, column in columns if not sum(column)]
    return (tr("Never predicted: {named}.", named=text.listed(named)),) if named else ()


def _label_issues(results: RunResults) -> tuple[str, ...]:
    """Sentence on labels that look wrong; nothing where none does, or the run warns of them itself."""
    n_listed = 0 if results.labels is None else results.labels.issues.n_listed
    if not n_listed or any(LABEL_ISSUES_FILE in sentence for sentence in results.warnings):
        return ()
    return (
        ntr(
            "{n} label looks wrong: see Labels to look at again.",
            "{n} labels look wrong: see Labels to look at again.",
            n_listed,
        ),
    )


def leakage_words(results: RunResults) -> str:
    """Warning of leakage that was not ruled out, as no groups were given; empty where they were."""
    if results.task.groups_given is not False:
        return ""
    if results.protocol.own_folds:
        return tr(
            "The split came with the data and no groups were given, so only copies were looked for on both "
            "of its sides. If images of one patient, part, scene or series stand on both, the score "
            "flatters: name what belongs together by {options}.",
            options=tr(GROUPS_NAMED_BY),
        )
    n_copies = results.audit.near_duplicates.n_pairs
    if n_copies:
        return tr(
            "No groups were given, so nothing was kept together but {pairs}. If several images show one patient, part "
            "or scene, or were taken in one series, they stand on both sides of the split and the score flatters: name "
            "them by {options}.",
            pairs=ntr("{n} pair of copies", "{n} pairs of copies", n_copies),
            options=tr(GROUPS_NAMED_BY),
        )
    return tr(
        "No groups were given, so nothing was kept together. If several images show one patient, "
        "part or scene, or were taken in one series, they stand on both sides of the split and the score "
        "flatters: name them by {options}.",
        options=tr(GROUPS_NAMED_BY),
    )
