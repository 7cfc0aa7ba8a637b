"""A run without the names of its images, for images of patients."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from headstart.results.read import RunRecord

LEFT_OUT = "(image name left out)"


def without_image_names(record: RunRecord) -> RunRecord:
    """The record with image names taken out of every sentence the run wrote: warnings and notes.

    Lists of images in the audit stay, for their lengths; the section `headstart.report.sections.audit` counts them.
    """
    names = _image_names(record)
    warnings = [_without(names, sentence) for sentence in record.results.warnings]
    notes = [_without(names, sentence) for sentence in record.split.notes]
    return replace(
        record,
        results=record.results.model_copy(update={"warnings": tuple(warnings)}),
        split=record.split.model_copy(update={"notes": tuple(notes)}),
    )


def _image_names(record: RunRecord) -> list[str]:
    """Every image the run knows by name, readable or not; the longest first, so that none is cut by a shorter one."""
    unreadable = [entry.image for entry in record.results.audit.unreadable]
    names = {*record.split.images, *record.predictions.images, *unreadable}
    return sorted(names, key=lambda name: (-len(name), name))


def _without(names: Iterable[str], sentence: str) -> str:
    """The sentence with every name in it replaced, where it stands as a word of its own."""
    for name in names:
        if name and name in sentence:
            sentence = re.sub(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])", LEFT_OUT, sentence)
    return sentence
