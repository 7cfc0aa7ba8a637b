"""`audit_dataset`: every image read once, before anything is learned from it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.audit.examine import ImageFacts
from headstart.data.audit.examine_all import examine_all
from headstart.data.audit.series import Series
from headstart.data.audit.shortcuts import (
    FileFactsTable,
    JudgedFact,
    file_facts_table,
    judge_facts,
    shortcut_warnings,
)
from headstart.data.audit.shown import ShownAudit
from headstart.data.audit.similarity import find_alike
from headstart.data.audit.table import ColumnFacts, column_facts, table_warnings
from headstart.data.audit.warnings import copy_warnings, left_out_notes, warnings_about
from headstart.data.dataset import ImageDataset
from headstart.data.images.bounds import MAX_PIXELS
from headstart.data.table.array_column import ARRAY
from headstart.errors import first_few, plural
from headstart.progress import Progress, Silent


@dataclass(frozen=True, eq=False, repr=False)
class Audit(ShownAudit):
    """Findings of an audit; rows are rows of the audited data set.

    Attributes
    ----------
    n_images : int
    class_counts : dict of str to int
        Images of every class, in class order; empty without labels.
    unreadable : tuple of (row, name, reason)
    formats, modes : dict of str to int
        Readable images of every file format and stored colour mode, most frequent first.
    widths, heights : (int, int, int)
        Smallest, median and largest, in pixels; zeros when nothing was readable.
    multi_page : tuple of str
        Files with several pages or frames, of which the first is used.
    duplicates : tuple of tuples of rows
        Sets of exact duplicates: same file content or same decoded pixels.
    conflicts : tuple of tuples of rows
        Those sets of duplicates whose labels differ.
    candidates : list of (row, row, bits)
        Near-duplicate candidates, closest first, exact duplicates left out: pairs whose perceptual hashes differ in
        at most 6 of 64 bits. They are suspicions until features confirm them.
    candidates_cut : bool
        Whether there were more candidates than are listed.
    copies : tuple of (row, row)
        Pairs of which one is the other mirrored or turned by a multiple of 90 degrees, exact duplicates left out.
    cropped : tuple of (row, row)
        Further pairs of which one is a crop of the other, or the other turned by a few degrees, perhaps mirrored.
    hashes : tuple of str
        Content hash of every image; empty for a file that could not be read.
    warnings : tuple of str
        Traits of the data that weaken or bias the result, with the reason.
    notes : tuple of str
        Sentences about everything that reading the data set left out or changed.
    columns : tuple of ColumnFacts
        Facts about the table columns, where there are any.
    series : Series or None
        Groups proposed from the names of the files; None where names tell nothing, or groups are given.
    files : FileFactsTable or None
        Facts about the files of the readable images; None where the pictures lie in none.
    facts : tuple of JudgedFact
        How well each of them tells the class; empty until `Audit.judged`.
    """

    n_images: int
    names: tuple[str, ...]
    class_counts: dict[str, int]
    unreadable: tuple[tuple[int, str, str], ...]
    formats: dict[str, int]
    modes: dict[str, int]
    widths: tuple[int, int, int]
    heights: tuple[int, int, int]
    multi_page: tuple[str, ...]
    duplicates: tuple[tuple[int, ...], ...]
    conflicts: tuple[tuple[int, ...], ...]
    candidates: list[tuple[int, int, int]]
    candidates_cut: bool
    hashes: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    columns: tuple[ColumnFacts, ...] = ()
    copies: tuple[tuple[int, int], ...] = ()
    cropped: tuple[tuple[int, int], ...] = ()
    series: Series | None = None
    files: FileFactsTable | None = None
    facts: tuple[JudgedFact, ...] = ()

    def judged(
        self,
        labels: NDArray[np.int64],
        *,
        groups: NDArray[np.int64] | None = None,
        folds: NDArray[np.int64] | None = None,
    ) -> Audit:
        """The audit with facts about the files judged by how well they tell the class, and a warning where one does.

        Parameters
        ----------
        labels, groups, folds : ndarray of shape (n_readable,), int64
            As for `headstart.data.audit.shortcuts.judge_facts`.
        """
        if self.files is None or len(self.class_counts) < 2:
            return self
        n_classes = len(self.class_counts)
        facts = judge_facts(self.files, labels, n_classes=n_classes, groups=groups, folds=folds)
        found = shortcut_warnings(facts, n_classes, self.warnings)
        return replace(self, facts=facts, warnings=(*self.warnings, *found))

    @property
    def unreadable_rows(self) -> list[int]:
        """Rows of the unreadable images, for `ImageDataset.without`."""
        return [row for row, _, _ in self.unreadable]

    @property
    def duplicate_pairs(self) -> list[tuple[int, int]]:
        """Every exact duplicate with the first image of its set, for `headstart.data.join_groups`."""
        return [(rows[0], row) for rows in self.duplicates for row in rows[1:]]

    def to_json(self) -> dict[str, Any]:
        """The findings as plain JSON, images by name; the same for the same files whatever the order of work."""
        return {
            "n_images": self.n_images,
            "class_counts": self.class_counts,
            "unreadable": [{"image": name, "reason": reason} for _, name, reason in self.unreadable],
            "formats": self.formats,
            "modes": self.modes,
            "width": dict(zip(("min", "median", "max"), self.widths, strict=True)),
            "height": dict(zip(("min", "median", "max"), self.heights, strict=True)),
            "multi_page": list(self.multi_page),
            "duplicates": [self._named(rows) for rows in self.duplicates],
            "label_conflicts": [self._named(rows) for rows in self.conflicts],
            "near_duplicate_candidates": [
                {"images": self._named((left, right)), "differing_bits": bits} for left, right, bits in self.candidates
            ],
            "near_duplicate_candidates_cut": self.candidates_cut,
            "mirrored_or_turned_copies": [self._named(pair) for pair in self.copies],
            "cropped_or_rotated_copies": [self._named(pair) for pair in self.cropped],
            "series": None if self.series is None else vars(self.series),
            "file_facts": {fact.name: fact.balanced_accuracy for fact in self.facts},
            "table_columns": [column.to_json() for column in self.columns],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }

    def _named(self, rows: Sequence[int]) -> list[str]:
        return [self.names[row] for row in rows]

    def lines(self) -> list[str]:
        """The findings as lines of text for a terminal."""
        return list(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{plural(self.n_images, 'image')}, {len(self.unreadable):,} unreadable"
        if self.class_counts:
            yield "classes: " + ", ".join(f"{name} {count:,}" for name, count in self.class_counts.items())
        if self.formats:
            yield "formats: " + ", ".join(f"{name} {count:,}" for name, count in self.formats.items())
            yield "colour modes: " + ", ".join(f"{name} {count:,}" for name, count in self.modes.items())
            for what, (low, middle, high) in (("width", self.widths), ("height", self.heights)):
                yield (
                    f"{what}: {low:,} to {high:,} pixels, median {middle:,}"
                    if low < high
                    else f"{what}: {low:,} pixels"
                )
        for column in self.columns:
            yield _column_line(column)
        for _, name, reason in self.unreadable:
            yield f"unreadable: {name}: {reason}"
        for rows in self.duplicates:
            kind = "label conflict" if rows in self.conflicts else "duplicates"
            yield f"{kind}: {first_few(self._named(rows))}"
        more = " (the closest of more)" if self.candidates_cut else ""
        yield f"near-duplicate candidates: {plural(len(self.candidates), 'pair')}{more}"
        yield f"mirrored or turned copies: {plural(len(self.copies), 'pair')}"
        yield f"cropped copies and such turned by a few degrees: {plural(len(self.cropped), 'pair')}"
        yield from (f"note: {note}" for note in self.notes)
        yield from (f"warning: {warning}" for warning in self.warnings)


def _column_line(column: ColumnFacts) -> str:
    alone, is_array = column.balanced_accuracy, column.kind == ARRAY
    one = "its most telling column" if is_array else "it"
    told = "" if alone is None else f"; alone {one} tells the class with balanced accuracy {alone:.2f}"
    if is_array:
        return (
            f"feature array {column.name}: {plural(column.n_distinct, 'column that varies', 'columns that vary')}{told}"
        )
    values = plural(column.n_distinct, "value")
    return f"table column {column.name}: {column.kind}, {values}, {column.n_missing:,} missing{told}"


def audit_dataset(
    dataset: ImageDataset,
    *,
    max_pixels: int = MAX_PIXELS,
    channels: Sequence[str] | None = None,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Read every image once and report what is wrong, suspicious or noteworthy.

    Parameters
    ----------
    dataset : ImageDataset
    max_pixels : int
        Larger images count as unreadable.
    channels : sequence of str, optional
        Names of the channels that make up an image; see `headstart.data.images.decode.decode_details`.
    n_workers : int, optional
        Threads, or processes where there are very many small files. Default: one per core, at most 8.
    progress : Progress, optional

    Returns
    -------
    Audit
    """
    n_threads = min(8, os.cpu_count() or 1) if n_workers is None else max(1, n_workers)
    records = examine_all(dataset, max_pixels, channels, n_threads=n_threads, progress=progress or Silent())
    readable = [row for row, record in enumerate(records) if record.failure is None]
    duplicates = _duplicates(records)
    conflicts = tuple(rows for rows in duplicates if _disagree(dataset, rows))
    alike = find_alike(dataset, records, readable, n_threads=n_threads)
    set_of = {row: rows[0] for rows in duplicates for row in rows}
    columns = column_facts(dataset)
    turned, cropped = (_copies(pairs, readable, set_of) for pairs in (alike.copies, alike.cropped))
    found = [
        *warnings_about(dataset, records, duplicates=duplicates, conflicts=conflicts),
        *copy_warnings(dataset, turned, cropped),
    ]
    files = file_facts_table(dataset, records)
    headers = [header for row in readable if (header := records[row].header) is not None]
    return Audit(
        n_images=len(dataset),
        names=dataset.names,
        class_counts=_class_counts(dataset),
        unreadable=tuple(
            (row, dataset.names[row], text) for row, record in enumerate(records) if (text := record.failure)
        ),
        formats=_counted(header.format for header in headers),
        modes=_counted(header.mode for header in headers),
        widths=_range([header.width for header in headers]),
        heights=_range([header.height for header in headers]),
        multi_page=tuple(dataset.names[row] for row in readable if (h := records[row].header) and h.n_pages > 1),
        duplicates=duplicates,
        conflicts=conflicts,
        candidates=_named_rows(alike.candidates, readable, set_of),
        candidates_cut=alike.candidates_cut,
        hashes=tuple(record.content_hash for record in records),
        warnings=(*found, *alike.warnings, *table_warnings(columns, dataset)),
        notes=(*dataset.notes, *left_out_notes(alike.n_left_out)),
        columns=columns,
        copies=turned,
        cropped=cropped,
        series=alike.series,
        files=None if files is None else files.take(readable),
    )


