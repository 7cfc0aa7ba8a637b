"""Data sets with DICOM images: groups and a note from their tags."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import find_format, formats_by_suffix
from headstart.errors import ImageError

if TYPE_CHECKING:
    from headstart.data.images.files import FilePixels
    from headstart.data.images.source import ImageSource
    from headstart.data.readers.dicom.facts import DicomFacts
    from headstart.data.readers.table import DatasetTable

_BEGIN_BYTES: Final = 1 << 20
_MOST_BYTES: Final = 33 << 20  # files with more tags are refused
_NAME: Final = "DICOM"


def with_dicom_tags(table: DatasetTable, pixels: ImageSource) -> tuple[DatasetTable, ImageSource]:
    """Table with a note on its DICOM images, and pixels that propose their patients as groups; as given without any."""
    from headstart.data.images.files import FilePixels

    if not isinstance(pixels, FilePixels):
        return table, pixels
    suffixes = [_suffix(name) for name in table.names]
    dicom = {suffix for suffix in set(suffixes) if _may_be_dicom(suffix)}
    if not dicom or importlib.util.find_spec("pydicom") is None:
        return table, pixels
    from headstart.data.readers.dicom.facts import proposed_groups, shown_note

    named = zip(table.names, suffixes, strict=True)
    facts = [_facts(pixels, name) if suffix in dicom else None for name, suffix in named]
    if not any(facts):
        return table, pixels
    noted = replace(table, notes=(*table.notes, shown_note(facts)))
    return noted, replace(pixels, proposal=proposed_groups(facts))


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return f"{dot}{suffix}".lower() if stem else ""


def _may_be_dicom(suffix: str) -> bool:
    known = formats_by_suffix().get(suffix)
    return known is None or known.name == _NAME


def _facts(pixels: FilePixels, name: str) -> DicomFacts | None:
    """Facts from the beginning of a file; None where it is no DICOM or cannot be read, which the audit will say."""
    from headstart.data.readers.dicom.facts import DicomFacts

    facts = None
    for n_bytes in (_BEGIN_BYTES, _MOST_BYTES):  # tags of many frames, or of a maker, may take more than the first
        try:
            begin = pixels.begin(name, n_bytes)
        except ImageError:
            return None
        found = find_format(begin)
        if found is None or found.name != _NAME:
            return None
        facts = DicomFacts.of(begin)
        if len(begin) < n_bytes or (facts is not None and facts.shared["study"]):
            break
    return facts
