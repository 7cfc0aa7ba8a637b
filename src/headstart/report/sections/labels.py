"""The labels: how far raters agree, which labels are soft, and which ones to look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headstart.errors import plural
from headstart.report.context import ReportContext
from headstart.report.document import Block, Gallery, ReportTable, Section, Text, Tile
from headstart.report.many_classes import folded, folded_names, most_confused, shown_words
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
_VOTED = ", and an image is of the class that most of them gave it"
N_TILES = 12
N_ROWS = 20

_WHAT = (
    "A list to look at, not a correction: models that had not seen these images are confident of another class than "
    "the label. Wrong labels stand on it beside hard and rare images; labels that are wrong by a rule that the models "
    f"could learn do not. Nothing was changed or left out because of it. All of them, ranked, are in "
    f"{LABEL_ISSUES_FILE}."
)


def label_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How far raters agree and how many labels are soft; nothing where there are neither."""
    results = context.record.results
    found = []
    agreement = results.audit.agreement
    if agreement is not None:
        n_raters = plural(len(agreement.raters), "rater")
        voted = "" if results.labels is None or results.labels.n_soft is not None else _VOTED
        words = f"The images were labelled by {n_raters}{voted}; Krippendorff's alpha was {_alphas(agreement)}."
        found.append(MethodsSentence(MethodsPart.DATA, words, (_KRIPPENDORFF,)))
    n_soft = None if results.labels is None else results.labels.n_soft
    if n_soft is not None:
        words = (
            f"The labels of {plural(n_soft, 'image')} were soft: in training each counted for every class as much "
            "as the share its label gives it; it was judged by its hard label."
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
    return Section("labels", "Labels to look at again", tuple(blocks))


def _alphas(agreement: AgreementFacts) -> str:
    nominal, ordinal = agreement.alpha_nominal, agreement.alpha_ordinal
    words = f"{_alpha(nominal)} for classes without order"
    return words if ordinal is None else f"{words} and {_alpha(ordinal)} for classes in the order given"


def _soft_words(n_soft: int, n_images: int) -> str:
    shared = plural(n_soft, f"of {n_images:,} images is", f"of {n_images:,} images are")
    return (
        f"The labels are soft: {shared} shared between classes. In training an image "
        "counts for each class as much as its share; it is judged by its hard label alone."
    )


def _agreement_blocks(agreement: AgreementFacts, *, named: bool) -> list[Block]:
    """Alpha and the counts in one table, then the most disputed images."""
    raters = agreement.raters
    order = " < ".join(agreement.class_order)
    rows = [
        ("Raters", text.listed([f"{name}: {plural(n, 'image')}" for name, n in raters.items()], limit=20)),
        ("Images rated by several", text.count(agreement.n_rated_by_several)),
        ("Images rated once", text.count(agreement.n_rated_once)),
        ("Ratings missing", text.count(agreement.n_gaps)),
        ("Images on which raters differ", _share(agreement.n_disputed, agreement.disputed_share)),
        ("Images with tied votes", text.count(agreement.n_tied)),
        ("Krippendorff's alpha, classes without order", _alpha(agreement.alpha_nominal)),
    ]
    if agreement.alpha_ordinal is not None:
        rows.append((f"Krippendorff's alpha, were the classes ordered {order}", _alpha(agreement.alpha_ordinal)))
    note = (
        "Alpha is 1 for perfect agreement and 0 for what chance gives. Its 95 % interval resamples images, groups as "
        "wholes. "
        f"Reference: {agreement.reference}."
    )
    caption = "How far the raters agree"
    blocks: list[Block] = [
        ReportTable(caption, ("Item", "Value"), tuple(rows), frozenset({1})),
        Text(note, tone="note"),
    ]
    return [*blocks, _disputed(agreement.disputed)] if named and agreement.disputed else blocks


def _share(number: int, share: float | None) -> str:
    return text.count(number) + ("" if share is None else f" ({text.percent(share)} of those rated by several)")


def _alpha(entry: Alpha) -> str:
    return f"undefined: {entry.reason}" if entry.value is None else text.estimate(entry)


def _disputed(entries: Sequence[DisputedImage]) -> ReportTable:
    rows = tuple((entry.image, _votes(entry.votes), text.percent(entry.disagreement)) for entry in entries[:N_ROWS])
    caption = f"The {len(rows)} images that raters differ on most"
    return ReportTable(caption, ("Image", "Votes", "Against the majority"), rows, frozenset({1}))


def _votes(votes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in votes.items())


def _issue_blocks(context: ReportContext, issues: LabelIssueFacts) -> list[Block]:
    n_listed, n_judged = issues.n_listed, issues.n_judged
    if not n_listed:
        return [Text(f"No label of {n_judged:,} judged images is contradicted with confidence.", tone="good")]
    counted = (
        f"{plural(n_listed, 'label')} of {n_judged:,} judged images; about "
        f"{issues.n_wrong_estimated:.0f} labels are estimated to be wrong, hard images counted among them."
    )
    top = issues.top
    wall = PictureWall(context)
    tiles = tuple(_tile(context, wall, entry) for entry in top[:N_TILES])
    return [
        Text(_WHAT, tone="warning"),
        Text(counted),
        Gallery("The clearest label issues", tiles),
        _ranked(top, named=context.images),
        _joint(context.record.classes, issues),
        Text(_method(issues), tone="note"),
    ]


def _method(issues: LabelIssueFacts) -> str:
    return (
        "An image is listed when the probability of another class reaches that class's threshold, the mean probability "
        "of the class over the images labelled so, and its own label is not the most probable class; the label with "
        f"the lowest probability comes first (confident learning: {issues.reference})."
    )


def _tile(context: ReportContext, wall: PictureWall, entry: LabelIssue) -> Tile:
    """The issue with its picture, unless that stands in the report already."""
    title = entry.image if context.images else f"rank {entry.rank}"
    is_shown = entry.image in context.pictured
    lines = [
        f"label: {entry.label} ({text.score(entry.self_confidence)})",
        f"suggested: {entry.suggested} ({text.score(entry.probability)})",
    ]
    if entry.repeats > 1:
        lines.append(f"{entry.repeats_agree} of {entry.repeats} repeats agree")
    if entry.votes is not None:
        lines.append(f"votes: {_votes(entry.votes)}")
    if is_shown and context.shown is not None:
        lines.append("its picture stands further up")
    alt = f"Image {title}, labelled {entry.label}, suggested {entry.suggested}"
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
            f"{entry.repeats_agree} of {entry.repeats}",
        )
        for entry in top[:N_ROWS]
    )
    words = ("Image",) if named else ()
    columns = ("Rank", *words, "Label", "Suggested", "Probability of label", "of suggestion", "Repeats that agree")
    first = f"The first {len(rows)} of the list" if len(rows) > 1 else "The list"
    return ReportTable(first, columns, rows, frozenset(range(1, 3 + len(words))))


def _joint(classes: Sequence[str], issues: LabelIssueFacts) -> ReportTable:
    joint = np.array(issues.confident_joint, dtype=np.float64)
    shown = most_confused(joint)
    names = folded_names(classes, shown)
    thresholds = [text.score(issues.thresholds[classes[code]]) for code in shown]
    thresholds += [text.MISSING] * (len(names) - len(shown))
    rows = tuple(
        (name, threshold, *(text.count(n) for n in counts))
        for name, threshold, counts in zip(names, thresholds, folded(joint, shown), strict=True)
    )
    left_out = shown_words(len(classes), shown, "that stand out most", "results.json")
    caption = f"Images by label (rows) and by the class that the models are confident of (columns){left_out}"
    return ReportTable(caption, ("Label", "Threshold", *names), rows)
