"""The labels: how far raters agree, which labels are soft, and which ones to look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headstart.report.context import ReportContext
from headstart.report.document import Block, Gallery, ReportTable, Section, Text, Tile
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.many_classes import folded, folded_names, most_confused, with_left_out
from headstart.report.sections import Drawn, register_section
from headstart.report.sections.gallery import PictureWall
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.exports.label_issues import LABEL_ISSUES_FILE
from headstart.results.models.audit import AgreementFacts, Alpha, DisputedImage
from headstart.results.models.label_issues import LabelIssue, LabelIssueFacts

_KRIPPENDORFF = (
    "K. Krippendorff. Computing Krippendorff's Alpha-Reliability. University of Pennsylvania, Annenberg School for "
    "Communication, 2011."
)
N_TILES = 12
N_ROWS = 20

_WHAT = mark(
    "A list to look at, not a correction: models that had not seen these images are confident of "
    "another class than the label. Wrong labels stand on it beside hard and rare images; labels that "
    "are wrong by a rule that the models could learn do not. Nothing was changed or left out because "
    "of it. All of them, ranked, are in {file}."
)


def label_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How far raters agree and how many labels are soft; nothing where there are neither."""
    results = context.record.results
    found = []
    agreement = results.audit.agreement
    if agreement is not None:
        told = mark("The images were labelled by {raters}; Krippendorff's alpha was {alphas}.")
        if results.labels is not None and results.labels.n_soft is None:
            told = mark(
                "The images were labelled by {raters}, and an image is of the class that most of them gave it; "
                "Krippendorff's alpha was {alphas}."
            )
        raters = ntr("{n} rater", "{n} raters", len(agreement.raters))
        words = tr(told, raters=raters, alphas=_alphas(agreement))
        found.append(MethodsSentence(MethodsPart.DATA, words, (_KRIPPENDORFF,)))
    n_soft = None if results.labels is None else results.labels.n_soft
    if n_soft is not None:
        words = tr(
            "The labels of {images} were soft: in training each counted for every class as much as the share its label "
            "gives it; it was judged by its hard label.",
            images=ntr("{n} image", "{n} images", n_soft),
        )
        found.append(MethodsSentence(MethodsPart.DATA, words))
    return found


@register_section("labels", after="explanations", methods=label_sentences)
def labels_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """Agreement of the raters, soft labels, and the ranked list of label issues with pictures of the first.

    Where image names are to be left out, a label is found by its rank in `LABEL_ISSUES_FILE`. None for a run that says
    nothing of its labels: one of an older version.
    """
    results = context.record.results
    found = results.labels
    if found is None:
        return None
    agreement = results.audit.agreement
    blocks: list[Block] = [] if agreement is None else _agreement_blocks(agreement, named=context.images)
    if found.n_soft is not None:
        blocks.append(Text(_soft_words(found.n_soft, results.task.n_images)))
    blocks += _issue_blocks(context, found.issues)
    return Section("labels", tr("Labels to look at again"), tuple(blocks))


def _alphas(agreement: AgreementFacts) -> str:
    nominal, ordinal = agreement.alpha_nominal, agreement.alpha_ordinal
    if ordinal is None:
        return tr("{alpha} for classes without order", alpha=_alpha(nominal))
    return tr(
        "{alpha} for classes without order and {ordered} for classes in the order given",
        alpha=_alpha(nominal),
        ordered=_alpha(ordinal),
    )


def _soft_words(n_soft: int, n_images: int) -> str:
    shared = ntr(
        "The labels are soft: {n} of {n_images} images is shared between classes.",
        "The labels are soft: {n} of {n_images} images are shared between classes.",
        n_soft,
        n_images=f"{n_images:,}",
    )
    meaning = tr(
        "In training an image counts for each class as much as its share; it is judged by its hard label alone."
    )
    return f"{shared} {meaning}"


def _agreement_blocks(agreement: AgreementFacts, *, named: bool) -> list[Block]:
    """Alpha and the counts in one table, then the most disputed images."""
    raters = agreement.raters
    order = " < ".join(agreement.class_order)
    rows = [
        (
            tr("Raters"),
            text.listed(
                [ntr("{rater}: {n} image", "{rater}: {n} images", n, rater=name) for name, n in raters.items()],
                limit=20,
            ),
        ),
        (tr("Images rated by several"), text.count(agreement.n_rated_by_several)),
        (tr("Images rated once"), text.count(agreement.n_rated_once)),
        (tr("Ratings missing"), text.count(agreement.n_gaps)),
        (tr("Images on which raters differ"), _share(agreement.n_disputed, agreement.disputed_share)),
        (tr("Images with tied votes"), text.count(agreement.n_tied)),
        (tr("Krippendorff's alpha, classes without order"), _alpha(agreement.alpha_nominal)),
    ]
    if agreement.alpha_ordinal is not None:
        rows.append(
            (tr("Krippendorff's alpha, were the classes ordered {order}", order=order), _alpha(agreement.alpha_ordinal))
        )
    note = tr(
        "Alpha is 1 for perfect agreement and 0 for what chance gives. Its 95 % interval resamples "
        "images, groups as wholes. Reference: {reference}.",
        reference=agreement.reference,
    )
    caption = tr("How far the raters agree")
    blocks: list[Block] = [
        ReportTable(caption, (tr("Item"), tr("Value")), tuple(rows), frozenset({1})),
        Text(note, tone="note"),
    ]
    return [*blocks, _disputed(agreement.disputed)] if named and agreement.disputed else blocks