def _duplicates(records: Sequence[ImageFacts]) -> tuple[tuple[int, ...], ...]:
    """Sets of rows with equal pixels; equal files decode to equal pixels, so this covers both."""
    rows_of: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        if record.failure is None:
            rows_of.setdefault(record.pixel_hash, []).append(row)
    return tuple(tuple(rows) for rows in rows_of.values() if len(rows) > 1)


def _disagree(dataset: ImageDataset, rows: tuple[int, ...]) -> bool:
    return dataset.labels is not None and len(np.unique(dataset.labels[list(rows)])) > 1


def _named_rows(
    candidates: list[tuple[int, int, int]], readable: list[int], set_of: dict[int, int]
) -> list[tuple[int, int, int]]:
    """Candidates as rows of the data set, without pairs that are exact duplicates."""
    pairs = [(readable[left], readable[right], bits) for left, right, bits in candidates]
    return [pair for pair in pairs if set_of.get(pair[0], -1) != set_of.get(pair[1], -2)]


def _copies(
    pairs: Sequence[tuple[int, int]], readable: list[int], set_of: dict[int, int]
) -> tuple[tuple[int, int], ...]:
    """Copies as rows of the data set, without pairs that are exact duplicates."""
    named = _named_rows([(first, second, 0) for first, second in pairs], readable, set_of)
    return tuple((first, second) for first, second, _ in named)


def _class_counts(dataset: ImageDataset) -> dict[str, int]:
    if dataset.labels is None:
        return {}
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes)).tolist()
    return dict(zip(dataset.classes, counts, strict=True))


def _counted(values: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _range(values: list[int]) -> tuple[int, int, int]:
    return (min(values), int(np.median(values)), max(values)) if values else (0, 0, 0)
