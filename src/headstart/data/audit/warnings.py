"""Warnings of the audit: traits of a data set that weaken or bias a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from headstart.data.audit.alike import alike_class_warnings
from headstart.data.audit.examine import ImageFacts
from headstart.data.dataset import ImageDataset
from headstart.data.images.pictures import Header
from headstart.errors import first_few, plural

FEW_IMAGES: Final = 30
FEW_GROUPS: Final = 20
_IMBALANCE: Final = 10
_ASPECT_SPREAD: Final = 1.2
_BIT_RANGES: Final = (1_023, 4_095, 16_383)


def warnings_about(
    dataset: ImageDataset,
    records: Sequence[ImageFacts],
    *,
    duplicates: Sequence[Sequence[int]],
    conflicts: Sequence[Sequence[int]],
) -> Iterator[str]:
    """Warnings about a data set, the gravest first.

    Parameters
    ----------
    dataset : ImageDataset
    records : sequence of ImageFacts
        One per image.
    duplicates : sequence of sequences of rows
        Sets of exact duplicates.
    conflicts : sequence of sequences of rows
        Those with different labels.
    """
    damaged = [
        f"{name} ({record.damage})" for name, record in zip(dataset.names, records, strict=True) if record.damage
    ]
    if damaged:
        kept = plural(len(damaged), "image is damaged and was kept", "images are damaged and were kept")
        yield f"{kept} because --accept-damaged asks for it: {first_few(damaged)}."
    if conflicts:
        yield _conflict_warning(dataset, conflicts)
    if duplicates:
        n_repeats = sum(len(rows) - 1 for rows in duplicates)
        repeats = plural(n_repeats, "image is an exact duplicate", "images are exact duplicates")
        yield f"{repeats} of others; duplicates are kept on one side of every split, but count double in every score."
    yield from _part_warnings(dataset, duplicates)
    yield from _class_warnings(dataset)
    yield from _shortcut_warnings(dataset, records)
    yield from _depth_warnings(records)
    yield from _shape_warnings(dataset, records)


def copy_warnings(
    dataset: ImageDataset, turned: Sequence[tuple[int, int]], cropped: Sequence[tuple[int, int]]
) -> Iterator[str]:
    """A warning of each kind of copy that was made before the split.

    Parameters
    ----------
    dataset : ImageDataset
    turned, cropped : sequence of (row, row)
        Mirrored or turned copies, and cropped ones or such turned by a few degrees.
    """
    kinds = (
        (turned, ("pair is", "pairs are"), "one image and its mirrored or turned copy", "They"),
        (
            cropped,
            ("pair looks like", "pairs look like"),
            "one image and a crop of it, or the image turned by a few degrees",
            "Look at some of them, as pictures of one kind may be so alike in a thumbnail that they are taken for "
            "copies: true copies",
        ),
    )
    for copies, counted, what, they in kinds:
        if copies:
            listed = first_few(f"{dataset.names[first]} = {dataset.names[second]}" for first, second in copies)
            yield (
                f"{plural(len(copies), *counted)} {what}: {listed}. "
                f"All are kept on one side of every split.{_differing(dataset, copies)} {they} count double in every "
                "score; leave them out, --augment makes such copies in training alone."
            )


def _differing(dataset: ImageDataset, copies: Sequence[tuple[int, int]]) -> str:
    """Words on copies whose labels differ; empty where they agree."""
    labels = dataset.labels
    n_differing = 0 if labels is None else sum(int(labels[one] != labels[other]) for one, other in copies)
    return f" In {n_differing:,} of them the labels differ." if n_differing else ""


def left_out_notes(n_left_out: int) -> Iterator[str]:
    """A note where there are so many images, or so many alike, that not all were compared in the search for copies."""
    if n_left_out:
        comparisons = plural(n_left_out, "comparison was", "comparisons were")
        yield (
            f"{comparisons} left out in the search for mirrored, turned and cropped copies, as there are so many "
            "images or so many alike; copies among them may have been missed. Where images belong together, name them "
            "by --group-from or a group column."
        )


def _conflict_warning(dataset: ImageDataset, conflicts: Sequence[Sequence[int]]) -> str:
    pairs = first_few(
        " = ".join(f"{dataset.names[row]} ({_label(dataset, row)})" for row in rows[:3]) for rows in conflicts
    )
    sets = plural(len(conflicts), "set of duplicates carries", "sets of duplicates carry")
    return f"{sets} different labels; at least one label is wrong: {pairs}."


def _part_warnings(dataset: ImageDataset, duplicates: Sequence[Sequence[int]]) -> Iterator[str]:
    """Warning of copies in several parts of a split that the data bring along."""
    if dataset.parts is None:
        return
    parts = dataset.parts.tolist()
    torn = [rows for rows in duplicates if len({parts[row] for row in rows}) > 1]
    if torn:
        listed = first_few(" = ".join(dataset.names[row] for row in rows[:3]) for rows in torn)
        sets = plural(len(torn), "set of duplicates lies", "sets of duplicates lie")
        yield (
            f"{sets} in more than one part of the split ({listed}), so that a model would be judged on what it has "
            "learned; a fit refuses them. Remove the copies, or use --split-folders pool."
        )


def _label(dataset: ImageDataset, row: int) -> str:
    return "" if dataset.labels is None else dataset.classes[int(dataset.labels[row])]


def _class_warnings(dataset: ImageDataset) -> Iterator[str]:
    if dataset.labels is None:
        return
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    if np.count_nonzero(counts) == 1:
        only = dataset.classes[int(counts.argmax())]
        yield (
            f"All images are of one class ({only!r}), and training needs at least two: add images of another class, or "
            "check the folder or label column."
        )
    few = [
        f"{name} ({count})" for name, count in zip(dataset.classes, counts.tolist(), strict=True) if count < FEW_IMAGES
    ]
    if few:
        yield (
            f"Fewer than {FEW_IMAGES} images in {first_few(few)}: with so few, one image more or less right moves the "
            "score of the class by several points, so its interval will be wide."
        )
    yield from _group_warnings(dataset)
    present = counts[counts > 0]
    if len(present) > 1 and present.max() > _IMBALANCE * present.min():
        yield (
            f"The largest class has {present.max() / present.min():.0f} times the images of the smallest: accuracy "
            "mostly speaks of the large one; look at balanced accuracy and at the per-class figures."
        )
    yield from alike_class_warnings(dataset.classes)


def _group_warnings(dataset: ImageDataset) -> Iterator[str]:
    if dataset.groups is None or dataset.labels is None:
        return
    pairs = np.unique(np.stack([dataset.labels, dataset.groups]), axis=1)
    n_groups = np.bincount(pairs[0], minlength=len(dataset.classes))
    few = [f"{name} ({n})" for name, n in zip(dataset.classes, n_groups.tolist(), strict=True) if n < FEW_GROUPS]
    if few:
        yield (
            f"Fewer than {FEW_GROUPS} groups in {first_few(few)}: images of one group resemble each other, so the "
            "number of groups, not of images, limits what can be concluded."
        )


def _shortcut_warnings(dataset: ImageDataset, records: Sequence[ImageFacts]) -> Iterator[str]:
    """Warnings of classes that a network may recognise by their files, without looking at the subject."""
    if dataset.labels is None:
        return
    traits: dict[str, Callable[[Header], object]] = {
        "file format": lambda header: header.format,
        "size in pixels": lambda header: (header.width, header.height),
        "colour mode": lambda header: header.mode,
    }
    for trait, value_of in traits.items():
        values = [None if record.header is None else value_of(record.header) for record in records]
        revealed = [dataset.classes[code] for code in _revealed(values, dataset.labels.tolist())]
        if revealed:
            named = first_few(map(repr, revealed))
            yield (
                f"The {trait} alone tells {named} from every other class: a model may learn where "
                "the files come from instead of what they show. Bring all classes to one format and size at the source."
            )


def _revealed(values: Sequence[object], labels: Sequence[int]) -> list[int]:
    """Classes that share no value with another, where values repeat inside and outside, so that it is no coincidence.

    Parameters
    ----------
    values : sequence
        Of every image; None where it is not known.
    labels : sequence of int
    """
    of_class: dict[int, Counter[object]] = {}
    for value, label in zip(values, labels, strict=True):
        if value is not None:
            of_class.setdefault(label, Counter())[value] += 1
    n_holders = Counter(value for own in of_class.values() for value in own)
    total = sum(own.total() for own in of_class.values())
    return [code for code, own in sorted(of_class.items()) if _stands_alone(own, n_holders, total)]


def _stands_alone(own: Counter[object], n_holders: Counter[object], total: int) -> bool:
    """Whether no other class holds a value of one, and each value stands for five images or more on both sides."""
    n_other = len(n_holders) - len(own)
    repeated = own.total() >= 5 * len(own) and total - own.total() >= 5 * max(1, n_other)
    return repeated and all(n_holders[value] == 1 for value in own)


def _depth_warnings(records: Sequence[ImageFacts]) -> Iterator[str]:
    peaks = [record.peak for record in records if record.peak is not None]
    if not peaks:
        return
    level = next((top for top in _BIT_RANGES if max(peaks) <= top), None)
    if level is not None:
        yield (
            f"The {len(peaks):,} 16-bit images never exceed {max(peaks):,}, so they look nearly black; with "
            f"--white-level {level} their range is used."
        )
    n_readable = sum(record.header is not None for record in records)
    if len(peaks) < n_readable:
        deep = plural(len(peaks), "image has", "images have")
        yield f"{deep} 16 bits, the other {n_readable - len(peaks):,} 8: check that brightness agrees."


def _shape_warnings(dataset: ImageDataset, records: Sequence[ImageFacts]) -> Iterator[str]:
    headers = [record.header for record in records if record.header is not None]
    pages = [
        name
        for name, record in zip(dataset.names, records, strict=True)
        if record.header is not None and record.header.n_pages > 1
    ]
    if pages:
        files = plural(len(pages), "file has", "files have")
        yield f"{files} several pages or frames; only the first is used: {first_few(pages)}."
    aspects = [header.width / header.height for header in headers]
    if aspects and max(aspects) > _ASPECT_SPREAD * min(aspects):
        yield (
            f"Width / height runs from {min(aspects):.2f} to {max(aspects):.2f}: the resize policy `squash` distorts "
            "some images more than others; `pad` or `crop` keep their proportions."
        )
