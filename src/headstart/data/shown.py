"""What a data set and its audit say of themselves in a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from headstart.errors import ImageError, first_few
from headstart.runtime.notebook import html_card, png_uri

if TYPE_CHECKING:
    from headstart.data.audit.audit import Audit
    from headstart.data.dataset import ImageDataset

MAX_PICTURES: Final = 6
"""Pictures that a notebook shows of a data set."""


def dataset_html(dataset: ImageDataset) -> str:
    """A data set as a table for a notebook, with the first picture of each class, or the first few without labels."""
    counts = Counter(dataset.label_names())
    facts = {
        "classes": first_few([f"{name} {counts[name]:,}" for name in dataset.classes], 20) or None,
        "groups": None if dataset.groups is None else f"{len(set(dataset.groups.tolist())):,}",
        "table columns": first_few([column.name for column in dataset.columns], 20) or None,
        "notes": first_few(dataset.notes) or None,
    }
    return html_card(f"ImageDataset: {len(dataset):,} images", facts, _pictures(dataset))


def audit_html(audit: Audit) -> str:
    """The findings of an audit as a table for a notebook."""
    return html_card(f"Audit: {audit.n_images:,} images", audit_facts_shown(audit))


def audit_facts_shown(audit: Audit) -> dict[str, object]:
    """What an audit found, in words; None for what it did not find."""
    low, median, high = ([of[place] for of in (audit.widths, audit.heights)] for place in range(3))
    return {
        "classes": first_few([f"{name} {count:,}" for name, count in audit.class_counts.items()], 20) or None,
        "width x height": " / ".join(f"{width} x {height}" for width, height in (low, median, high)),
        "formats": first_few([f"{name} {count:,}" for name, count in audit.formats.items()]),
        "unreadable": first_few([name for _, name, _ in audit.unreadable]) or None,
        "sets of exact duplicates": len(audit.duplicates) or None,
        "of them with different labels": len(audit.conflicts) or None,
        "near-duplicate candidates": len(audit.candidates) or None,
        "warnings": " ".join(audit.warnings) or None,
    }


def _pictures(dataset: ImageDataset) -> Iterator[tuple[str, str]]:
    """Data URI and words of some pictures; those that cannot be read are passed over."""
    labels = dataset.label_names()
    rows = [labels.index(name) for name in dataset.classes if name in labels] if labels else range(len(dataset))
    for row in rows[:MAX_PICTURES]:
        try:
            picture = dataset.load(row)
        except ImageError:
            continue
        yield png_uri(picture), f"{dataset.names[row]}{f' ({labels[row]})' if labels else ''}"
