"""The task: classes with their counts, groups, weights and the positive class."""

from __future__ import annotations

from headstart.report.context import ReportContext, recipe_of_cells, recipe_of_recordings, shown_origin
from headstart.report.document import Block, ReportTable, Section, Text
from headstart.report.figures.style import class_labels
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.many_classes import MAX_CLASSES, first_classes, with_left_out
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.audit import NearDuplicateFacts
from headstart.results.models.run_results import RunResults, TaskFacts
from headstart.signals.recording import NORMAL


def task_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """Sentence of the methods on the data set: images, classes and groups."""
    return (MethodsSentence(MethodsPart.DATA, _data_words(context)),)


def _data_words(context: ReportContext) -> str:
    results = context.record.results
    task = results.task
    clauses = [
        tr(
            "The data set held {images} of {n_classes} classes ({counts})",
            images=ntr("{n} image", "{n} images", task.n_images),
            n_classes=len(task.classes),
            counts=_counts(task),
        )
    ]
    if task.n_groups and task.groups_given is not False:
        clauses = [
            tr("{held} in {groups}", held=clauses[0], groups=_groups_words(context, task.n_groups)),
            tr("images of one group were never split apart"),
        ]
    if task.groups_given is False:
        clauses.append(
            tr("no groups were given, so the split was taken as it came")
            if results.protocol.own_folds
            else tr("no groups were given, so images were split one by one")
        )
    clauses += _joined_words(results.audit.near_duplicates)
    weighted = (
        tr("Images count by the weights given with them, in training and in all scores.") if task.weighted else ""
    )
    return " ".join(filter(None, (f"{'; '.join(clauses)}.", _unreadable(results), weighted)))


def _counts(task: TaskFacts) -> str:
    """Images of every class; of very many classes the fewest and the most."""
    counts = [task.class_counts[name] for name in task.classes]
    if len(counts) <= MAX_CLASSES:
        return ", ".join(f"{name}: {text.count(count)}" for name, count in zip(task.classes, counts, strict=True))
    if min(counts) == max(counts):
        return ntr("{n} image each", "{n} images each", max(counts))
    return ntr("{fewest} to {n} image each", "{fewest} to {n} images each", max(counts), fewest=text.count(min(counts)))


def _groups_words(context: ReportContext, n_groups: int) -> str:
    """How many groups there were, and where they came from, where the run says so."""
    groups = ntr("{n} group", "{n} groups", n_groups)
    if context.once(recipe_of_recordings) is not None:
        return tr("{groups}, which are recordings or parts of one", groups=groups)
    cells = context.once(recipe_of_cells)
    if cells is not None:
        return tr("{groups}, one for each {kind}", groups=groups, kind=cells.get("group_by", "micrograph"))
    told = context.once(shown_origin).groups
    if told:
        return tr("{groups}, taken from {origin}", groups=groups, origin=told)
    return tr("{groups}, as given with the data", groups=groups)


def _unreadable(results: RunResults) -> str:
    n_left_out = len(results.audit.unreadable)
    if not n_left_out:
        return ""
    return ntr(
        "{n} file that could not be read was left out.", "{n} files that could not be read were left out.", n_left_out
    )


def _joined_words(copies: NearDuplicateFacts) -> list[str]:
    """Which copies were kept together, and how they were found, as a clause; nothing where there were none."""
    equal, confirmed = copies.exact_pairs, copies.confirmed_in_feature_space
    turned, cropped = len(copies.mirrored_or_turned), len(copies.cropped_or_rotated)
    kinds = [
        (equal, ntr("{n} pair of equal pixels", "{n} pairs of equal pixels", equal)),
        (
            confirmed,
            ntr(
                "{n} pair with alike perceptual hashes, confirmed by their features",
                "{n} pairs with alike perceptual hashes, confirmed by their features",
                confirmed,
            ),
        ),
        (
            turned,
            ntr(
                "{n} pair of an image and its mirrored or turned copy",
                "{n} pairs of an image and its mirrored or turned copy",
                turned,
            ),
        ),
        (
            cropped,
            ntr(
                "{n} pair of an image and a crop of it or the image turned by a few degrees, confirmed by laying one "
                "thumbnail over the other",
                "{n} pairs of an image and a crop of it or the image turned by a few degrees, confirmed by laying one "
                "thumbnail over the other",
                cropped,
            ),
        ),
    ]
    found = [words for n, words in kinds if n]
    return [tr("copies were kept on one side of every split: {found}", found=text.listed(found))] if found else []


def _question(task: TaskFacts) -> str:
    images = ntr("{n} image", "{n} images", task.n_images)
    if not task.n_groups or task.groups_given is False:
        return tr(
            "To which of {n_classes} classes does an image belong? {images} were given.",
            n_classes=len(task.classes),
            images=images,
        )
    return tr(
        "To which of {n_classes} classes does an image belong? {images} were given; the {groups} that they form, "
        "near-duplicates joined, stay whole in every split.",
        n_classes=len(task.classes),
        images=images,
        groups=ntr("{n} group", "{n} groups", task.n_groups),
    )


@register_section("question", after="gallery", methods=task_sentences)
def task_section(context: ReportContext, drawn: Drawn) -> Section:
    """The task: classes with their counts, and the positive class."""
    record = context.record
    task = record.results.task
    total = sum(task.class_counts.values()) or 1
    shown = first_classes(len(task.classes), lambda code: task.class_counts[task.classes[code]])
    rows = tuple(
        (
            name,
            text.count(n := task.class_counts[name]),
            text.percent(n / total),
            *((tr("yes") if name == task.positive else "",) if task.positive is not None else ()),
        )
        for name in (task.classes[code] for code in shown)
    )
    caption = with_left_out(
        tr("Classes"),
        len(task.classes),
        shown,
        mark("Of {n_classes} classes the {n_shown} with the fewest images; the others stand in results.json"),
    )
    columns = (tr("Class"), tr("Images"), tr("Share"), *((tr("Positive"),) if task.positive is not None else ()))
    blocks: list[Block] = [
        Text(_question(task)),
        ReportTable(caption, columns, rows),
    ]
    labels = class_labels(record.classes)
    renamed = [
        tr("{label} for {name}", label=label, name=name)
        for name, label in zip(record.classes, labels, strict=True)
        if label != name
    ]
    if renamed:
        blocks.append(
            Text(
                tr("Figures write some names shorter: {renamed}.", renamed=text.listed(renamed, limit=40)), tone="note"
            )
        )
    if task.positive is not None:
        reason = f" ({_why_positive(context)})" if task.positive_reason else ""
        blocks.append(
            Text(
                tr(
                    "The positive class is {positive}{reason}: precision, recall, specificity and F1 speak of it.",
                    positive=task.positive,
                    reason=reason,
                )
            )
        )
    if task.weighted:
        blocks.append(
            Text(
                tr(
                    "Every score, curve and count of the confusion matrix is weighted by the given image weights, "
                    "where an image of mean weight counts as one."
                )
            )
        )
    return Section("question", tr("What was asked"), tuple(blocks))


def _why_positive(context: ReportContext) -> str:
    """Reason why a class is the positive one; of windows it is what is not normal, whoever named it."""
    task = context.record.results.task
    if context.once(recipe_of_recordings) is not None and NORMAL in task.classes and task.positive != NORMAL:
        return tr("the one that is not normal running")
    return task.positive_reason.rstrip(".")
