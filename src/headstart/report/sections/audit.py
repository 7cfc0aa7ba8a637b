"""The section of the audit: findings in the image files before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.report.context import ReportContext
from headstart.report.document import Block, ReportTable, Section, Text
from headstart.report.locale.messages import mark, tr
from headstart.report.many_classes import MAX_CLASSES
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.results.models.audit import AuditFacts, Extent, NearDuplicateFacts, UnreadableImage
from headstart.results.read import RunRecord

MAX_ROWS = 50
MAX_ITEMS = 8  # in one cell
_FOUND = {
    "exact_pairs": mark("Pairs of equal pixels"),
    "candidates_by_perceptual_hash": mark("Pairs with alike perceptual hashes"),
    "confirmed_in_feature_space": mark("Of these confirmed by their features"),
    "near_pairs": mark("Confirmed pairs"),
    "mirrored_or_turned": mark("Mirrored or turned copies"),
    "cropped_or_rotated": mark("Cropped copies and such turned by a few degrees"),
    "features_of": mark("Features of"),
    "ratio": mark("Confirmed up to this share of the distance to unrelated images"),
    "background_neighbour": mark("Unrelated: the nearest images from this rank on"),
}
"""Findings first, then what they were found by."""
_NAMES_LEFT_OUT = mark(
    "The names of unreadable files, duplicates and near-duplicates were left out on request; results.json has them."
)


@register_section("audit", after="optimism")
def audit_section(context: ReportContext, drawn: Drawn) -> Section:
    """Counts and sizes in one table, then unreadable files, duplicates and near-duplicates.

    Where image names are to be left out, unreadable files and duplicates are counted instead of named.
    """
    record, named = context.record, context.images
    audit = record.results.audit
    blocks: list[Block] = [
        ReportTable(tr("What the image files are"), (tr("Item"), tr("Value")), _facts(record, audit), frozenset({1}))
    ]
    if audit.file_facts:
        blocks.append(_file_facts(audit.file_facts))
    if named:
        blocks += _unreadable(audit.unreadable)
        blocks += _duplicates(audit.duplicates, audit.label_conflicts)
    else:
        blocks.append(Text(tr(_NAMES_LEFT_OUT), tone="note"))
    blocks.append(_near_duplicates(audit.near_duplicates, named=named))
    return Section("audit", tr("Audit of the files"), tuple(blocks))


def _facts(record: RunRecord, audit: AuditFacts) -> tuple[tuple[str, str], ...]:
    counts = {name: audit.class_counts[name] for name in record.classes}
    facts = {
        tr("Images"): text.count(audit.n_images),
        tr("Images of each class"): _counted(counts) if len(counts) <= MAX_CLASSES else _spread(counts),
        tr("File formats"): _counted(audit.formats),
        tr("Colour modes"): _counted(audit.modes),
        tr("Width"): _range(audit.width),
        tr("Height"): _range(audit.height),
        tr("Unreadable files"): text.count(len(audit.unreadable)),
        tr("Sets of exact duplicates"): text.count(len(audit.duplicates)),
        tr("Sets whose labels disagree"): text.count(len(audit.label_conflicts)),
        tr("Files of several pages"): text.count(len(audit.multi_page)),
    }
    return tuple((name, value) for name, value in facts.items() if value)


def _file_facts(scores: Mapping[str, float]) -> ReportTable:
    """How well each fact about the files tells the class by itself: a baseline that sees no picture."""
    rows = tuple((name[0].upper() + name[1:], text.score(score)) for name, score in scores.items())
    caption = tr("File-facts baseline: classes told by one fact about the files alone, on the folds of the run")
    return ReportTable(caption, (tr("Fact"), tr("Balanced accuracy")), rows)


def _counted(counts: Mapping[str, float]) -> str:
    return "; ".join(f"{name}: {text.count(number)}" for name, number in counts.items())


def _spread(counts: Mapping[str, int]) -> str:
    """Smallest and largest of very many classes."""
    low, high, n_classes = min(counts.values()), max(counts.values()), f"{len(counts):,}"
    if low == high:
        return tr("{n} in each of {n_classes} classes", n=text.count(low), n_classes=n_classes)
    return tr("{min} to {max} in {n_classes} classes", min=text.count(low), max=text.count(high), n_classes=n_classes)


def _range(sizes: Extent) -> str:
    """Smallest to largest and the median, in pixels."""
    low, middle, high = (text.count(size) for size in (sizes.min, sizes.median, sizes.max))
    return (
        tr("{low} pixels", low=low)
        if low == high
        else tr("{low} to {high} pixels, median {middle}", low=low, high=high, middle=middle)
    )


def _unreadable(entries: Sequence[UnreadableImage]) -> list[Block]:
    rows = tuple((entry.image, entry.reason) for entry in entries[:MAX_ROWS])
    table = ReportTable(tr("Unreadable files"), (tr("Image"), tr("Reason")), rows, frozenset({1}))
    return [table, *_cut(entries)] if rows else [Text(tr("Every file could be read."), tone="good")]


def _duplicates(sets: Sequence[Sequence[str]], conflicts: Sequence[Sequence[str]]) -> list[Block]:
    """Sets of exact duplicates; they share a group, so that no copy of a test image was trained on."""
    disagreeing = {tuple(names) for names in conflicts}
    rows = tuple(
        (text.listed(names), tr("disagree") if tuple(names) in disagreeing else tr("agree"))
        for names in sorted(sets, key=lambda names: tuple(names) not in disagreeing)[:MAX_ROWS]
    )
    caption = tr("Exact duplicates, kept on one side of every split")
    table = ReportTable(caption, (tr("Images"), tr("Labels")), rows, frozenset({1}))
    return [table, *_cut(sets)] if rows else [Text(tr("No two files hold the same image."), tone="good")]


def _near_duplicates(found: NearDuplicateFacts, *, named: bool) -> ReportTable:
    """Near-duplicates, as the run recorded them; lists of them counted unless `named`."""
    in_words = _named if named else _tallied
    facts = text.fields_of(found)
    rows = tuple((tr(words), in_words(facts[key])) for key, words in _FOUND.items() if facts.get(key) not in (None, []))
    caption = tr("Near-duplicates: images with alike perceptual hashes, confirmed in feature space")
    return ReportTable(caption, (tr("Item"), tr("Value")), rows, frozenset({1}))


def _named(value: object) -> str:
    """A count for a long list, its items for a short one."""
    if isinstance(value, list):
        items = [text.listed([str(part) for part in item]) if isinstance(item, list) else str(item) for item in value]
        shown = items[:MAX_ITEMS]
        if len(items) > MAX_ITEMS:
            shown.append(tr("{n_more} more", n_more=f"{len(items) - MAX_ITEMS:,}"))
        return "; ".join(shown)
    return text.plain(value)


def _tallied(value: object) -> str:
    """The length of a list, whatever is in it."""
    return f"{len(value):,}" if isinstance(value, list) else text.plain(value)


def _cut(entries: Sequence[object]) -> list[Block]:
    if len(entries) <= MAX_ROWS:
        return []
    return [Text(tr("{n_more} more stand in results.json.", n_more=f"{len(entries) - MAX_ROWS:,}"), tone="note")]