def _share(number: int, share: float | None) -> str:
    if share is None:
        return text.count(number)
    return tr("{count} ({share} of those rated by several)", count=text.count(number), share=text.percent(share))


def _alpha(entry: Alpha) -> str:
    return tr("undefined: {reason}", reason=entry.reason) if entry.value is None else text.estimate(entry)


def _disputed(entries: Sequence[DisputedImage]) -> ReportTable:
    rows = tuple((entry.image, _votes(entry.votes), text.percent(entry.disagreement)) for entry in entries[:N_ROWS])
    caption = tr("The {n_rows} images that raters differ on most", n_rows=len(rows))
    return ReportTable(caption, (tr("Image"), tr("Votes"), tr("Against the majority")), rows, frozenset({1}))


def _votes(votes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in votes.items())


def _issue_blocks(context: ReportContext, issues: LabelIssueFacts) -> list[Block]:
    n_listed, n_judged = issues.n_listed, issues.n_judged
    if not n_listed:
        return [
            Text(
                tr("No label of {n_judged} judged images is contradicted with confidence.", n_judged=f"{n_judged:,}"),
                tone="good",
            )
        ]
    counted = tr(
        "{labels} of {n_judged} judged images; about {n_wrong_estimated} labels are estimated to be "
        "wrong, hard images counted among them.",
        labels=ntr("{n} label", "{n} labels", n_listed),
        n_judged=f"{n_judged:,}",
        n_wrong_estimated=f"{issues.n_wrong_estimated:.0f}",
    )
    top = issues.top
    wall = PictureWall(context)
    tiles = tuple(_tile(context, wall, entry) for entry in top[:N_TILES])
    return [
        Text(tr(_WHAT, file=LABEL_ISSUES_FILE), tone="warning"),
        Text(counted),
        Gallery(tr("The clearest label issues"), tiles),
        _ranked(top, named=context.images),
        _joint(context.record.classes, issues),
        Text(_method(issues), tone="note"),
    ]


def _method(issues: LabelIssueFacts) -> str:
    return tr(
        "An image is listed when the probability of another class reaches that class's threshold, the "
        "mean probability of the class over the images labelled so, and its own label is not the most "
        "probable class; the label with the lowest probability comes first (confident learning: "
        "{reference}).",
        reference=issues.reference,
    )


def _tile(context: ReportContext, wall: PictureWall, entry: LabelIssue) -> Tile:
    """The issue with its picture, unless that stands in the report already."""
    title = entry.image if context.images else tr("rank {rank}", rank=entry.rank)
    is_shown = entry.image in context.pictured
    lines = [
        tr("label: {label} ({self_confidence})", label=entry.label, self_confidence=text.score(entry.self_confidence)),
        tr(
            "suggested: {suggested} ({probability})",
            suggested=entry.suggested,
            probability=text.score(entry.probability),
        ),
    ]
    if entry.repeats > 1:
        lines.append(
            tr("{repeats_agree} of {repeats} repeats agree", repeats_agree=entry.repeats_agree, repeats=entry.repeats)
        )
    if entry.votes is not None:
        lines.append(tr("votes: {votes}", votes=_votes(entry.votes)))
    if is_shown and context.shown is not None:
        lines.append(tr("its picture stands further up"))
    alt = tr(
        "Image {title}, labelled {label}, suggested {suggested}",
        title=title,
        label=entry.label,
        suggested=entry.suggested,
    )
    return Tile(None if is_shown else wall.picture(entry.image), title, alt, tuple(lines))


def _ranked(top: Sequence[LabelIssue], *, named: bool) -> ReportTable:
    rows = tuple(
        (
            str(entry.rank),
            *((entry.image,) if named else ()),
            entry.label,
            entry.suggested,
            text.score(entry.self_confidence),
            text.score(entry.probability),
            tr("{repeats_agree} of {repeats}", repeats_agree=entry.repeats_agree, repeats=entry.repeats),
        )
        for entry in top[:N_ROWS]
    )
    words = (tr("Image"),) if named else ()
    columns = (
        tr("Rank"),
        *words,
        tr("Label"),
        tr("Suggested"),
        tr("Probability of label"),
        tr("of suggestion"),
        tr("Repeats that agree"),
    )
    first = tr("The first {n_rows} of the list", n_rows=len(rows)) if len(rows) > 1 else tr("The list")
    return ReportTable(first, columns, rows, frozenset(range(1, 3 + len(words))))


def _joint(classes: Sequence[str], issues: LabelIssueFacts) -> ReportTable:
    joint = np.array(issues.confident_joint, dtype=np.float64)
    shown = most_confused(joint)
    names = folded_names(classes, shown)
    thresholds = [text.score(issues.thresholds[classes[code]]) for code in shown]
    thresholds += [text.missing()] * (len(names) - len(shown))
    rows = tuple(
        (name, threshold, *(text.count(n) for n in counts))
        for name, threshold, counts in zip(names, thresholds, folded(joint, shown), strict=True)
    )
    caption = with_left_out(
        tr("Images by label (rows) and by the class that the models are confident of (columns)"),
        len(classes),
        shown,
        mark("Of {n_classes} classes the {n_shown} that stand out most; the others stand in results.json"),
    )
    return ReportTable(caption, (tr("Label"), tr("Threshold"), *names), rows)
