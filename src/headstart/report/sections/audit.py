"""The section of the audit: findings in the image files before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.report.context import ReportContext
from headstart.report.document import Block, ReportTable, Section, Text
from headstart.report.many_classes import MAX_CLASSES
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.results.models.audit import AuditFacts, Extent, NearDuplicateFacts, UnreadableImage
from headstart.results.read import RunRecord

MAX_ROWS = 50
MAX_ITEMS = 8  # in one cell
_FOUND = {
    "exact_pairs": "Pairs of equal pixels",
    "candidates_by_perceptual_hash": "Pairs with alike perceptual hashes",
    "confirmed_in_feature_space": "Of these confirmed by their features",
    "ratio": "Confirmed up to this share of the distance to unrelated images",
    "background_neighbour": "Unrelated: the nearest images from this rank on",
    "near_pairs": "Confirmed pairs",
    "features_of": "Features of",
    "mirrored_or_turned": "Mirrored or turned copies",
    "cropped_or_rotated": "Cropped copies and such turned by a few degrees",
}
_NAMES_LEFT_OUT = (
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
        ReportTable("What the image files are", ("Item", "Value"), _facts(record, audit), frozenset({1}))
    ]
    if audit.file_facts:
        blocks.append(_file_facts(audit.file_facts))
    if named:
        blocks += _unreadable(audit.unreadable)
        blocks += _duplicates(audit.duplicates, audit.label_conflicts)
    else:
        blocks.append(Text(_NAMES_LEFT_OUT, tone="note"))
    blocks.append(_near_duplicates(audit.near_duplicates, named=named))
    return Section("audit", "Audit of the files", tuple(blocks))


def _facts(record: RunRecord, audit: AuditFacts) -> tuple[tuple[str, str], ...]:
    counts = {name: audit.class_counts[name] for name in record.classes}
    facts = {
        "Images": text.count(audit.n_images),
        "Images of each class": _counted(counts) if len(counts) <= MAX_CLASSES else _spread(counts),
        "File formats": _counted(audit.formats),
        "Colour modes": _counted(audit.modes),
        "Width": _range(audit.width),
        "Height": _range(audit.height),
        "Unreadable files": text.count(len(audit.unreadable)),
        "Sets of exact duplicates": text.count(len(audit.duplicates)),
        "Sets whose labels disagree": text.count(len(audit.label_conflicts)),
        "Files of several pages": text.count(len(audit.multi_page)),
    }
    return tuple((name, value) for name, value in facts.items() if value)


def _file_facts(scores: Mapping[str, float]) -> ReportTable:
    """How well each fact about the files tells the class by itself: a baseline that sees no picture."""
    rows = tuple((name[0].upper() + name[1:], text.score(score)) for name, score in scores.items())
    caption = "File-facts baseline: classes told by one fact about the files alone, on the folds of the run"
    return ReportTable(caption, ("Fact", "Balanced accuracy"), rows)


def _counted(counts: Mapping[str, float]) -> str:
    return "; ".join(f"{name}: {text.count(number)}" for name, number in counts.items())


def _spread(counts: Mapping[str, int]) -> str:
    """Smallest and largest of very many classes."""
    return f"{text.count(min(counts.values()))} to {text.count(max(counts.values()))} in {len(counts):,} classes"


def _range(sizes: Extent) -> str:
    """Smallest to largest and the median, in pixels."""
    low, middle, high = (text.count(size) for size in (sizes.min, sizes.median, sizes.max))
    return f"{low} pixels" if low == high else f"{low} to {high} pixels, median {middle}"


def _unreadable(entries: Sequence[UnreadableImage]) -> list[Block]:
    rows = tuple((entry.image, entry.reason) for entry in entries[:MAX_ROWS])
    table = ReportTable("Unreadable files", ("Image", "Reason"), rows, frozenset({1}))
    return [table, *_cut(entries)] if rows else [Text("Every file could be read.", tone="good")]


def _duplicates(sets: Sequence[Sequence[str]], conflicts: Sequence[Sequence[str]]) -> list[Block]:
    """Sets of exact duplicates; they share a group, so that no copy of a test image was trained on."""
    disagreeing = {tuple(names) for names in conflicts}
    rows = tuple(
        (text.listed(names), "disagree" if tuple(names) in disagreeing else "agree")
        for names in sorted(sets, key=lambda names: tuple(names) not in disagreeing)[:MAX_ROWS]
    )
    caption = "Exact duplicates, kept on one side of every split"
    table = ReportTable(caption, ("Images", "Labels"), rows, frozenset({1}))
    return [table, *_cut(sets)] if rows else [Text("No two files hold the same image.", tone="good")]


def _near_duplicates(found: NearDuplicateFacts, *, named: bool) -> ReportTable:
    """Near-duplicates, as the run recorded them; lists of them counted unless `named`."""
    in_words = _named if named else _tallied
    rows = tuple((_FOUND[key], in_words(value)) for key, value in text.fields_of(found).items())
    caption = "Near-duplicates: images with alike perceptual hashes, confirmed in feature space"
    return ReportTable(caption, ("Item", "Value"), rows, frozenset({1}))


def _named(value: object) -> str:
    """A count for a long list, its items for a short one."""
    if isinstance(value, list):
        items = [text.listed([str(part) for part in item]) if isinstance(item, list) else str(item) for item in value]
        return "; ".join(items[:MAX_ITEMS]) + (f"; {len(items) - MAX_ITEMS:,} more" if len(items) > MAX_ITEMS else "")
    return text.plain(value)


def _tallied(value: object) -> str:
    """The length of a list, whatever is in it."""
    return f"{len(value):,}" if isinstance(value, list) else text.plain(value)


def _cut(entries: Sequence[object]) -> list[Block]:
    if len(entries) <= MAX_ROWS:
        return []
    return [Text(f"{len(entries) - MAX_ROWS:,} more stand in results.json.", tone="note")]
